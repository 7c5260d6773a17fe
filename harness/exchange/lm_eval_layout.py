"""A run in the results layout of lm-evaluation-harness 0.4.13, for scripts that read that.

`MODEL/results_TIME.json` and `MODEL/samples_TASK_TIME.jsonl`, as `lm_eval/loggers/evaluation_tracker.py`
writes them. What that layout has no place for (intervals, tokens, our own ids) stands under the key
"harness" of the results and of each sample's first line, from which our import makes the same run again.
The store does not keep rows or options: "doc" holds the item's name, and an option has no text.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exchange.manifest import seal
from harness.tasks.lm_eval_bridge.metrics import stored_values

if TYPE_CHECKING:
    from harness.exchange.files import Batch
    from harness.results import Store
    from harness.results.rows import ResponseRow, RunRow, SampleRow, ScoreRow, TaskRow

PREFIX = "lm_eval:"
UNNAMED = ("run", "task", "item", "repeat", "shared", "own")  # what a response has from its line


def write(store: Store, run: RunRow, batch: Batch) -> None:
    """The results, one file of samples a task, and their manifest, into the batch."""
    tasks, scores = store.tasks(run.id), store.scores(run.id)
    model = re.sub(r"[\"<>:/|\\?*\[\]]+", "__", run.model) or "model"  # as lm-eval's sanitize_model_name
    time = run.created.astimezone(UTC).replace(tzinfo=None).isoformat().replace(":", "-")
    results: dict[str, dict[str, Any]] = {}
    files, counts = {}, {}
    groups: dict[str, dict[str, Any]] = {}
    for task in tasks:
        own = [score for score in scores if score.task == task.task]
        mark = " (unverified)" if run.unverified else ""
        if not task.items:  # a group: its tasks have the samples
            groups |= _group_result(task, own, mark)
            continue
        samples = store.samples(run.id, task.task)
        path = batch.new(f"{model}/samples_{file_name(layout_name(task.task))}_{time}.jsonl")
        _write_lines(path, _lines(task, samples, store.responses(run.id, task.task)))
        files[task.task] = hashlib.sha256(path.read_bytes()).hexdigest()
        counts[layout_name(task.task)] = {"original": task.items, "effective": len(samples)}
        results |= _results(task, own, samples, mark)
    document = {
        "results": results | groups,
        **({"groups": groups} if groups else {}),
        **_about(tasks, scores),
        "n-samples": counts,
        **_run(run, model),
        "harness": {
            "files": files,
            "run": asdict(run),
            "tasks": [asdict(task) for task in tasks],
            "scores": [asdict(score) for score in scores],
        },
    }
    _write_lines(batch.new(f"{model}/results_{time}.json"), [document], indent=2)
    seal(batch, time, model)


def layout_name(task: str) -> str:
    """The task's name without our prefix for lm-eval's own tasks."""
    return task.removeprefix(PREFIX)


def file_name(task: str) -> str:
    """The task's name as part of a file's."""
    return re.sub(r"[^\w.+-]", "_", task)


def _write_lines(path: Path, documents: Iterator[Any] | Sequence[Any], indent: int | None = None) -> None:
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            text = json.dumps(document, ensure_ascii=False, indent=indent, default=_plain)
            try:
                file.write(text + "\n")
            except UnicodeEncodeError:  # half a surrogate pair, in what a model wrote
                file.write(json.dumps(document, indent=indent, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def split_metric(metric: str) -> tuple[str, str]:
    """(metric, filter) of our "metric,filter"; see `tasks.lm_eval_metrics.key`."""
    name, _, filter_name = metric.partition(",")
    return name, filter_name or "none"


def _results(
    task: TaskRow, scores: Sequence[ScoreRow], samples: Sequence[SampleRow], mark: str
) -> dict[str, dict[str, Any]]:
    """The task's own line, and one for each group, as lm-eval has a subtask. `mark` ends what is shown as its name."""
    name, out = layout_name(task.task), {}
    for group, some in groupby(scores, key=lambda score: score.group):
        label = name if group == "all" else f"{name}_{group}"
        own = [sample for sample in samples if group in ("all", sample.group)]
        row: dict[str, Any] = {
            "name": label,
            "alias": (label if group == "all" else f" - {group}") + mark,
            "sample_len": len({sample.item for sample in own}) or max((score.n for score in scores), default=0),
        }
        for score in some:
            metric, filter_name = split_metric(score.metric)
            row[f"{metric},{filter_name}"] = score.value
            row[f"{metric}_stderr,{filter_name}"] = _stderr(score, own)
        out[label] = row
    return out


def _group_result(task: TaskRow, scores: Sequence[ScoreRow], mark: str) -> dict[str, dict[str, Any]]:
    """A group's line. Its standard error is not made here; the interval stands under "harness"."""
    name = layout_name(task.task)
    row: dict[str, Any] = {"name": name, "alias": name + mark}
    for score in scores:
        metric, filter_name = split_metric(score.metric)
        row |= {"sample_len": score.n, f"{metric},{filter_name}": score.value, f"{metric}_stderr,{filter_name}": "N/A"}
    return {name: row}


def _stderr(score: ScoreRow, samples: Sequence[SampleRow]) -> float | str:
    """lm-eval's standard error of a mean, where the figure is the plain mean of its samples; else "N/A"."""
    values = [sample.metrics[score.metric] for sample in samples if score.metric in sample.metrics]
    if len(values) < 2 or not math.isclose(mean := sum(values) / len(values), score.value, abs_tol=1e-12):
        return "N/A"
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


def _about(tasks: Sequence[TaskRow], scores: Sequence[ScoreRow]) -> dict[str, Any]:
    groups: dict[str, list[str]] = {
        layout_name(task.task): [layout_name(member) for member in task.settings.get("members", ())]
        for task in tasks
        if not task.items
    }
    tasks = [task for task in tasks if task.items]
    for score in scores:
        if score.group != "all":
            name = layout_name(score.task)
            own = groups.setdefault(name, [])
            own += [label] if (label := f"{name}_{score.group}") not in own else []
    metrics = {task.task: {split_metric(s.metric)[0] for s in scores if s.task == task.task} for task in tasks}
    return {
        "group_subtasks": groups,
        "configs": {
            layout_name(task.task): {
                "task": layout_name(task.task),
                "dataset_path": task.data_source,
                "num_fewshot": task.shots,
                **task.settings,
                "metadata": {"version": task.version, "protocol": task.protocol, "data_digest": task.data_digest},
            }
            for task in tasks
        },
        "versions": {layout_name(task.task): task.version for task in tasks},
        "n-shot": {layout_name(task.task): task.shots for task in tasks},
        "higher_is_better": {
            layout_name(task.task): {
                **dict.fromkeys(sorted(metrics[task.task]), True),
                **task.settings.get("higher_is_better", {}),
            }
            for task in tasks
        },
    }


def _run(run: RunRow, model: str) -> dict[str, Any]:
    end = run.finished or run.created
    return {
        "config": {
            "model": run.backend,
            "model_args": {"pretrained": run.model},
            "model_dtype": run.dtype,
            "model_sha": run.model_digest,
            "device": run.device,
            "random_seed": run.seed,
        },
        "git_hash": run.provenance.get("git_revision"),
        "date": run.created.timestamp(),
        "model_source": run.backend,
        "model_name": run.model,
        "model_name_sanitized": model,
        "total_evaluation_time_seconds": str((end - run.created).total_seconds()),
    }


# ---- samples ----


def _lines(task: TaskRow, samples: Sequence[SampleRow], responses: Sequence[ResponseRow]) -> Iterator[dict[str, Any]]:
    """A line for each sample and filter. "doc_id" counts the items as the store orders them."""
    answers: dict[tuple[str, int], list[ResponseRow]] = {}
    for response in responses:
        answers.setdefault((response.item, response.repeat), []).append(response)
    ids: dict[str, int] = {}
    for sample in samples:
        ids.setdefault(sample.item, len(ids))
        own = answers.get((sample.item, sample.repeat), [])
        packs = task.task.startswith(PREFIX)
        answer, values = (stored_values if packs else _as_they_are)(sample.answer, sample.metrics)
        by_filter: dict[str, dict[str, Any]] = {}
        for metric, value in values.items():
            name, filter_name = split_metric(metric)
            by_filter.setdefault(filter_name, {})[name] = value
        doc = {"id": sample.item, "group": sample.group, "cluster": sample.cluster}
        arguments, resps, places = _instances(own, task.settings.get("generation_kwargs", {}))
        for i, (filter_name, metrics) in enumerate((by_filter or {"none": {}}).items()):
            generated = bool(own) and own[0].kind == "generate"
            yield {
                "doc_id": ids[sample.item],
                "doc": doc,
                "target": sample.expected,
                "arguments": arguments,
                "resps": resps,
                # the store keeps what the first filter read out of a generation
                "filtered_resps": ([answer] if i == 0 else []) if generated else [some[0] for some in resps],
                "filter": filter_name,
                "metrics": list(metrics),
                "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
                "prompt_hash": _hash(own[0].shared + own[0].own if own else ""),
                "target_hash": _hash(sample.expected),
                **metrics,
                **({"harness": _ours(sample, own, places)} if i == 0 else {}),
            }


def _as_they_are(answer: str, numbers: Mapping[str, float]) -> tuple[str, dict[str, Any]]:
    return answer, dict(numbers)


def _instances(
    responses: Sequence[ResponseRow], generation: Mapping[str, Any]
) -> tuple[dict[str, Any], list[list[Any]], list[int]]:
    """ "arguments" and "resps" as lm-eval has them, one entry an instance, and where each response begins.

    Generations of one prompt one after the other are an instance's repeats; a choice is an instance an option."""
    arguments: dict[str, Any] = {}
    resps: list[list[Any]] = []
    places: list[int] = []
    last = None
    for response in responses:
        prompt = (response.kind, response.shared + response.own)
        if response.kind == "generate" and prompt == last:
            places.append(len(resps) - 1)
            resps[-1].append(response.text)
            continue
        last = prompt
        places.append(len(resps))
        if response.kind == "generate":
            arguments[f"gen_args_{len(resps)}"] = {"arg_0": prompt[1], "arg_1": dict(generation)}
            resps.append([response.text])
        for i, logprob in enumerate(response.logprobs):
            option = {"arg_1": response.options[i]} if i < len(response.options) else {}
            arguments[f"gen_args_{len(resps)}"] = {"arg_0": prompt[1], **option}
            rolling = response.kind == "rolling"
            resps.append([str(logprob)] if rolling else [[str(logprob), str(response.greedy[i])]])
    return arguments, resps, places


def _ours(sample: SampleRow, responses: Sequence[ResponseRow], places: Sequence[int]) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(sample).items() if name not in ("run", "task")}
    rows = [
        {"prompt": place, "shared": len(row.shared)}
        | {name: value for name, value in asdict(row).items() if name not in UNNAMED}
        for row, place in zip(responses, places, strict=True)
    ]
    return {"sample": kept, "responses": rows}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
