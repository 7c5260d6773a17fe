"""A race sends out whom whole runs would beat, and hardly ever the best. What is simulated: race_simulation.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from harness.stats.drawing import Place, drawn, units
from harness.stats.race import Race, looks
from tests.harness.stats.race_simulation import GAPS, Outcome, answers, raced, races, units_of


def _read(race: Race, values: np.ndarray, more: int) -> None:
    """The next units of a race whose items are the columns [models, items] of `values`."""
    race.add(more, {place: values[[place], race.read : race.read + more] for place in race.still_in})


@pytest.mark.parametrize("units", [1, 99, 100, 101, 2000, 14042])
def test_looks_grow_to_the_last_unit(units):
    ends = looks(units)
    assert ends[-1] == units
    assert ends == sorted(set(ends))
    assert len(ends) <= 12


def test_a_model_that_is_far_behind_is_out_at_the_first_look():
    rng = np.random.default_rng(0)
    values = (rng.random((3, 500)) < np.array([[0.8], [0.78], [0.2]])).astype(float)
    race = Race(3, units_of(500))
    _read(race, values, 100)
    assert race.still_in == [0, 1]
    assert race.out == {2: 100}
    _read(race, values, 50)
    assert race.out == {2: 100}


def test_equal_models_all_stay_to_the_end():
    values = np.tile((np.arange(600) % 2).astype(float), (4, 1))
    race = Race(4, units_of(600))
    for _ in range(6):
        assert not race.is_decided
        _read(race, values, 100)
    assert race.still_in == [0, 1, 2, 3]
    assert race.is_decided


def test_nobody_is_out_after_the_last_unit():
    race = Race(2, units_of(200))
    _read(race, np.array([np.ones(200), np.zeros(200)]), 200)
    assert race.still_in == [0, 1]
    assert race.is_decided


def test_a_race_of_one_is_decided_before_it_begins():
    assert Race(1, units_of(10)).is_decided


def test_a_lead_that_whole_runs_could_not_tell_sends_nobody_out():
    """The lead is sure to be there on all items, but is too small for the comparison of whole runs."""
    first = np.tile([1.0, 0.0], 500)
    second = first.copy()
    second[[0, 2]] = 0.0  # two of the 1,000 items less, and the items that are left cannot make up for it
    race = Race(2, units_of(1000))
    _read(race, np.array([first, second]), 999)
    assert race.still_in == [0, 1]


def test_the_spread_of_seeds_counts():
    """Three trainings of each that spread more than they differ: whole runs would not tell the two apart, however
    many items there are. Without that spread they do."""
    rng = np.random.default_rng(0)
    near, far = (
        [(rng.random((3, 3000)) < np.array(chances)[:, None]).astype(float) for chances in both]
        for both in (
            ((0.79, 0.8, 0.81), (0.69, 0.7, 0.71)),
            ((0.65, 0.8, 0.95), (0.55, 0.7, 0.85)),
        )
    )
    outs = []
    for values in (near, far):
        race = Race(2, units_of(3000))
        race.add(1500, {place: values[place][:, :1500] for place in (0, 1)})
        outs.append(race.out)
    assert outs == [{1: 1500}, {}]


def test_clusters_and_groups_are_read_whole_and_weighed():
    """A model that is ahead in the large group alone: by the mean over items it wins, by that of groups it loses."""
    places = [Place(f"a{n}", "a", f"p{n // 4}") for n in range(1600)] + [Place(f"b{n}", "b", "") for n in range(200)]
    outs = {}
    for macro in (False, True):
        groups = {place.item: place.group for place in places} if macro else None
        race = Race(2, drawn(units(places, macro), seed=1), groups)
        items = race.next_items(400)
        assert len(items) > 400
        large = np.array([[float(item.startswith("a")) for item in items]])
        small = np.array([[float(item.startswith("b") or int(item[1:]) % 10 < 4) for item in items]])
        race.add(400, {0: large, 1: small})
        assert race.items == items
        outs[macro] = race.out
    assert outs == {False: {1: 400}, True: {0: 400}}


@pytest.mark.parametrize(
    ("more", "models", "items", "message"),
    [(0, 3, 0, "further units"), (21, 3, 21, "further units"), (5, 2, 5, "each of"), (5, 3, 4, "5 further items")],
)
def test_values_that_are_none_of_a_race_are_refused(more, models, items, message):
    with pytest.raises(ValueError, match=message):
        Race(3, units_of(20)).add(more, {place: np.zeros((1, items)) for place in range(models)})


def _ever_out(times: int, units: int, models: int) -> tuple[int, int]:
    """How often the first of equal models is ever out: by the race, looked at after each hundred items, and by a paired
    test at 5% after each ten, as if each were the only one."""
    rng = np.random.default_rng(5)
    by_race = by_fixed = 0
    for _ in range(times):
        values = answers((0.0,) * models, units, rng)
        race = Race(models, units_of(units))
        while 0 in race.still_in and not race.is_decided:
            _read(race, values, 100)
        by_race += 0 in race.out
        counts = np.arange(1, units + 1)
        differences = values[1:] - values[0]
        mean = np.cumsum(differences, axis=1) / counts
        error = np.sqrt(np.maximum(np.cumsum(differences**2, axis=1) / counts - mean**2, 1e-9) / counts)
        by_fixed += bool((mean / error)[:, 49::10].max() > 1.96)
    return by_race, by_fixed


def test_the_best_is_out_at_most_as_often_as_promised_and_a_fixed_test_at_each_look_is_not():
    times = 40
    by_race, by_fixed = _ever_out(times, 400, 4)
    assert binom.sf(by_race - 1, times, 0.05) > 0.001  # as few as at most 5% would give
    assert by_fixed > 0.15 * times


def _same(outcomes: list[Outcome]) -> int:
    return sum(one.raced == one.whole for one in outcomes)


def test_a_race_ends_as_whole_runs_would_for_fewer_items():
    outcomes = [outcome for gaps in GAPS.values() for outcome in races(gaps, 1500, 2, seed=1)]
    assert _same(outcomes) >= 9
    assert np.mean([one.share for one in outcomes]) < 0.8


def test_a_race_at_a_bold_level_does_not_end_as_whole_runs_would():
    """So the test above can fail."""
    rng = np.random.default_rng(1)
    outcomes = [raced(answers(gaps, 1500, rng), alpha=7.9) for gaps in GAPS.values() for _ in range(2)]
    assert _same(outcomes) < 9


@pytest.mark.full
def test_five_hundred_races_of_nine_end_as_whole_runs_would_with_half_of_the_items():
    outcomes = [outcome for gaps in GAPS.values() for outcome in races(gaps, 14042, 100)]
    assert _same(outcomes) >= 475
    assert sum(one.kept_best for one in outcomes) >= 475
    assert np.mean([one.share for one in outcomes]) <= 0.5


@pytest.mark.full
def test_over_a_thousand_races_of_equal_models_the_best_is_out_at_most_as_often_as_promised():
    times = 1000
    by_race, by_fixed = _ever_out(times, 400, 9)
    assert binom.sf(by_race - 1, times, 0.05) > 0.025
    assert by_fixed > 0.15 * times
