"""Which choice an answer means: a label ("B"), an index from 0, or a choice's own text. One reading for the whole
file, so that no row is read otherwise than its neighbour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.sources import DataError
from harness.tasks.file_tasks.rows import Row


@dataclass(frozen=True, slots=True)
class Choices:
    row: Row
    texts: Sequence[str]
    labels: Sequence[str]
    answer: Any


def _label(one: Choices) -> int | None:
    word = str(one.answer).strip()
    return list(one.labels).index(word) if word in one.labels else None


def _index(one: Choices) -> int | None:
    word = str(one.answer).strip()
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 3 and int(word) < len(one.texts) else None


def _text(one: Choices) -> int | None:
    texts, answer = [text.strip() for text in one.texts], str(one.answer).strip()
    return texts.index(answer) if answer in texts else None


READERS: dict[str, Callable[[Choices], int | None]] = {"label": _label, "index": _index, "text": _text}


def settle(rows: Sequence[Choices], declared: str | None, declaration: str) -> tuple[list[int], str]:
    """The right choice of each row, and the reading that fits every row. DataError where none does, or where two do and
    mean different choices."""
    for one in rows:
        if one.answer is None or isinstance(one.answer, bool | list | dict):
            raise one.row.wrong("answer", "is missing or empty; it must name one of the choices")
    names = [declared] if declared else list(READERS)
    places = {name: [READERS[name](one) for one in rows] for name in names}
    fitting = {name: [place for place in some if place is not None] for name, some in places.items()}
    fitting = {name: some for name, some in fitting.items() if len(some) == len(rows)}
    if not fitting:
        raise _misfit(rows, places)
    (name, rights), *others = fitting.items()
    for other, theirs in others:
        for one, right, another in zip(rows, rights, theirs, strict=True):
            if right != another:
                raise DataError(
                    f"{one.row.where}: the answer {one.answer!r} is the {name} of one choice and the {other} of "
                    f'another, and both fit every row. Write answers = "{name}" or "{other}" into {declaration}.'
                )
    return rights, name


def _misfit(rows: Sequence[Choices], places: Mapping[str, Sequence[int | None]]) -> DataError:
    """The first row that no reading fits, or else that which does not fit as most others do."""
    for number, one in enumerate(rows):
        if all(some[number] is None for some in places.values()):
            return one.row.wrong("answer", f"is {one.answer!r}, which is no choice; {_allowed(one, list(places))}")
    most = min(places, key=lambda name: places[name].count(None))
    one = rows[places[most].index(None)]
    return one.row.wrong("answer", f"is {one.answer!r}, and in most rows it is the choice's {most}; write one kind")


def _allowed(one: Choices, readings: Sequence[str]) -> str:
    ways = {
        "label": f"one of {', '.join(one.labels)}",
        "index": f"an index from 0 to {len(one.texts) - 1}",
        "text": "the text of a choice",
    }
    return "it must be " + ", or ".join(ways[name] for name in readings)
