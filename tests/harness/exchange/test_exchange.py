"""Runs leave and come in again: tables, lm-eval's layout, lm-eval's own results."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from data.sources import DataError
from harness.cli import transfer
from harness.errors import UsageError
from harness.evaluation.rescoring import is_same, rescored
from harness.exchange import export, import_results
from harness.exchange.files import Batch
from harness.exchange.tables import FORMULA, cell
from harness.exchange.verification import verify
from harness.results import Store
from harness.results.rows import ResponseRow, RunRow, SampleRow, ScoreRow, TaskRow
from harness.tasks.lm_eval_bridge import metrics as lm_eval_metrics
from harness.tasks.lm_eval_bridge.groups import Aggregate, Averaged
from harness.tasks.lm_eval_bridge.metrics import key, pack, stored_values
from harness.tasks.lm_eval_bridge.tasks import load_lm_eval
from tests.harness.exchange import lm_eval_samples as own
from tests.models import make_model

NASTY = "=HYPERLINK(1)\n\ud800 \x00 “é”"
RUN = "0" * 32


def fill(store: Store) -> None:
    """A run with two groups, repeats, a choice, and text that no spreadsheet should see."""
    run = RunRow(
        RUN,
        "f" * 64,
        "mine",
        "finished",
        False,
        "org/model",
        "abc",
        "",
        "transformers",
        "cpu",
        "float32",
        1,
        datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        datetime(2026, 1, 2, 4, tzinfo=UTC),
        "harness run",
        {"chat": False},
        {"git_revision": "deadbeef"},
        {"seconds": 2.5},
        ("a warning",),
    )
    mmlu = TaskRow(RUN, "mmlu", "standard", "1", "acc", "sample", "d1", 5, False, {"header": "x"}, 4)
    settings = {"generation_kwargs": {"until": ["."]}, "higher_is_better": {"bleu": True}}
    code = TaskRow(RUN, "lm_eval:code", "standard", "2", "exact_match,first", "hub", "d2", 0, True, settings, 4)
    store.create(run, [mmlu, code])
    responses, samples = [], []
    for i in range(4):
        group, item = ("anatomy", "law")[i % 2], f"{('anatomy', 'law')[i % 2]}/{i}"
        shared = f"Questions about {group}.\n\n"
        row = ResponseRow(RUN, "mmlu", item, 0, 0, "choice", shared, f"Q{i} {NASTY}", asked=9, reused=i)
        responses.append(replace(row, logprobs=(-1.5 - i / 3, -0.1), greedy=(False, True), warnings=("short",)))
        samples.append(SampleRow(RUN, "mmlu", item, 0, group, "", {"acc": float(i == 1)}, "-B", "+A", "@note"))
    for repeat in range(2):
        for i in range(2):
            responses += [
                ResponseRow(
                    RUN, "lm_eval:code", str(i), repeat, part, "generate", "", "p", f"{NASTY}{part}", (), (), (1,)
                )
                for part in range(2)
            ]
            values = {"exact_match,first": 0.5, "exact_match": 1.0, "bleu": [["a"], NASTY]}
            answer, metrics = pack(NASTY, values, {})
            samples.append(SampleRow(RUN, "lm_eval:code", str(i), repeat, "code", "c", metrics, answer, "x"))
    store.record(RUN, responses, samples)
    scores = [
        ScoreRow(RUN, "mmlu", group, "standard", "acc", value, low, 1.0, n, "wilson")
        for group, value, low, n in (("all", 0.25, 0.0, 4), ("anatomy", 0.0, 0.0, 2), ("law", 0.5, 0.1, 2))
    ]
    scores.append(ScoreRow(RUN, "lm_eval:code", "all", "standard", "bleu", 3.5, -math.inf, math.inf, 2, "bootstrap"))
    store.save_scores(RUN, scores)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch) -> None:
    """No test here looks at a bootstrap's ends: 100 draws, not 1,000."""
    monkeypatch.setattr(lm_eval_metrics, "MAX_WORK", 0)
    monkeypatch.setattr(lm_eval_metrics, "MAX_TEXT_WORK", 0)


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "a.duckdb")
    fill(made)
    return made


def contents(store: Store, run: str) -> list[Any]:
    """All that belongs to a run, with its id left out."""
    rows: list[Any] = [*store.tasks(run), *store.scores(run)]
    for task in store.tasks(run):
        rows += [*store.samples(run, task.task), *store.responses(run, task.task)]
    return [replace(row, run="") for row in rows]


@pytest.mark.parametrize("again", [False, True])
def test_round_trip_gives_the_same_run(store, tmp_path, again):
    export(store, RUN, tmp_path / "out", "json")
    other = Store(tmp_path / "b.duckdb") if again else store
    (done,) = import_results(other, tmp_path / "out")
    assert done.new
    assert contents(other, done.run.id) == contents(store, RUN)
    (run,) = [run for run in other.runs() if run.id == done.run.id]
    known = store.resolve(RUN)
    assert run == replace(known, id=run.id, identity=run.identity, status="imported")
    (twice,) = import_results(other, tmp_path / "out", name="another")
    assert not twice.new
    assert twice.run.id == run.id
    assert len(other.runs()) == (1 if again else 2)


def test_layout_is_what_lm_evals_readers_expect(store, tmp_path):
    from lm_eval.utils import get_file_datetime, get_file_task_name, make_table

    files = export(store, RUN, tmp_path / "out", "json")
    results_file = next(file for file in files if file.name.startswith("results_"))
    assert results_file.parent.name == "org__model"
    results = json.loads(results_file.read_text())
    line = results["results"]["mmlu"]
    assert (line["acc,none"], line["alias"], line["sample_len"]) == (0.25, "mmlu", 4)
    assert line["acc_stderr,none"] == pytest.approx(0.25)  # values 0, 1, 0, 0: sd 0.5 over sqrt(4)
    assert results["results"]["mmlu_law"]["acc,none"] == 0.5
    assert results["results"]["code"]["bleu_stderr,none"] == "N/A"
    assert results["group_subtasks"] == {"mmlu": ["mmlu_anatomy", "mmlu_law"]}
    assert results["n-shot"] == {"mmlu": 5, "code": 0}
    assert "mmlu_anatomy" in make_table(results).replace(" - anatomy", "mmlu_anatomy")
    samples_file = next(file for file in files if "samples_code_" in file.name)
    assert get_file_task_name(samples_file.name) == "code"
    assert get_file_datetime(samples_file.name) in results_file.name
    lines = [json.loads(text) for text in samples_file.read_text().splitlines()]
    assert [line["filter"] for line in lines] == ["first", "none"] * 4
    assert lines[0]["resps"] == [[NASTY + "0", NASTY + "1"]]
    assert lines[0]["filtered_resps"] == [NASTY]
    assert lines[0]["exact_match"] == 0.5
    assert lines[1]["bleu"] == [["a"], NASTY]
    assert lines[0]["arguments"] == {"gen_args_0": {"arg_0": "p", "arg_1": {"until": ["."]}}}
    choice = json.loads(next(f for f in files if "samples_mmlu_" in f.name).read_text().splitlines()[0])
    assert choice["resps"] == [[["-1.5", "False"]], [["-0.1", "True"]]]
    assert choice["arguments"]["gen_args_1"]["arg_0"].startswith("Questions about anatomy.")


def test_parquet_holds_what_the_store_holds(store, tmp_path):
    from pyarrow import parquet

    files = {file.stem: file for file in export(store, RUN, tmp_path, "parquet")}
    assert set(files) == {"run", "tasks", "scores", "samples", "responses", "manifest_parquet"}
    samples = parquet.read_table(files["samples"]).to_pylist()
    assert [row["metric.acc"] for row in samples] == [0.0, 0.0, 1.0, 0.0, None, None, None, None]
    assert samples[0]["answer"] == "-B"
    responses = parquet.read_table(files["responses"]).to_pylist()
    first = next(row for row in responses if row["item"] == "anatomy/0")
    assert first["logprobs"] == [-1.5, -0.1]
    assert first["own"] == "Q0 " + NASTY.replace("\ud800", "\\ud800")
    scores = parquet.read_table(files["scores"]).to_pylist()
    assert scores[-1]["value"] == 0.5
    assert json.loads(parquet.read_table(files["run"]).to_pylist()[0]["provenance"]) == {"git_revision": "deadbeef"}


def test_csv_has_no_cell_that_a_spreadsheet_runs(store, tmp_path):
    files = {file.stem: file for file in export(store, RUN, tmp_path, "csv") if file.suffix == ".csv"}
    for file in files.values():
        with file.open(newline="", encoding="utf-8") as opened:
            for row in csv.DictReader(opened):
                for name, text in row.items():
                    assert not text.startswith(FORMULA) or text.startswith("'") or is_number(text), (file, name)
    with files["samples"].open(newline="", encoding="utf-8") as opened:
        assert next(csv.DictReader(opened))["answer"] == "'-B"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@given(st.text())
def test_a_csv_cell_is_harmless_and_can_be_read_back(text):
    written = cell(text)
    assert not written.startswith(tuple(set(FORMULA) - {"'"}))
    assert written.removeprefix("'") == text


def test_nothing_is_left_when_writing_fails(store, tmp_path, monkeypatch):
    from harness.exchange import tables

    def full(path: Path, rows: Any) -> None:
        path.write_text("half")
        if len(list(path.parent.iterdir())) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "_csv", full)
    with pytest.raises(UsageError, match="No space left"):
        export(store, RUN, tmp_path / "new" / "deep", "csv")
    assert not (tmp_path / "new").exists()


def test_no_file_is_written_over(store, tmp_path):
    export(store, RUN, tmp_path / "out", "json")
    export(store, RUN, tmp_path / "out", "csv")
    before = {file: file.read_bytes() for file in tmp_path.glob("out/**/*") if file.is_file()}
    for kind in ("json", "csv"):
        with pytest.raises(UsageError, match="exists already"):
            export(store, RUN, tmp_path / "out", kind)
    assert {file: file.read_bytes() for file in tmp_path.glob("out/**/*") if file.is_file()} == before


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="Cannot write to"), Batch(tmp_path / "file") as batch:
        batch.new("a.csv")


# ---- import ----


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Path:
    """What `lm_eval --output_path … --log_samples` leaves behind, of every kind of task."""
    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    folder = tmp_path_factory.mktemp("lm_eval")
    tasks = own.write_tasks(tmp_path_factory.mktemp("own_tasks"), n=10)
    model = make_model(folder / "model", window=256)
    tracker = EvaluationTracker(output_path=str(folder / "out"))
    results = lm_eval.simple_evaluate(
        "hf",
        model_args={"pretrained": str(model), "dtype": "float32"},
        device="cpu",
        batch_size=4,
        tasks=list(own.TASKS),
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
        evaluation_tracker=tracker,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, some in samples.items():
        tracker.save_results_samples(task_name=name, samples=some)
    os.symlink(tasks, folder / "tasks")
    return folder


def test_lm_evals_results_come_in(evaluated, tmp_path):
    store = Store(tmp_path / "db.duckdb")
    (done,) = import_results(store, evaluated / "out", name="theirs")
    (results_file,) = (evaluated / "out").rglob("results_*.json")
    results = json.loads(results_file.read_text())
    assert (done.run.status, done.run.name, done.run.dtype) == ("imported", "theirs", "float32")
    assert done.run.backend == "lm-eval hf"
    assert not done.run.partial
    tasks = {task.task: task for task in store.tasks(done.run.id)}
    assert set(tasks) == {f"lm_eval:{name}" for name in own.TASKS}
    scores = {(score.task, score.metric): score for score in store.scores(done.run.id)}
    left_out = set()
    for name, row in results["results"].items():
        for label, value in row.items():
            if "," not in label or "_stderr," in label:
                continue
            metric = key(*label.split(","))
            if (f"lm_eval:{name}", metric) not in scores:
                left_out.add((name, metric))
                continue
            score = scores[f"lm_eval:{name}", metric]
            assert score.value == pytest.approx(value, rel=1e-6)
            assert score.low <= score.value <= score.high
    # its files hold an array as text, and a user's aggregation as source
    assert left_out == {("own_choice", "brier_score"), ("own_repeats", "longest,all")}
    assert len(done.run.warnings) == len(left_out)
    for name in own.TASKS:
        (task,), _ = load_lm_eval(name, evaluated / "tasks")
        row = tasks[task.name]
        assert (row.protocol, row.version, row.shots) == ("standard", task.version, task.shots)
        assert (row.data_digest, row.data_source, row.metric) == (task.data_digest, task.data_source, task.metric)
        answers = defaultdict(list)
        for answer in store.responses(done.run.id, task.name):
            answers[answer.item].append(answer)
        for item in task.items():
            asked = task.requests(item)
            kinds = {"Choice": "choice", "Loglikelihood": "loglikelihood", "Rolling": "rolling", "Generate": "generate"}
            assert [a.kind for a in answers[item.id]] == [kinds[type(r).__name__] for r in asked]
            texts = [r.text if hasattr(r, "text") else r.prompt.shared + r.prompt.own for r in asked]
            assert [a.shared + a.own for a in answers[item.id]] == texts
    again = import_results(store, results_file)
    assert [one.new for one in again] == [False]
    assert len(store.runs()) == 1


def test_an_imported_run_goes_out_and_in_again(evaluated, tmp_path):
    store, other = Store(tmp_path / "a.duckdb"), Store(tmp_path / "b.duckdb")
    (done,) = import_results(store, evaluated / "out")
    export(store, done.run.id, tmp_path / "out", "json")
    (again,) = import_results(other, tmp_path / "out")
    assert contents(other, again.run.id) == contents(store, done.run.id)


def test_lm_evals_figures_are_made_again(evaluated, tmp_path):
    """Of its own files, which have no manifest, and of ours; one that is altered is not made of its samples."""
    theirs = verify(evaluated / "out")
    assert theirs.differences == []
    assert [line.partition(": ")[0] for line in theirs.unchecked[1:]] == ["lm_eval:own_choice", "lm_eval:own_repeats"]
    store = Store(tmp_path / "a.duckdb")
    (done,) = import_results(store, evaluated / "out")
    export(store, done.run.id, tmp_path / "out", "json")
    ours = verify(tmp_path / "out", store)
    assert (ours.differences, ours.unchecked) == ([], [])
    assert ours.numbers == 2 * theirs.numbers
    assert "bootstrap" in {score.method for score in store.scores(done.run.id)}
    (altered,) = shutil.copytree(evaluated / "out", tmp_path / "altered").rglob("results_*.json")
    document = json.loads(altered.read_text())
    document["results"]["own_choice"]["acc,none"] += 0.1
    altered.write_text(json.dumps(document))
    said = set(verify(altered).unchecked) - set(theirs.unchecked)
    assert any("no aggregation that we know makes the figure acc of its samples" in line for line in said)


def test_the_figure_of_a_group_is_made_again():
    from lm_eval.api.metrics import mean as lm_eval_mean

    group = {
        "members": ["lm_eval:a", "lm_eval:b"],
        "aggregate_metric_list": [{"metrics": ["acc"], "weight_by_size": True}],
    }
    tasks = [TaskRow(RUN, "lm_eval:g", "standard", "1", "acc", "its tasks", "d", 0, False, group, 0)]
    samples: dict[str, list[SampleRow]] = {}
    made: dict[str, Any] = {}
    for name, values in (("lm_eval:a", [0.0, 1.0, 1.0]), ("lm_eval:b", [0.0])):
        tasks.append(TaskRow(RUN, name, "standard", "1", "acc", "x", "d", 0, False, {}, len(values)))
        samples[name] = [SampleRow(RUN, name, str(i), 0, "g", "", {"acc": v}) for i, v in enumerate(values)]
        made[name] = [lm_eval_metrics.score("acc", lm_eval_mean, values, [str(i) for i in range(len(values))])]
    averaged = (Averaged(("acc",), True),)
    aggregate = Aggregate("lm_eval:g", "1", {name: ["acc"] for name in made}, averaged, "d", group)
    (figure,), _ = aggregate.figures(made, {"lm_eval:a": 3, "lm_eval:b": 1})
    assert figure.value == 0.5
    scores = [
        ScoreRow(RUN, name, "all", "standard", "acc", one.value, one.low, one.high, one.n, one.method)
        for name, one in {"lm_eval:g": figure, **{name: one for name, (one,) in made.items()}}.items()
    ]
    again = rescored(tasks, samples, scores)
    assert all(one is not None and is_same(stored, one) for stored, one in zip(scores, again, strict=True))


def test_a_broken_off_import_goes_on(evaluated, tmp_path, monkeypatch):
    store = Store(tmp_path / "a.duckdb")

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "save_scores", stop)
        with pytest.raises(KeyboardInterrupt):
            import_results(store, evaluated / "out")
    assert [run.status for run in store.runs()] == ["running"]
    (done,) = import_results(store, evaluated / "out")
    assert done.new
    assert [run.status for run in store.runs()] == ["imported"]
    whole = Store(tmp_path / "b.duckdb")
    import_results(whole, evaluated / "out")
    assert contents(store, done.run.id) == contents(whole, done.run.id)


def test_what_is_not_imported(evaluated, store, tmp_path):
    other = Store(tmp_path / "b.duckdb")

    def refused(folder: Path, error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            import_results(other, folder)
        assert not other.exists()

    refused(tmp_path / "missing", UsageError, "no folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", UsageError, "no results_")
    bare = tmp_path / "bare"
    shutil.copytree(evaluated / "out", bare)
    (samples,) = bare.rglob("samples_own_choice_*")
    text = samples.read_text()
    samples.write_text("".join(text.splitlines(keepends=True)[:-1]))
    refused(bare, DataError, "holds 9 documents; its results count 10")
    samples.write_text(text[:-20])
    refused(bare, DataError, "line 10 is not JSON")
    samples.unlink()
    refused(bare, DataError, "no samples for own_choice .*--log_samples")
    export(store, RUN, tmp_path / "ours", "json")
    (changed,) = (tmp_path / "ours").rglob("samples_mmlu_*")
    changed.write_text(changed.read_text().replace('"acc": 0.0', '"acc": 1.0'))
    refused(tmp_path / "ours", DataError, "not the file that was exported")
    (tmp_path / "bare" / "results_x.json").write_text("[]")
    refused(tmp_path / "bare" / "results_x.json", DataError, "not a results file")


def test_a_figure_that_its_samples_do_not_make_is_left_out(evaluated, tmp_path):
    shutil.copytree(evaluated / "out", tmp_path / "out")
    (file,) = (tmp_path / "out").rglob("results_*.json")
    results = json.loads(file.read_text())
    results["results"]["own_choice"]["acc,none"] += 0.1
    file.write_text(json.dumps(results))
    store = Store(tmp_path / "db.duckdb")
    (done,) = import_results(store, tmp_path / "out")
    assert "acc" not in {s.metric for s in store.scores(done.run.id) if s.task == "lm_eval:own_choice"}
    assert any("makes the figure acc of" in warning for warning in done.run.warnings)


# ---- commands ----


def test_commands(store, tmp_path):
    app = typer.Typer()
    app.command("export")(transfer.export)
    app.command("import")(transfer.import_)
    runner = CliRunner()
    out = tmp_path / "out"
    done = runner.invoke(app, ["export", "mine", str(out), "--format", "json", "--db", str(store.path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["run"] == RUN
    assert all(Path(file).is_file() for file in document["files"])
    env = {"HARNESS_DB": str(tmp_path / "c.duckdb")}
    done = runner.invoke(app, ["import", str(out), "--name", "back", "--json"], env=env)
    assert done.exit_code == 0, done.output
    (run,) = json.loads(done.stdout)["runs"]
    assert (run["name"], run["new"]) == ("back", True)
    assert {task["protocol"] for task in run["tasks"]} == {"standard"}
    done = runner.invoke(app, ["import", str(out)], env=env)
    assert "was imported before" in done.stdout
    done = runner.invoke(app, ["export", "back", str(tmp_path / "tables")], env=env)
    assert [Path(line).name for line in done.stdout.split()] == [
        *(f"{name}.parquet" for name in ("run", "tasks", "scores", "samples", "responses")),
        "manifest_parquet.json",
    ]


def test_stored_values_are_read_only_where_they_were_packed(store, tmp_path):
    """A native task's answer may look like one of ours; it is the model's text."""
    look = '{"answer": broken'
    store.record(RUN, [], [SampleRow(RUN, "mmlu", "law/9", 0, "law", "", {"acc": 0.0}, look)])
    export(store, RUN, tmp_path / "out", "json")
    (done,) = import_results(Store(tmp_path / "b.duckdb"), tmp_path / "out")
    rows = Store(tmp_path / "b.duckdb").samples(done.run.id, "mmlu")
    assert look in {row.answer for row in rows}
    assert stored_values("x", {"acc": 1.0}) == ("x", {"acc": 1.0})
