"""Shingles as numbers are the sets that they are as strings."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from data.near_copies.first_of_each import normalise
from data.near_copies.shingle_sets import ShingleSets
from tests.data.near_copies.shingles import shingles

texts = st.lists(st.one_of(st.text(alphabet="ab c", max_size=30), st.text(max_size=12)), max_size=8)


@settings(deadline=None)
@given(texts)
def test_as_sets_of_strings(given_: list[str]) -> None:
    sets = ShingleSets(list(map(normalise, given_)))
    strings = list(map(shingles, given_))
    assert sets.sizes == list(map(len, strings))
    for a in range(len(given_)):
        for b in range(len(given_)):
            assert len(sets[a] & sets[b]) == len(strings[a] & strings[b])


def test_the_rarest_come_first() -> None:
    sets = ShingleSets(["abcdef", "abcdeg", "abcdeh"])
    common = sets[0] & sets[1]
    assert len(common) == 1
    assert all(not common & set(rarest) for rarest in sets.rarest(lambda size: 1))
    assert [len(rarest) for rarest in sets.rarest(lambda size: 2)] == [2, 2, 2]
