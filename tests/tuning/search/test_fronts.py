"""Which of several trials are the best."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tuning.search.fronts import Standing, best, first_front

few = st.integers(0, 4).map(float)  # so that values are often equal
tables = st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[few] * n), min_size=1, max_size=25))


def betters(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def fronts_of(table: Sequence[Sequence[float]]) -> list[int]:
    """The front of each, by peeling."""
    numbers = [-1] * len(table)
    for number in range(len(table)):
        left = [place for place, known in enumerate(numbers) if known < 0]
        for place in left:
            if not any(betters(table[other], table[place]) for other in left):
                numbers[place] = number
    return numbers


def standings(table: Sequence[Sequence[float]]) -> dict[int, Standing]:
    return {place: Standing(tuple(values)) for place, values in enumerate(table)}


@settings(deadline=None)
@given(tables)
def test_fronts_come_one_after_the_other(table: list[tuple[float, ...]]) -> None:
    numbers = fronts_of(table)
    order = best(standings(table))
    assert sorted(order) == list(range(len(table)))
    assert [numbers[place] for place in order] == sorted(numbers)
    assert sorted(first_front(table)) == [place for place, number in enumerate(numbers) if number == 0]


@settings(deadline=None)
@given(tables, st.integers(0, 30))
def test_the_best_few_are_the_beginning_of_all(table: list[tuple[float, ...]], count: int) -> None:
    assert best(standings(table), count) == best(standings(table))[:count]


@settings(deadline=None)
@given(st.lists(few, min_size=1, max_size=25))
def test_one_objective_is_ordered_by_value_then_by_proposal(values: list[float]) -> None:
    expected = sorted(range(len(values)), key=lambda place: (values[place], place))
    assert best(standings([(value,) for value in values])) == expected


@settings(deadline=None)
@given(tables)
def test_the_best_by_the_first_objective_comes_first(table: list[tuple[float, ...]]) -> None:
    assert table[best(standings(table))[0]][0] == min(values[0] for values in table)


def test_a_few_of_a_front_stand_for_all_of_it() -> None:
    """Whatever the units: the end by the first objective, the other end, the middle."""
    crowd = [(0.0, 1.0), (0.01, 0.99), (0.02, 0.98), (0.03, 0.97), (0.5, 0.5), (1.0, 0.0)]
    for unit in (1.0, 1e9):
        assert best(standings([(a, unit * b) for a, b in crowd]), 3) == [0, 5, 4]


def test_a_later_front_begins_where_no_earlier_one_is() -> None:
    assert best(standings([(0.0, 4.0), (4.0, 0.0), (0.1, 4.1), (3.0, 4.05)])) == [0, 1, 3, 2]


def test_a_single_end_is_no_division_by_zero() -> None:
    assert best(standings([(1.0, 5.0), (1.0, 5.0), (1.0, 5.0)])) == [0, 1, 2]


@settings(deadline=None)
@given(st.lists(st.tuples(few, st.sampled_from([0.0, 0.5, 1.0, 2.0])), min_size=1, max_size=20))
def test_constraints_come_first(found: list[tuple[float, float]]) -> None:
    given = {place: Standing((value,), violation) for place, (value, violation) in enumerate(found)}
    expected = sorted(given, key=lambda k: (found[k][1], 0.0 if found[k][1] else found[k][0], k))
    assert best(given) == expected


def test_nothing_has_no_front() -> None:
    assert first_front([]) == best({}) == []
