"""Results of lm-evaluation-harness (`--output_path … --log_samples`) become a run with status "imported".

A run's identity is the digest of its files: the same files again are the same run. A figure comes in if
lm-eval's aggregation of the samples gives it again; one that cannot be made again is left out, with a
warning. Results without samples are refused: no score stands without its samples.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.sources import DataError
from harness.errors import UsageError
from harness.exchange.lm_eval_samples import Document, documents, sample_row
from harness.results.rows import ResponseRow, RunRow, SampleRow, ScoreRow, TaskRow
from harness.tasks.lm_eval_bridge import aggregations
from harness.tasks.lm_eval_bridge.metrics import key, score

if TYPE_CHECKING:
    from harness.results import Store

BATCH = 2000  # samples stored in one transaction


@dataclass(frozen=True, slots=True)
class Imported:
    run: RunRow
    tasks: Sequence[TaskRow]
    new: bool  # False: these files were imported before


@dataclass(slots=True)
class Parts:
    """A run as its files have it."""

    run: RunRow
    tasks: list[TaskRow]
    scores: list[ScoreRow]
    samples: list[SampleRow]
    responses: list[ResponseRow]


def import_results(store: Store, path: Path, name: str | None = None) -> list[Imported]:
    """Store each `results_*.json` below the folder `path` (or that file) as a run, with its samples.

    All are read and checked before the first is stored. UsageError where there are none; DataError for a
    file that is broken, has no samples, or has fewer than its results say."""
    runs = [read(file, name) for file in results_files(path)]
    return [_store(store, parts) for parts in runs]


def results_files(path: Path) -> list[Path]:
    """Every `results_*.json` below a folder, or the file that is named. UsageError where there is none."""
    if path.is_file():
        return [path]
    files = sorted(path.rglob("results_*.json"))
    if not files:
        missing = "There is no folder" if not path.exists() else "There is no results_*.json below"
        raise UsageError(f"{missing} {path}. Name the --output_path of an lm-eval run, or one results file.")
    return files


def _store(store: Store, parts: Parts) -> Imported:
    known = store.find(parts.run.identity)
    if known and known.status == "imported":
        return Imported(known, store.tasks(known.id), new=False)
    if not known:
        store.create(replace(parts.run, status="running"), parts.tasks)
    # an import that was broken off goes on: what is stored stays
    answers: dict[tuple[str, str, int], list[ResponseRow]] = {}
    for row in parts.responses:
        answers.setdefault((row.task, row.item, row.repeat), []).append(row)
    for at in range(0, len(parts.samples), BATCH):
        some = parts.samples[at : at + BATCH]
        store.record(parts.run.id, [r for s in some for r in answers.get((s.task, s.item, s.repeat), [])], some)
    store.save_scores(parts.run.id, parts.scores)
    store.update(parts.run.id, status="imported")
    return Imported(parts.run, parts.tasks, new=True)


def read(path: Path, name: str | None = None) -> Parts:
    """The run of one results file with its samples. DataError for files that are broken or do not belong together."""
    results = _json(path.read_text(encoding="utf-8"), path)
    if not isinstance(results, dict) or not {"results", "configs"} <= results.keys():
        raise DataError(f"{path} is not a results file of lm-eval: it has no 'results' and 'configs'.")
    time = path.stem.removeprefix("results_")
    ours = results.get("harness")
    names = list(ours["files"]) if ours else list(results["configs"])
    files = {task: _samples_file(path, task, time) for task in names}
    digests = {task: hashlib.sha256(file.read_bytes()).hexdigest() for task, file in files.items()}
    whole = hashlib.sha256(path.read_bytes())
    for digest in sorted(digests.values()):
        whole.update(digest.encode())
    identity = whole.hexdigest()
    lines = {task: _json_lines(file) for task, file in files.items()}
    if ours:
        for task, digest in digests.items():
            if digest != ours["files"][task]:
                raise DataError(f"{files[task]} is not the file that was exported with {path}. Copy both again.")
        parts = _own_parts(ours, lines, identity)
    else:
        parts = _foreign_parts(results, lines, identity, files)
    return replace(parts, run=replace(parts.run, name=name)) if name else parts


def _samples_file(results: Path, task: str, time: str) -> Path:
    from harness.exchange.lm_eval_layout import file_name, layout_name

    names = [f"samples_{label}_{time}.jsonl" for label in (layout_name(task), file_name(layout_name(task)))]
    for file in names:
        if (results.parent / file).is_file():
            return results.parent / file
    raise DataError(
        f"{results} has no samples for {task} ({names[0]} is not beside it). Scores without their samples are not "
        "imported: run lm-eval with --log_samples."
    )


def _json(text: str, where: Path | str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON ({error}). Is the file whole?") from error


def _json_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [_json(line, f"{path}, line {i}") for i, line in enumerate(file, 1) if line.strip()]


# ---- our own export ----


def _own_parts(ours: Mapping[str, Any], lines: Mapping[str, list[dict[str, Any]]], identity: str) -> Parts:
    known = _fields(RunRow, ours["run"])
    for name in ("created", "finished"):
        known[name] = known[name] and datetime.fromisoformat(known[name])
    run = RunRow(**(known | {"id": identity[:32], "identity": identity, "status": "imported"}))
    tasks = [TaskRow(**(_fields(TaskRow, row) | {"run": run.id})) for row in ours["tasks"]]
    scores = [ScoreRow(**(_fields(ScoreRow, row) | {"run": run.id})) for row in ours["scores"]]
    samples, responses = [], []
    for task, some in lines.items():
        for line in some:
            if "harness" not in line:  # another filter's line of the same sample
                continue
            sample = SampleRow(run=run.id, task=task, **line["harness"]["sample"])
            samples.append(sample)
            for row in line["harness"]["responses"]:
                prompt = line["arguments"].get(f"gen_args_{row.pop('prompt')}", {"arg_0": ""})["arg_0"]
                cut = row.pop("shared")
                key = {"run": run.id, "task": task, "item": sample.item, "repeat": sample.repeat}
                text = {"shared": prompt[:cut], "own": prompt[cut:]}
                lists = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
                responses.append(ResponseRow(**(row | key | text | lists)))
    return Parts(run, tasks, scores, samples, responses)


def _fields(kind: type[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in fields(kind) if field.name in row}


# ---- lm-eval's own ----


def _foreign_parts(
    results: Mapping[str, Any], lines: Mapping[str, list[dict[str, Any]]], identity: str, files: Mapping[str, Path]
) -> Parts:
    run = _run(results, identity)
    parts = Parts(run, [], [], [], [])
    warnings = [
        f"the figures of the group {name!r} are not imported; its tasks are" for name in results.get("groups", ())
    ]
    for name, config in results["configs"].items():
        task = f"lm_eval:{name}"
        reported = {
            label: figure
            for label, figure in results["results"][name].items()
            if "," in label and "_stderr," not in label and isinstance(figure, int | float)
        }
        docs = documents(task, lines[name], reported)
        expected = results.get("n-samples", {}).get(name, {}).get("effective", len(docs))
        if len(docs) != expected:
            raise DataError(
                f"{files[name]} holds {len(docs)} documents; its results count {expected}. Copy both again."
            )
        known = _known_aggregations(docs, config, reported)
        for document in docs:
            sample, responses = sample_row(run.id, task, document, config, known)
            parts.samples.append(sample)
            parts.responses += responses
        parts.tasks.append(_task(run, task, results, name, config, docs, reported))
        parts.scores += _scores(run, task, docs, known)
        warnings += [
            f"{task}: no aggregation that we know makes the figure {metric} of its samples; left out"
            for metric in (key(*label.split(",", 1)) for label in reported)
            if metric not in known
        ]
    return replace(parts, run=replace(run, warnings=tuple(warnings)))


def _run(results: Mapping[str, Any], identity: str) -> RunRow:
    config = results.get("config", {})
    created = datetime.fromtimestamp(results["date"], UTC) if "date" in results else datetime.now(UTC)
    seconds = float(results.get("total_evaluation_time_seconds") or 0)
    model = str(results.get("model_name") or config.get("model") or "unknown")
    counts = results.get("n-samples", {}).values()
    versions = {name: results.get(f"{name}_version") for name in ("lm_eval", "transformers")}
    return RunRow(
        id=identity[:32],
        identity=identity,
        name=model,
        status="imported",
        partial=bool(config.get("limit")) or any(count["effective"] < count["original"] for count in counts),
        model=model,
        model_digest=str(config.get("model_sha") or ""),
        base_digest="",
        backend=f"lm-eval {results.get('model_source') or config.get('model') or ''}".strip(),
        device=str(config.get("device") or ""),
        dtype=str(config.get("model_dtype") or "").removeprefix("torch."),
        seed=int(config.get("random_seed") or 0),
        created=created,
        finished=created + timedelta(seconds=seconds),
        config=dict(config),
        provenance={"packages": {name: v for name, v in versions.items() if v}, "lm_eval_git": results.get("git_hash")},
        totals={"seconds": seconds},
    )


def _task(
    run: RunRow,
    task: str,
    results: Mapping[str, Any],
    name: str,
    config: Mapping[str, Any],
    docs: Sequence[Document],
    reported: Mapping[str, Any],
) -> TaskRow:
    from harness.tasks.lm_eval_bridge.tasks import LEFT_OUT, digest

    return TaskRow(
        run=run.id,
        task=task,
        protocol="standard",
        version=f"{results.get('versions', {}).get(name)}+lm_eval-{results.get('lm_eval_version', 'unknown')}",
        metric=next((key(*label.split(",", 1)) for label in reported), ""),
        data_source="lm_eval:" + ":".join(filter(None, (config.get("dataset_path"), config.get("dataset_name")))),
        data_digest=digest([document.lines[0]["doc"] for document in docs]),
        shots=int(results.get("n-shot", {}).get(name) or 0),
        chat=bool(results.get("chat_template")),
        settings={option: value for option, value in config.items() if option not in LEFT_OUT}
        | {"higher_is_better": results.get("higher_is_better", {}).get(name, {})},
        items=len(docs),
    )


def _known_aggregations(
    docs: Sequence[Document], config: Mapping[str, Any], reported: Mapping[str, Any]
) -> dict[str, Any]:
    """By metric, the aggregation whose figure over the documents is the one that lm-eval reported: as the task
    declares it, lm-eval's own for the metric, or the mean. A metric for which none does is not there."""
    known = {}
    for label, figure in reported.items():
        name, metric = label.split(",")[0], key(*label.split(",", 1))
        values = [document.values[metric] for document in docs if metric in document.values]
        aggregate = aggregations.of_figure(name, figure, values, config.get("metric_list", ()), 1e-6)
        if aggregate:
            known[metric] = aggregate
    return known


def _scores(run: RunRow, task: str, docs: Sequence[Document], known: Mapping[str, Any]) -> list[ScoreRow]:
    rows = []
    for metric, aggregate in known.items():
        column = [(str(doc.lines[0]["doc_id"]), doc.values[metric]) for doc in docs if metric in doc.values]
        values = [float(value) if isinstance(value, int | float) else value for _, value in column]
        if made := score(metric, aggregate, values, [item for item, _ in column]):
            figures = (made.value, made.low, made.high, made.n, made.method)
            rows.append(ScoreRow(run.id, task, made.group, "standard", metric, *figures))
    return rows
