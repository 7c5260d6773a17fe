"""A study cut by a factor, and on the bundled sample: what becomes less, what stays, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuning.pipeline.smaller import on_sample, scaled
from tuning.pipeline.study_file import StudyFile, read

WHOLE = """
name = "big"
model = "tiny"
data = "hub"
mix = "paper"
sizes = "50000,10000,500"
budget = 200
objective = "validation,benchmark:mmlu@400"
[searches]
optimizers = ["tpe", "random"]
seeds = [0, 1]
[[further]]
validation = 20000
[finalists]
best = 10
worst = 0
quantiles = 300
seeds = 3
[[benchmarks]]
tasks = "mmlu,lm_eval:piqa"
protocol = "instructeval"
[[benchmarks]]
tasks = "drop"
limit = 900
[[benchmarks]]
tasks = "lm_eval:piqa"
[answers]
prompts = "vicuna"
sample = 80
max-new-tokens = 700
[judges]
judge = ["NAME"]
[people]
each = 300
"""


@pytest.fixture
def file(tmp_path: Path) -> StudyFile:
    path = tmp_path / "study.toml"
    path.write_text(WHOLE, "utf-8")
    return on_sample(read(path, {"data": "sample"}))


def test_the_sample_stands_for_rows_benchmarks_and_prompts(file: StudyFile) -> None:
    assert file.tune.data == file.tune.bench_data == "sample"
    assert [(table["tasks"], table["data"]) for table in file.benchmarks] == [("mmlu", "sample"), ("drop", "sample")]
    assert file.answer(model="m").prompts == "sample"
    assert file.judge().judge == ("reference",)
    assert file.notes == (
        "The bundled sample has no lm_eval:piqa: left out of the benchmarks.",
        "The bundled sample has no lm_eval:piqa: left out of the benchmarks.",
        "Judges at a server are not asked: the judge reference compares the sample's answers.",
    )
    assert file.tune.mix == "paper", "its sources are in the sample too"


def test_numbers_are_cut_to_what_works_and_all_else_stays(file: StudyFile) -> None:
    small = scaled(file, 0.01)
    assert (small.tune.budget, small.tune.sizes, small.name) == (5, "500,100,8", "big-0.01")
    assert small.tune.objective == "validation,benchmark:mmlu@4"
    assert (small.finalists.best, small.finalists.worst, small.finalists.quantiles) == (1, 0, 3)
    assert [further.validation for further in small.further] == [200]
    assert [table["limit"] for table in small.benchmarks] == [2, 9]
    assert small.benchmarks[0]["protocol"] == "instructeval"
    assert (small.answers or {})["sample"] == 3
    assert (small.answers or {})["max_new_tokens"] == 700
    assert small.people is not None
    assert small.people.each == 3
    kept: dict[str, Any] = {"searches": file.searches, "judges": file.judges, "audit": file.audit}
    assert {name: getattr(small, name) for name in kept} == kept
    assert small.finalists.seeds == 3
    changed = {"budget", "sizes", "objective", "name"}
    assert {k: v for k, v in dict(small.tune).items() if k not in changed} == {
        k: v for k, v in dict(file.tune).items() if k not in changed
    }


def test_half_of_it_is_half_of_it(file: StudyFile) -> None:
    half = scaled(file, 0.5)
    assert (half.tune.budget, half.tune.sizes) == (100, "25000,5000,250")
    assert [further.validation for further in half.further] == [10_000]


def test_shares_are_of_the_rows_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('model = "tiny"\ndata = "sample"\n', "utf-8")
    small = scaled(read(path, {}), 0.2)
    assert small.tune.sizes == "63,14,14"  # of 450
    assert small.tune.budget == 8  # of the preset's 40


def test_groups_that_the_sample_lacks_are_said(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    tasks = "mmlu:marketing,bbh:object_counting,bbh:navigate,drop"
    path.write_text(f'model = "tiny"\n[[benchmarks]]\ntasks = "{tasks}"\n', "utf-8")
    file = on_sample(read(path, {"data": "sample"}))
    assert [table["tasks"] for table in file.benchmarks] == ["mmlu,bbh:object_counting,drop"]
    assert file.notes == (
        "The bundled sample has no marketing of mmlu: all that it has is asked.",
        "The bundled sample has no navigate of bbh.",
    )
