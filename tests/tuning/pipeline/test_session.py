"""A whole study from its file to its verdict, on the embedded model: stages, resume, report."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from harness.progress import SILENT, Progress
from harness.progress.outline import OutlineEntry
from judges.people import raters
from judges.people.votes import Desk
from tuning.pipeline import session
from tuning.pipeline.study_file import StudyFile, read
from tuning.store import Store

FILE = """
name = "whole"
model = "tiny"
data = "sample"
sizes = "24,8,8"
budget = 5
max-tokens = 96
no-rungs = true
[set]
epochs = 1
[searches]
optimizers = ["random"]
[finalists]
seeds = 2
worst = 0
[[benchmarks]]
tasks = "mmlu"
data = "sample"
limit = 2
[audit]
[answers]
prompts = "sample"
sample = 3
max-new-tokens = 4
[judges]
judge = ["reference"]
[people]
models = "chosen"
"""


class Outlines(Progress):
    """The stages that were under way, in order."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def outline(self, parts: Sequence[OutlineEntry]) -> None:
        under_way = [part.name for part in parts if not part.is_done][:1]
        self.begun += [name for name in under_way if name not in self.begun]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> StudyFile:
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "study.toml"
    path.write_text(FILE, "utf-8")
    return read(path, {"db": str(folder / "h.duckdb")})


def test_from_the_file_to_the_verdict(file: StudyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.path.parent)
    assert [(state.name, state.done, state.total) for state in session.status(file)] == [
        ("search", 0, 1),
        ("finalists", 0, 0),
        ("benchmarks", 0, 0),
        ("audit", 0, 0),
        ("answers", 0, 0),
        ("judges", 0, 0),
        ("people", 0, 0),
    ]
    first = session.run(file, SILENT, "finalists")
    assert first.verdict is None
    assert [state.is_done for state in first.states] == [True, True, False, False, False, False, False]
    second = Outlines()
    result = session.run(file, second)
    assert second.begun == ["benchmarks", "audit", "answers", "judges", "people"], "what is done is not done again"
    *others, people = result.states
    assert all(state.is_done for state in others)
    assert people.done == 0, "nobody is waited for"
    assert result.verdict is not None
    assert result.verdict.sentences[0].startswith("Chosen by validation loss: ")
    titles = [c.title for c in result.verdict.board.configurations]
    assert titles[0] == "base"
    assert {"paper-default", "peft-default", "common"} <= set(titles)
    for configuration in result.verdict.board.configurations:
        assert configuration.values["mmlu"].shape[0] == (1 if configuration.is_base else 2)
    report = json.loads((file.path.parent / "report-whole" / "report.json").read_text("utf-8"))
    assert report["verdict"] == result.verdict.sentences
    assert [table["title"] for table in report["tables"]][-1] == "Preference, by judges"
    assert [section["title"] for section in report["sections"]][6:8] == ["Contamination of the benchmarks", "People"]
    third = Outlines()
    again = session.run(file, third)
    assert third.begun == ["people"], "nothing else is left to do"
    assert again.verdict is not None
    assert again.verdict.sentences == result.verdict.sentences


def test_votes_are_counted_and_rank(file: StudyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the test before: the plan is there, and whoever votes changes the report."""
    monkeypatch.chdir(file.path.parent)
    store = Store(file.tune.db)
    plan = store.resolve_plan("whole-people")
    configurations = {store.resolve_answers(one).name.removeprefix("whole ") for one in plan.answer_sets}
    assert {"base", "paper-default", "peft-default", "common", "without-regret"} <= configurations
    assert len(configurations) <= 6, "the chosen one, the defaults and the base"
    rater = raters.named(store, "Ann")
    assert rater is not None
    desk = Desk(store, plan, rater)
    for n in range(2):
        pair = desk.pair()
        assert pair is not None
        desk.vote(pair.id, "first", f"vote {n}")
    result = session.result_of(file)
    wanted = 3 * len(configurations) * (len(configurations) - 1) // 2
    assert (result.states[-1].done, result.states[-1].total) == (2, wanted)
    assert result.people.startswith(
        f"2 of {wanted} votes of people are in; the rating page: harness rate --plan whole-"
    )
    report = json.loads((file.path.parent / "report-whole" / "report.json").read_text("utf-8"))
    assert "Preference, by people" in [table["title"] for table in report["tables"]]
    assert result.verdict is not None
    assert {"preference of people", "preference of judges"} <= {rule.name for rule in result.verdict.rules}


def test_a_larger_budget_goes_on(file: StudyFile) -> None:
    more = read(file.path, {"db": file.tune.db, "budget": 7})
    search, *others = session.status(more)
    assert (search.done, search.total, search.entries[0].count) == (0, 1, "5 of 7 trials")
    assert {other.total for other in others} == {0}
