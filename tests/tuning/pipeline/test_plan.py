"""What a whole study would take: the files that come with the program, and counts that follow from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data import prompts
from tuning.pipeline import plan
from tuning.pipeline.study_file import StudyFile, read

STUDIES = Path(__file__).resolve().parents[3] / "studies"


def planned(name: str, tmp_path: Path) -> dict[str, Any]:
    return plan.plan_document(read(STUDIES / f"{name}.toml", {"db": str(tmp_path / "s.duckdb")}))


@pytest.mark.parametrize("name", ["paper", "beyond", "one-gpu", "real"])
def test_a_base_that_is_not_here_leaves_the_counts(name: str, tmp_path: Path) -> None:
    file = read(STUDIES / f"{name}.toml", {"db": str(tmp_path / "s.duckdb")})
    if plan.is_here(file.tune.model, None):
        pytest.skip(f"{file.tune.model} is on this machine")
    document = plan.plan_document(file)
    assert not document["base_is_here"]
    assert document["notes"][-1].startswith(f"{file.tune.model} is not on this machine.")
    for stage in document["stages"]:
        assert stage["counts"]
        assert (stage["seconds"], bool(stage["why"])) == (None, True)
    assert not (tmp_path / "s.duckdb").exists(), "nothing was begun"


def test_the_papers_counts(tmp_path: Path) -> None:
    """100 evaluations by each of two optimizers, all on all rows; the published sizes of the benchmarks."""
    stages = {stage["stage"]: stage["counts"] for stage in planned("paper", tmp_path)["stages"]}
    assert list(stages) == ["search", "finalists", "benchmarks", "answers", "people"]
    assert stages["search"] == [
        "2 searches of 100 trials: 200 trainings on all rows",
        "53,610 train, 13,402 validation, 600 test rows, if there are so many",
    ]
    # ten of each search, the worst, four quantiles, and the three points that are first
    assert stages["finalists"][0].startswith("at most 28 configurations, 1 new seed of each: 28 trainings")
    assert stages["benchmarks"][1:] == [
        f"mmlu, bbh, drop, humaneval ({protocol}): {14_042 + 6_511 + 9_536 + 164:,} items of the published test sets"
        for protocol in ("standard", "instructeval")
    ]
    assert stages["people"] == ["at most 10 pairs of models: 300 votes; no stage waits for them"]


def test_times_are_sums_of_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One search and one run of the base are measured; searches, trainings and models are counted."""
    second = {"low": 1.0, "expected": 2.0, "high": 4.0}
    searched = {
        "seconds": {"low": 10.0, "expected": 20.0, "high": 40.0},
        "training_seconds": second,
        "rows": {"train": 24, "validation": 8, "test": 8},
        "notes": ["a note"],
        "started": True,
        "memory_bytes": 7,
    }
    monkeypatch.setattr(plan, "_estimate_search", lambda file: searched)
    monkeypatch.setattr("harness.estimate.estimating.estimate", lambda options: {"seconds": second})
    path = tmp_path / "study.toml"
    path.write_text(
        'model = "tiny"\ndata = "sample"\n[searches]\noptimizers = ["tpe", "random"]\n'
        "[finalists]\nseeds = 2\nrace = true\n"
        '[[benchmarks]]\ntasks = "mmlu"\ndata = "sample"\nlimit = 2\n[answers]\nprompts = "sample"\nsample = 4\n'
        '[judges]\njudge = ["reference"]\nprice-in = 1.0\nprice-out = 2.0\n',
        "utf-8",
    )
    file: StudyFile = read(path, {"db": str(tmp_path / "s.duckdb")})
    document = plan.plan_document(file)
    stages = {stage["stage"]: stage for stage in document["stages"]}
    configurations = 4 + 2 + 1  # first points, the best of each search, the worst
    assert stages["search"]["seconds"]["expected"] == 2 * 20
    assert stages["finalists"]["seconds"]["expected"] == configurations * 2 * 2
    assert stages["benchmarks"]["seconds"]["expected"] == (1 + configurations * 2) * 2
    assert stages["benchmarks"]["counts"][1].startswith("mmlu (standard): ")
    assert stages["benchmarks"]["counts"][2].startswith("raced: who cannot win stops early")
    assert document["seconds"]["high"] == 80 + configurations * 2 * 4 + (1 + configurations * 2) * 4
    assert stages["answers"]["seconds"] is None
    turns = sum(len(prompt.turns) for prompt in prompts.load("sample").prompts[:4])
    assert stages["answers"]["counts"] == [f"at most 8 models on 4 prompts: {8 * turns} answers"]
    verdicts, price = stages["judges"]["counts"]
    assert verdicts == f"at most 28 pairs of models, reference, both orders: {28 * 2 * turns} verdicts"
    assert price.startswith("they cost about ")
    short = plan.plan_document(file, "finalists")
    assert [stage["stage"] for stage in short["stages"]] == ["search", "finalists"]
    assert document["memory_bytes"] == 7
    assert document["notes"] == ["a note", "The study was begun before; the figures are of all of it."]
