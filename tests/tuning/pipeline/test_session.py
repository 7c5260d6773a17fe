"""A whole study from its file to its verdict, on the embedded model: stages, resume, report."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.evaluation.leaderboard import leaderboard
from harness.exchange import store_files
from harness.progress import SILENT, Progress
from harness.progress.outline import OutlineEntry
from judges.people import raters
from judges.people.votes import Desk
from tuning.exchange import study_files
from tuning.pipeline import session
from tuning.pipeline.study_file import StudyFile, read
from tuning.pipeline.verdict import scores
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
pairs = "chosen"
"""


class Outlines(Progress):
    """The stages that were under way, in order."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def outline(self, parts: Sequence[OutlineEntry]) -> None:
        under_way = [part.name for part in parts if not part.is_done][:1]
        self.begun += [name for name in under_way if name not in self.begun]


@dataclass(frozen=True)
class Road:
    """A study that was begun, gone on with, and called once more."""

    file: StudyFile
    before: Sequence[OutlineEntry]
    first: session.Result  # to the end of the finalists
    whole: session.Result
    again: session.Result
    begun: Sequence[list[str]]  # stages, of the last two


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "study.toml"
    path.write_text(FILE, "utf-8")
    file = read(path, {"db": str(folder / "h.duckdb")})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        before = session.status(file)
        first = session.run(file, SILENT, "finalists")
        second, third = Outlines(), Outlines()
        whole = session.run(file, second)
        again = session.run(file, third)
    return Road(file, before, first, whole, again, [second.begun, third.begun])


def test_from_the_file_to_the_verdict(road: Road) -> None:
    assert [(state.name, state.done, state.total) for state in road.before] == [
        ("search", 0, 1),
        ("finalists", 0, 0),
        ("benchmarks", 0, 0),
        ("audit", 0, 0),
        ("answers", 0, 0),
        ("judges", 0, 0),
        ("people", 0, 0),
    ]
    assert road.first.verdict is None
    assert [state.is_done for state in road.first.states] == [True, True, False, False, False, False, False]
    result, (second, third) = road.whole, road.begun
    assert second == ["benchmarks", "audit", "answers", "judges", "people"], "what is done is not done again"
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
    report = json.loads((road.file.path.parent / "report-whole" / "report.json").read_text("utf-8"))
    assert report["verdict"] == result.verdict.sentences
    assert "Preference, by judges" in [table["title"] for table in report["tables"]]
    assert [section["title"] for section in report["sections"]][6:8] == ["Contamination of the benchmarks", "People"]
    assert third == ["people"], "nothing else is left to do"
    assert road.again.verdict is not None
    assert road.again.verdict.sentences == result.verdict.sentences


def test_the_board_has_a_row_a_configuration_with_the_verdicts_figures(road: Road) -> None:
    assert road.whole.verdict is not None
    board = road.whole.verdict.board
    rows = {row["configuration"]: row for row in leaderboard(Store(road.file.tune.db))}
    assert set(rows) == {configuration.finalist.configuration for configuration in board.configurations}
    for configuration in board.configurations:
        row = rows[configuration.finalist.configuration]
        assert [training["seed"] for training in row["trainings"]] == ([None] if configuration.is_base else [1, 2])
        score = row["scores"]["mmlu"]
        value, low, high = scores(board, configuration, "mmlu")
        if not configuration.is_base:  # one run alone has its own interval
            assert (100 * score["low"], 100 * score["high"]) == pytest.approx((low, high))
        assert 100 * score["value"] == pytest.approx(value)


def elsewhere(road: Road, folder: Path) -> StudyFile:
    """The study on a machine that has its files and none of its adapters."""
    store = Store(road.file.tune.db)
    study_files.export(store, store.studies(), folder / "files")
    store_files.take_in(Store(folder / "there.duckdb"), folder / "files")
    return read(road.file.path, {"db": str(folder / "there.duckdb")})


def test_on_another_machine_nothing_is_left_to_do(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = session.run(elsewhere(road, tmp_path), SILENT)
    assert [state.is_done for state in there.states[:-1]] == [True] * 6
    assert there.verdict is not None
    assert road.whole.verdict is not None
    assert there.verdict.sentences == road.whole.verdict.sentences
    assert not list(tmp_path.glob("**/adapter_model.safetensors"))


@pytest.mark.full
def test_on_another_machine_what_a_run_lacks_is_trained_again(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = elsewhere(road, tmp_path)
    store = Store(file.tune.db)
    gone = [run for run in store.runs() if run.name.endswith(("common seed 1", "common seed 2"))]
    assert len(gone) == 2
    store.remove([run.id for run in gone])
    there = session.run(file, SILENT)
    assert there.verdict is not None
    assert road.whole.verdict is not None
    assert there.verdict.sentences == road.whole.verdict.sentences
    made = {path.parent.parent.name for path in tmp_path.glob("**/adapter_model.safetensors")}
    assert len(made) == 1, "of that configuration alone"
    assert not any("was trained again" in note for row in store.studies() for _, note in store.study_notes(row.id))


def test_votes_are_counted_and_rank(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever votes changes the report; here in a copy of the store."""
    monkeypatch.chdir(tmp_path)
    file = read(road.file.path, {"db": str(shutil.copy(road.file.tune.db, tmp_path))})
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
    wanted = math.ceil(0.6 * 3 * math.comb(len(configurations), 2))
    assert {row.choice for row in store.chosen_pairs()} == {plan.id}
    assert (result.states[-1].done, result.states[-1].total) == (2, wanted)
    assert result.people.startswith(
        f"2 of {wanted} votes of people are in; the rating page: harness rate --plan whole-"
    )
    report = json.loads((tmp_path / "report-whole" / "report.json").read_text("utf-8"))
    assert "Preference, by people" in [table["title"] for table in report["tables"]]
    assert result.verdict is not None
    assert {"the preference of people", "the preference of judges"} <= {rule.name for rule in result.verdict.rules}


def test_a_larger_budget_goes_on(road: Road) -> None:
    more = read(road.file.path, {"db": road.file.tune.db, "budget": 7})
    search, *others = session.status(more)
    assert (search.done, search.total, search.entries[0].count) == (0, 1, "5 of 7 trials")
    assert {other.total for other in others} == {0}
