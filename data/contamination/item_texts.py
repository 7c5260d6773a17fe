"""The text of a benchmark item that training rows are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.contamination.words import words_of


@dataclass(frozen=True, slots=True)
class ItemText:
    """`question` has all that is asked, a passage included; `options` are the choices or the continuation, where there
    are any. Neither has examples, or words that stand around each question of the task."""

    task: str
    id: str
    group: str
    question: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """Items that ask the same, whatever the order of their options: the words, and the items' places."""

    question: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    items: tuple[int, ...]

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        return (self.question, *self.options)


def contents_of(items: Sequence[ItemText]) -> list[Content]:
    """Items without a word are left out: there is nothing to compare them by."""
    places: dict[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], list[int]] = {}
    for place, item in enumerate(items):
        question = tuple(words_of(item.question))
        options = tuple(sorted(filter(None, (tuple(words_of(option)) for option in item.options))))
        if question or options:
            places.setdefault((question, options), []).append(place)
    return [Content(question, options, tuple(own)) for (question, options), own in places.items()]
