"""A plan computes every row once, shares what it can, and depends on nothing but rows and budgets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.backends.transformers import prefix_tree
from harness.backends.transformers.prefix_tree import Row, plan

small = st.lists(st.integers(0, 2), min_size=1, max_size=12)
tokens = st.lists(
    st.tuples(st.sampled_from([[], [1] * 100, [1] * 100 + [2] * 150, [3] * 40]), small), min_size=1, max_size=25
)


def rows_of(drawn: list[tuple[list[int], list[int]]]) -> list[Row]:
    return [Row([*head, *tail], 1 + n % min(2, len(tail)), n) for n, (head, tail) in enumerate(drawn)]


@given(
    drawn=tokens,
    budget=st.sampled_from([1, 64, 10_000]),
    together=st.sampled_from([None, 3]),
    stored=st.sampled_from([0, 30, 500]),
)
@settings(max_examples=200, deadline=None)
def test_every_row_stands_whole_and_once(drawn, budget, together, stored) -> None:
    rows = rows_of(drawn)
    batches = plan(rows, budget, together, batch_tokens=stored)
    seen, placed = set(), []
    for batch in batches:
        for segments in batch.passes:
            for segment in segments:
                path = [*segment.ancestors(), segment]
                assert [s.start for s in path] == [sum(len(p.ids) for p in path[:n]) for n in range(len(path))]
                assert segment.parent is None or id(segment.parent) in seen, "an ancestor comes first"
                seen.add(id(segment))
                if segment.row is not None:
                    assert [t for s in path for t in s.ids] == segment.row.ids
                    assert len(segment.ids) >= segment.row.reads, "what is read is in the row's own part"
                    placed.append(segment.row.request)
            assert sum(len(s.ids) for s in segments) <= budget or len(segments) == 1
        assert together is None or len(batch.rows) <= together
    assert sorted(placed) == list(range(len(rows)))


@given(drawn=tokens)
@settings(max_examples=100, deadline=None)
def test_what_is_charged_to_rows_is_what_is_computed(drawn) -> None:
    rows = rows_of(drawn)
    computed = sum(len(s.ids) for b in plan(rows, 64) for p in b.passes for s in p)
    assert sum(len(r.ids) - r.reused for r in rows) == computed


@pytest.mark.parametrize("most", [100, 300])
def test_what_is_stored_together_is_a_batch_whatever_the_size_of_its_passes(most) -> None:
    rows = [Row([n] * 50, 1, n) for n in range(30)]
    batches = plan(rows, most, batch_tokens=300)
    assert [len(batch.rows) for batch in batches] == [6] * 5
    assert [len(batch.passes) for batch in batches] == [300 // most] * 5


@given(drawn=tokens, seed=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_plan_does_not_depend_on_the_order_of_rows(drawn, seed) -> None:
    def shape(rows: list[Row]) -> list:
        return [[(s.start, s.ids) for s in p] for b in plan(rows, 64) for p in b.passes]

    shuffled = list(drawn)
    seed.shuffle(shuffled)
    one = [Row([*h, *t], 1, n) for n, (h, t) in enumerate(drawn)]
    other = [Row([*h, *t], 1, n) for n, (h, t) in enumerate(shuffled)]
    assert shape(one) == shape(other)


def test_a_shared_prefix_is_computed_once() -> None:
    shared = list(range(500))
    rows = [Row([*shared, 1000 + n, n], 1, n) for n in range(40)]
    segments = [s for b in plan(rows, 10_000) for p in b.passes for s in p]
    assert sum(len(s.ids) for s in segments) == 500 + 40 * 2
    assert [r.reused for r in rows].count(500) == 39


def test_nested_prefixes_are_shared_too() -> None:
    header, passages = list(range(300)), [[1000 + p] * 200 for p in range(4)]
    rows = [Row([*header, *passages[p], 9000 + q, q], 1, 10 * p + q) for p in range(4) for q in range(5)]
    assert sum(len(s.ids) for b in plan(rows, 10_000) for x in b.passes for s in x) == 300 + 4 * 200 + 20 * 2


def test_little_in_common_is_not_worth_a_segment() -> None:
    rows = [Row([7, 7, 7, n], 1, n) for n in range(3)]
    assert prefix_tree.WORTH > 2 * 3
    assert [s.row is None for b in plan(rows, 100) for p in b.passes for s in p] == [False] * 3


def test_equal_rows_each_keep_their_last_token() -> None:
    rows = [Row(list(range(200)), 1, n) for n in range(3)]
    segments = [s for b in plan(rows, 1000) for p in b.passes for s in p]
    assert [len(s.ids) for s in segments] == [199, 1, 1, 1]
