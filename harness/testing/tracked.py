"""The contract of a source of tracked runs (an entry point of `harness.tracked`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest

from harness.exchange.tracked import Tracked
from harness.testing.registered import Registered


class TrackedContract(Registered):
    """A subclass sets

    registered  the part's name
    source      what the entry point names, in a staticmethod
    db, word    fixtures: a store that has something to track, and a word that names one thing in it"""

    kind = "tracked"
    source: ClassVar[Any]

    @property
    def part(self) -> Any:
        return type(self).source

    @pytest.fixture
    def db(self) -> str:
        raise NotImplementedError("the suite needs a store")

    @pytest.fixture
    def word(self) -> str:
        raise NotImplementedError("the suite needs a word")

    def test_all_of_it_has_one_key_each(self, db: str) -> None:
        keys = [one.key for one in _every(self.part(db, None))]
        assert keys, "the store has something to track"
        assert len(set(keys)) == len(keys)
        assert all(":" in key and "'" not in key for key in keys), "KIND:ID, which stands in a search's filter"

    def test_it_says_the_same_twice(self, db: str) -> None:
        first, second = (_every(self.part(db, None)) for _ in range(2))
        assert [(one.key, one.content) for one in first] == [(one.key, one.content) for one in second]

    def test_what_it_gives_can_be_kept(self, db: str) -> None:
        for one in _every(self.part(db, None)):
            assert one.name
            assert all(isinstance(text, str) for text in (*one.params.values(), *one.tags.values()))
            assert all(math.isfinite(metric.value) for metric in one.metrics)
            places = [(metric.name, metric.step) for metric in one.metrics]
            assert len(set(places)) == len(places), "one value a name and step"
            assert one.started.tzinfo is not None

    def test_a_word_names_one_thing_or_nothing(self, db: str, word: str) -> None:
        (found,) = self.part(db, word)
        assert found.key in {one.key for one in self.part(db, None)}
        assert self.part(db, "no such thing at all") == []


def _every(tracked: Sequence[Tracked]) -> list[Tracked]:
    def walk(some: Sequence[Tracked]) -> Iterator[Tracked]:
        for one in some:
            yield one
            yield from walk(one.children)

    return list(walk(tracked))
