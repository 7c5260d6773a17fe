"""A race asks all configurations the same items, stops those that are out, and ends as whole runs do."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.evaluation.compare import compare, results
from harness.evaluation.planning import Options, Plan
from harness.evaluation.run import Result, run
from harness.evaluation.sampling.race import Entrant, Outcome, race
from harness.progress import Progress
from harness.results import Store
from harness.stats.drawing import Place, drawn, units
from tests.harness.evaluation.questions import Losses, Questions, Skilled
from tests.harness.evaluation.test_resume import Crash, crash_at
from tests.harness.runs import cli

ITEMS = 240  # looks after 100, 150 and 225
SKILLS = {"best": 0.8, "near": 0.795, "behind": 0.73, "far": 0.2}


class Raced:
    """Models of given skills on one task; a model's run has its name for a system text, so that each is another run."""

    def __init__(self, db: Path, skills: Mapping[str, float], task: Questions | None = None, seeds: int = 1) -> None:
        self.db, self.skills = db, skills
        self.tasks = [task or Questions({"all": ITEMS})]
        self.seeds = seeds
        self.asked: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()

    def options(self, name: str, seed: int, **changes: Any) -> Options:
        system = f"{name} {seed}"
        return Options(model="tiny", db=str(self.db), tasks="", name=name, chat=True, system=system, **changes)

    def make(self, plan: Plan) -> tuple[Skilled, list[str]]:
        name, seed = str(plan.options.system).split()
        self.starts[name] += 1
        raced = self

        class Counting(Skilled):
            def _one(self, request: Any) -> Any:
                raced.asked[name] += 1
                return super()._one(request)

        return Counting(self.skills[name] - 0.001 * int(seed), batch=50), []

    def race(self) -> Outcome:
        entrants = [Entrant(name, tuple(self.options(name, n) for n in range(self.seeds))) for name in self.skills]
        return race(entrants, objects=self.tasks, measure=self.measure)

    def measure(self, several: Sequence[Options], progress: Progress, objects: Any) -> Iterator[tuple[int, Result]]:
        """As `run_several`, with backends that load nothing."""
        for place, options in enumerate(several):
            yield place, run(options, progress, make=self.make, objects=objects)

    def whole(self, name: str) -> Any:
        return run(self.options(name, 0), make=self.make, objects=self.tasks)


def _standings(outcome: Outcome) -> dict[str, tuple[int, bool, bool]]:
    (one,) = outcome.races
    return {s.name: (s.items, s.is_out, s.is_winner) for s in one.standings}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> tuple[Raced, Outcome]:
    raced = Raced(tmp_path_factory.mktemp("race") / "s.duckdb", SKILLS)
    return raced, raced.race()


def test_who_is_out_stops_and_the_others_are_measured_whole(unbroken):
    raced, outcome = unbroken
    assert _standings(outcome) == {
        "best": (ITEMS, False, True),
        "near": (ITEMS, False, True),
        "behind": (150, True, False),
        "far": (100, True, False),
    }
    assert raced.asked == {"best": ITEMS, "near": ITEMS, "behind": 150, "far": 100}  # none is asked twice
    order = [u.items[0] for u in drawn(units([Place(i.id, i.group, "") for i in raced.tasks[0].items()], False), 0)]
    store = Store(raced.db)
    read = {own[0].name: {s.item for s in store.samples(own[0].id, "questions")} for own in outcome.runs}
    assert read == {"best": set(order), "near": set(order), "behind": set(order[:150]), "far": set(order[:100])}
    (one,) = outcome.races
    assert one.sentences == [
        f"questions: best wins with {100 * one.standings[0].value:.1f} after all 240 items.",
        "It cannot be told from near.",
        "Out of the race: behind after 150, far after 100.",
        f"{100 * (2 * ITEMS + 250) / (4 * ITEMS):.0f}% of all answers were read.",
    ]


def test_what_is_stored_says_who_was_out(unbroken):
    raced, outcome = unbroken
    (behind,) = outcome.runs[2]
    assert (behind.status, behind.partial) == ("sampled", True)
    assert behind.sampled == {"questions": {"items": 150, "of": ITEMS, "stopped": "when out of the race"}}
    code, out, _ = cli("show", behind.id, "--db", raced.db)
    assert code == 0
    assert "sampled: 150 of 240 items, stopped when out of the race" in " ".join(out.split())


def test_the_winners_are_those_of_whole_runs_which_go_on_from_the_race(unbroken, tmp_path):
    raced, outcome = unbroken
    whole = Raced(tmp_path / "s.duckdb", SKILLS)
    shutil.copy(raced.db, whole.db)
    runs = {name: whole.whole(name).run for name in SKILLS}
    assert {run.status for run in runs.values()} == {"finished"}
    assert whole.asked == {"behind": ITEMS - 150, "far": ITEMS - 100}
    store = Store(whole.db)
    sides = {name: replace(results(store, run)[0], system="") for name, run in runs.items()}  # it only tells them apart
    p = {name: compare(sides["best"], own, ["acc"])[0].p_value for name, own in sides.items() if name != "best"}
    winners = {name for name, (_, _, is_winner) in _standings(outcome).items() if is_winner}
    assert winners == {"best", *(name for name, value in p.items() if value >= 0.05)}


def test_one_that_is_left_is_the_winner_and_reads_no_further(tmp_path):
    raced = Raced(tmp_path / "s.duckdb", {"far": 0.2, "best": 0.9})
    outcome = raced.race()
    assert _standings(outcome) == {"best": (100, False, True), "far": (100, True, False)}
    assert outcome.runs[1][0].sampled["questions"]["stopped"] == "as the winner of the race"
    assert outcome.races[0].sentences[0].endswith("after 100 of 240 items.")


def test_each_training_is_asked(tmp_path):
    raced = Raced(tmp_path / "s.duckdb", {"far": 0.2, "best": 0.9}, seeds=2)
    outcome = raced.race()
    assert [len(own) for own in outcome.runs] == [2, 2]
    assert _standings(outcome)["far"] == (100, True, False)
    assert raced.asked == {"far": 200, "best": 200}


class Errors(Questions):
    """Less is better."""

    def __init__(self) -> None:
        super().__init__({"all": ITEMS})
        self.settings = {"higher_is_better": {"acc": False}}


def test_where_less_is_better_the_least_wins(tmp_path):
    raced = Raced(tmp_path / "s.duckdb", {"far": 0.2, "best": 0.9}, Errors())
    assert _standings(raced.race()) == {"far": (100, False, True), "best": (100, True, False)}


def test_a_race_that_was_killed_goes_on_with_the_same_items_and_ends_the_same(unbroken, tmp_path):
    whole, wanted = unbroken
    asked: Counter[str] = Counter()
    for commit in (9, 30):
        killed = Raced(tmp_path / "s.duckdb", SKILLS)
        with crash_at(commit, after=commit == 9), pytest.raises(Crash):
            killed.race()
        asked += killed.asked
    again = Raced(tmp_path / "s.duckdb", SKILLS)
    outcome = again.race()
    assert outcome.races == wanted.races
    assert [own[0].sampled for own in outcome.runs] == [own[0].sampled for own in wanted.runs]
    asked += again.asked
    assert sum(asked.values()) - sum(whole.asked.values()) <= 2 * 50  # a kill costs the batch that was under way
    last = Raced(tmp_path / "s.duckdb", SKILLS)
    assert last.race().races == wanted.races
    assert not last.asked


def test_what_cannot_be_raced_is_refused(tmp_path):
    with pytest.raises(UsageError, match="at least two models"):
        Raced(tmp_path / "s.duckdb", {"best": 0.8}).race()
    mixed = [Entrant(str(chat), (Options(model="tiny", tasks="mmlu", chat=chat),)) for chat in (False, True)]
    with pytest.raises(UsageError, match="True: in a chat template; False: without one"):
        race(mixed)
    with pytest.raises(UsageError, match="no mean of values from 0 to 1"):
        Raced(tmp_path / "s.duckdb", SKILLS, Losses({"all": 120})).race()
    task = Questions({"all": 120})
    task.is_bounded = False
    raced = Raced(tmp_path / "s.duckdb", SKILLS, task)
    with pytest.raises(UsageError, match="questions cannot be raced: the first metric of questions"):
        raced.race()
    assert not raced.starts
