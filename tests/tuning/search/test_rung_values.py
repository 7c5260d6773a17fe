"""What trials are compared by at a rung, and what they would come to on all rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tuning.search.fronts import Standing
from tuning.search.rung_values import Measures, RungValues
from tuning.store import AttemptRow

FRACTIONS = (0.1, 1.0)
Trial = dict[int, AttemptRow]


def attempt(rung: int, objectives: tuple[float, ...], constraints: tuple[float, ...] = (), **more: Any) -> AttemptRow:
    key: dict[str, Any] = {"study": "s", "trial": 1, "purpose": "search", "fraction": FRACTIONS[rung], "seed": 0}
    return AttemptRow(
        **key, finished=datetime(2026, 1, 1, tzinfo=UTC), objectives=objectives, constraints=constraints, **more
    )


def values(trials: list[Trial], objectives: tuple[str, ...], *constraints: str) -> RungValues:
    return RungValues(Measures(objectives, constraints), FRACTIONS, trials)


def test_seconds_are_those_of_all_rows() -> None:
    found = values([{0: attempt(0, (2.0, 3.0))}, {1: attempt(1, (1.0, 25.0))}], ("validation", "seconds"))
    assert found.standings(0, 0)[0][0] == Standing((2.0, 30.0))
    assert [round(one.value, 9) for one in found.estimate(0)] == [2.0, 30.0]
    assert [one.value for one in found.estimate(1)] == [1.0, 25.0]


def test_seconds_that_are_limited_are_those_of_all_rows_too() -> None:
    """7 s at a tenth are about 70 s, of which 60 are allowed; 61 s at a tenth are too many already."""
    trials = [{0: attempt(0, (2.0,), (seconds - 60,))} for seconds in (5.0, 7.0, 61.0)]
    found = values(trials, ("validation",), "seconds<=60")
    standings = [trial[0] for trial in found.standings(0, 0)]
    assert standings[0] == Standing((2.0,))
    assert standings[1] is not None
    assert standings[1].violation == pytest.approx(10 / 60)
    assert standings[2] is None
    assert [found.broken(trial) for trial in range(3)] == [[], [], ["seconds<=60"]]


def test_a_limit_is_judged_by_its_estimate_for_all_rows() -> None:
    """Forgetting triples from a tenth to all: 0.03 at a tenth does not keep a limit of 0.05, once that is known."""
    known = [
        {0: attempt(0, (2.0,), (low - 0.05,)), 1: attempt(1, (1.0,), (3 * low - 0.05,))} for low in (0.01, 0.012, 0.014)
    ]
    found = values([*known, {0: attempt(0, (2.0,), (0.03 - 0.05,))}], ("validation",), "forgetting<=0.05")
    judged, unjudged = found.standings(0, 3)[3][0], found.standings(0, 0)[3][0]
    assert unjudged == Standing((2.0,))
    assert judged is not None
    assert judged.violation > 0
    assert found.broken(3) == []  # more rows may mend it, for all that is known of such a measure


def test_violations_are_shares_of_their_limits() -> None:
    measures = Measures(("validation",), ("memory<=1000", "forgetting<=0", "seconds<=10"))
    assert measures.violation((500.0, 0.25, -3.0)) == 0.75


def test_an_adapters_size_needs_no_estimate() -> None:
    trials: list[Trial] = [{0: attempt(0, (9.0, size)), 1: attempt(1, (8.0, size))} for size in (1.1, 2.3, 4.7)]
    found = values([*trials, {0: attempt(0, (9.0, 0.7))}], ("validation", "adapter-size"))
    loss, size = found.estimate(3)
    assert (size.value, size.penalty) == (0.7, 0.0)
    assert loss.value == pytest.approx(8.0)


def test_what_a_later_rung_says_changes_no_earlier_one() -> None:
    """Memory that is too much at all rows: at the rung below, the trial stands as it stood when it was decided."""
    trial = {0: attempt(0, (2.0,), (-1.0,)), 1: attempt(1, (1.0,), (5.0,))}
    found = values([trial], ("validation",), "memory<=10")
    assert found.standings(0, 1)[0][0] is not None
    assert found.standings(1, 1)[0][1] is None
    assert found.broken(0) == ["memory<=10"]


def test_a_failed_trial_stands_nowhere() -> None:
    found = values([{0: attempt(0, (), failed=True)}], ("validation", "seconds"), "memory<=1")
    assert found.standings(0, 0) == [{0: None}]
    assert found.broken(0) == []
    with pytest.raises(ValueError, match="no estimate"):
        found.estimate(0)


def test_a_trial_that_failed_higher_up_has_its_last_value() -> None:
    found = values([{0: attempt(0, (2.0,)), 1: attempt(1, (), failed=True)}], ("validation",))
    assert found.on_all_rows(0) == Standing((2.0,))
