"""The figure of a group with `aggregate_metric_list`: lm-eval's own, stored and shown."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.tables import interval
from harness.evaluation.compare import against, results
from harness.evaluation.leaderboard import leaderboard
from harness.evaluation.no_answer import NOT_A_NUMBER
from harness.evaluation.planning import Options
from harness.evaluation.report import run_document
from harness.evaluation.run import run
from harness.exchange.files import Batch
from harness.exchange.lm_eval_layout import write
from harness.results import Store
from harness.tasks.lm_eval_bridge.groups import Aggregate, Averaged
from harness.tasks.lm_eval_bridge.tasks import load_lm_eval
from harness.types import Response, Score
from tests.models import make_model

TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/{name}.json}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{c}}}}"
doc_to_choice: ["one", "two"]
doc_to_target: "{{{{y}}}}"
metric_list: {metrics}
metadata: {{version: 1}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count, metrics in (
        ("few", 1, "[{metric: acc}, {metric: f1}]"),
        ("many", 5, "[{metric: acc}, {metric: acc_norm}]"),
    ):
        rows = [{"c": f"Number {i} is", "y": i % 2} for i in range(count)]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
        (tmp_path / f"{name}.yaml").write_text(TASK.format(name=name, folder=tmp_path, metrics=metrics))
    for name, by_size in (("alike", "false"), ("by_size", "true")):
        entries = "[" + ", ".join(f"{{metric: {m}, weight_by_size: {by_size}}}" for m in ("acc", "acc_norm")) + "]"
        (tmp_path / f"{name}.yaml").write_text(
            f"group: {name}\ntask: [few, many]\naggregate_metric_list: {entries}\nmetadata: {{version: 3}}\n"
        )
    (tmp_path / "outer.yaml").write_text(
        "group: outer\ntask: [alike, {group: by_size}]\naggregate_metric_list: [{metric: mcc}]\n"
    )
    return tmp_path


@pytest.mark.parametrize("name", ["alike", "by_size"])
def test_figures_are_lm_evals(name: str, folder: Path) -> None:
    from lm_eval.tasks import TaskManager

    loaded, (aggregate,) = load_lm_eval(name, folder)
    scores: dict[str, list[Score]] = {}
    for task in loaded:
        answers = [Response(logprobs=(-1.0, -2.0), greedy=(False, False)) for _ in task.items()]
        scores[task.name] = task.summarize(
            [task.score(item, [answer]) for item, answer in zip(task.items(), answers, strict=True)]
        )
    made, said = aggregate.figures(scores, {task.name: len(task.items()) for task in loaded})
    theirs = TaskManager(include_path=str(folder), include_defaults=False).load([name])["groups"][name]
    figures = {
        task.name.removeprefix("lm_eval:"): {f"{s.metric},none": s.value for s in scores[task.name]}
        | {"sample_len": len(task.items())}
        for task in loaded
    }
    expected: dict[str, Any] = theirs.aggregate(figures)
    assert [(s.group, s.metric) for s in made] == [("all", "acc"), ("all", "acc_norm")]
    for score in made:
        assert score.value == pytest.approx(expected[f"{score.metric},none"])
        assert score.low <= score.value <= score.high
    assert said == ["acc_norm is of 1 of its 2 tasks: the others have none"]


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(1, 9)).map(
            lambda t: (*sorted(t[:3]), t[3])
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_the_interval_holds_the_figure_and_stays_within_bounds(parts: list[Any], by_size: bool) -> None:
    names = [f"t{i}" for i in range(len(parts))]
    aggregate = Aggregate("lm_eval:g", "1", dict.fromkeys(names, ("acc",)), (Averaged(("acc",), by_size),), "", {})
    scores = {
        name: [Score("all", "acc", value, low, high, n, "wilson")]
        for name, (low, value, high, n) in zip(names, parts, strict=True)
    }
    sizes = {name: part[3] for name, part in zip(names, parts, strict=True)}
    (made,), _ = aggregate.figures(scores, sizes)
    assert -1e-9 <= made.low <= made.value <= made.high <= 1 + 1e-9
    assert min(p[1] for p in parts) - 1e-9 <= made.value <= max(p[1] for p in parts) + 1e-9
    assert made.high - made.low <= max(p[2] - p[0] for p in parts) * math.sqrt(2) + 1e-9


def test_no_figure_where_a_task_has_none_and_no_interval_where_a_task_has_none() -> None:
    aggregate = Aggregate(
        "lm_eval:g", "1", {"a": ("ppl",), "b": ("ppl",)}, (Averaged(("ppl",), False), Averaged(("bleu",), True)), "", {}
    )
    known = Score("all", "ppl", 5.0, 4.0, 6.0, 9, "bootstrap")
    made, said = aggregate.figures({"a": [known], "b": []}, {"a": 9, "b": 9})
    assert made == []
    assert said == [
        "no figure for ppl: 1 of its 2 tasks have none",
        "no figure for bleu: none of its tasks has this metric",
    ]
    endless = Score("all", "ppl", 7.0, -math.inf, math.inf, 1, "bootstrap")
    (made_of_both,), _ = aggregate.figures({"a": [known], "b": [endless]}, {"a": 9, "b": 1})
    assert (made_of_both.value, made_of_both.method) == (6.0, "none")
    assert interval({"value": 6.0, "low": -math.inf, "high": math.inf, "interval": "none"}) == "6 [no interval]"


def test_groups_inside_groups(folder: Path) -> None:
    _, aggregates = load_lm_eval("outer", folder)
    assert {a.name for a in aggregates} == {"lm_eval:outer", "lm_eval:alike", "lm_eval:by_size"}


def test_the_figure_is_stored_shown_compared_by_its_tasks_and_exported(folder: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", window=128)
    db = str(tmp_path / "db.duckdb")
    options = Options(model=str(model), tasks="lm_eval:alike", db=db, include_path=str(folder), device="cpu")
    made = run(options)
    store = Store(db)
    document = run_document(store, made.run)
    (shown,) = (s for s in document["scores"] if (s["task"], s["metric"]) == ("lm_eval:alike", "acc"))
    own = {s["task"]: s["value"] for s in document["scores"] if s["metric"] == "acc" and s["task"] != "lm_eval:alike"}
    assert shown["value"] == pytest.approx(sum(own.values()) / 2)
    assert (shown["n"], shown["interval"]) == (6, "mover")
    assert {t["task"]: t["samples"] for t in document["tasks"]}["lm_eval:alike"] == 0
    (row,) = leaderboard(store)
    assert row["scores"]["lm_eval:alike"]["value"] == shown["value"]
    assert [t.task for t in results(store, made.run)] == ["lm_eval:few", "lm_eval:many"]
    assert against(results(store, made.run), [results(store, made.run)])
    assert not run(options).computed
    with Batch(tmp_path / "out") as batch:
        write(store, made.run, batch)
    (file,) = (tmp_path / "out").rglob("results_*.json")
    exported = json.loads(file.read_text())
    assert exported["groups"]["alike"]["acc,none"] == exported["results"]["alike"]["acc,none"] == shown["value"]
    assert exported["group_subtasks"]["alike"] == ["few", "many"]
    assert any("acc_norm is of 1 of its 2 tasks" in warning for warning in document["warnings"])
    assert NOT_A_NUMBER not in " ".join(document["warnings"])
