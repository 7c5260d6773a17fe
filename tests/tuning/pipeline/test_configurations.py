"""Which configurations go on, by what name, and what is chosen on a front."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tuning.pipeline.configurations import Searched, finalists, is_default, rules_of_searches, title
from tuning.pipeline.study_file import FinalistOptions, PlannedSearch
from tuning.search.fronts import first_front
from tuning.store.rows import BASE
from tuning.study.options import TuneOptions


def trial(of: str, number: int, label: str, objectives: tuple[float, ...]) -> Any:
    return SimpleNamespace(
        number=number, label=label, digest=f"{of} {number}", state="finished", objectives=objectives, constraints=()
    )


def searched(optimizer: str, points: list[tuple[str, tuple[float, ...]]], change: str = "", seed: int = 0) -> Searched:
    """A search whose trials have these labels and objectives."""
    trials = [trial(optimizer, number, *point) for number, point in enumerate(points, 1)]
    attempts = {
        one.number: SimpleNamespace(objectives=one.objectives, validation_loss=one.objectives[0], constraints=())
        for one in trials
    }
    ranked = [one.number for one in sorted(trials, key=lambda one: one.objectives[0])]
    front = [place + 1 for place in first_front([one.objectives for one in trials])]
    ledger: Any = SimpleNamespace(trials=trials, ranked=lambda: ranked, whole=attempts.get, front=front)
    objectives = ["validation", "adapter-size"][: len(points[0][1])]
    row: Any = SimpleNamespace(
        id=f"{optimizer}{seed}{change}", optimizer=optimizer, name=optimizer, config={"objectives": objectives}
    )
    return Searched(PlannedSearch(optimizer, seed, TuneOptions(model="tiny"), change), row, ledger)


ONE: list[tuple[str, tuple[float, ...]]] = [
    ("paper-default", (3.0,)),
    ("without-regret", (2.0,)),
    ("", (1.0,)),
    ("", (1.5,)),
    ("warm-1", (1.2,)),
]
SEVERAL: list[tuple[str, tuple[float, ...]]] = [
    ("common", (3.0, 100.0)),
    ("", (1.0, 900.0)),
    ("", (1.1, 200.0)),
    ("", (1.05, 600.0)),
    ("", (4.0, 990.0)),
]


def test_a_front_has_its_choice_and_some_of_the_others() -> None:
    fronts = searched("nsga2", SEVERAL, "by both")
    searches = [searched("nomad", ONE), fronts]
    chosen = finalists(searches, FinalistOptions(best=1, worst=0, front=2))
    of_front = [(one.trial, one.why) for one in chosen if one.study is fronts.row and one.trial != BASE]
    # trial 3 is nearest to the best of both; of the others on the front, evenly by the first objective
    assert of_front == [(3, "choice on the front"), (2, "front"), (1, "front")]
    assert rules_of_searches(searches) == {"several objectives (nsga2 seed 0, by both)": "nsga2 3"}

    of_all = rules_of_searches([searched("nsga2", SEVERAL)])
    assert of_all == {"several objectives (nsga2 seed 0)": "nsga2 3"}, "where all searches have several too"


def test_the_worst_are_of_searches_that_can_be_compared() -> None:
    other = searched("tpe", [("", (9.0,)), ("", (8.0,))], "900 validation rows")
    chosen = finalists([searched("nomad", ONE), other], FinalistOptions(best=1, worst=1))
    assert [(one.study.optimizer, one.trial) for one in chosen if one.why.startswith("worst")] == [("nomad", 1)]
    assert rules_of_searches([other]) == {"validation loss (tpe seed 0, 900 validation rows)": "tpe 2"}


def test_what_no_search_proposed_is_a_default() -> None:
    search = searched("nomad", ONE)
    labels = {one.label: is_default(one) for one in finalists([search], FinalistOptions(best=5, worst=0))}
    assert labels == {"": False, "paper-default": True, "without-regret": True, "warm-1": False}


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([], "trial 3"),
        ([searched("tpe", ONE)], "nomad trial 3"),
        ([searched("nomad", ONE, seed=1)], "nomad seed 0 trial 3"),
        ([searched("nomad", ONE, "900 validation rows")], "nomad trial 3"),
    ],
)
def test_titles_tell_searches_apart(others: list[Searched], wanted: str) -> None:
    searches = [searched("nomad", ONE), *others]
    best = finalists(searches[:1], FinalistOptions(best=1, worst=0))[0]
    assert title(best, searches) == wanted


def test_a_further_search_of_the_same_optimizer_says_its_change() -> None:
    searches = [searched("nomad", ONE), searched("nomad", ONE, "900 validation rows")]
    best = finalists(searches[1:], FinalistOptions(best=1, worst=0))[0]
    assert title(best, searches) == "nomad (900 validation rows) trial 3"
