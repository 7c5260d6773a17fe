"""The contamination audit: which items of benchmarks stand in training rows. docs/audit.md has the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from data.contamination.overlap import Kind
from data.instructions import messages_of
from harness.audit.task_texts import task_texts

if TYPE_CHECKING:
    from data.contamination.search import Match
    from data.instructions import Instruction
    from harness.tasks import Selected

SHOWN = 160  # characters of a question or a row


@dataclass(frozen=True, slots=True)
class Flagged:
    """An item that stands in a training row, and the row that has most of it."""

    item: str
    group: str
    kind: Kind
    share: float  # of the question, or of question and options, by their words' weights
    question: str  # its beginning
    source: str
    row: int  # its number among those of its source, from 1
    excerpt: str
    rows: int  # that have the item


@dataclass(frozen=True, slots=True)
class TaskAudit:
    task: str
    data_digest: str
    items: int
    rows: int
    flagged: tuple[Flagged, ...]
    passages: int  # items of which rows have only what they share with others
    wordless: int  # items that have no words, and were compared with nothing

    @property
    def document(self) -> dict[str, Any]:
        return asdict(self) | {"flagged": [asdict(item) for item in self.flagged]}


def audit(
    tasks: Sequence[Selected],
    rows: Sequence[Instruction],
    numbers_of: Callable[[set[int]], dict[int, int]] | None = None,
) -> list[TaskAudit]:
    """Each task's, in their order. `numbers_of` gives the numbers that some rows, by their places, have in their
    sources; without it rows are those that were read, in their order."""
    from data.contamination.search import find

    texts = [task_texts(selected) for selected in tasks]
    flat = [text for some in texts for text in some]
    places = find(flat, map(text_of, rows))
    flagged = {match.item: match for match in places.matches}
    wanted = {match.row for match in places.matches}
    numbers = numbers_of(wanted) if numbers_of is not None and wanted else _numbers(rows, wanted)
    passages, wordless = set(places.passages), set(places.wordless)
    audits, begin = [], 0
    for selected, some in zip(tasks, texts, strict=True):
        own = range(begin, begin + len(some))
        begin = own.stop
        audits.append(
            TaskAudit(
                selected.task.name,
                selected.task.data_digest,
                len(some),
                len(rows),
                tuple(
                    _flagged(flat[at].id, flat[at].group, flat[at].question, flagged[at], rows, numbers)
                    for at in own
                    if at in flagged
                ),
                sum(at in passages for at in own),
                sum(at in wordless for at in own),
            )
        )
    return audits


def text_of(row: Instruction) -> str:
    """All that a model learns from or reads in a row."""
    return "\n".join(message.content for message in messages_of(row)) or row.output


def _flagged(
    item: str, group: str, question: str, match: Match, rows: Sequence[Instruction], numbers: dict[int, int]
) -> Flagged:
    row = rows[match.row]
    return Flagged(
        item,
        group,
        match.kind,
        round(match.share, 4),
        _short(question),
        row.source,
        numbers[match.row],
        _excerpt(text_of(row), match.place),
        match.rows,
    )


def _numbers(rows: Iterable[Instruction], wanted: set[int]) -> dict[int, int]:
    """Of some rows, which of their source's each is."""
    counts: dict[str, int] = {}
    numbers = {}
    for place, row in enumerate(rows):
        counts[row.source] = counts.get(row.source, 0) + 1
        if place in wanted:
            numbers[place] = counts[row.source]
    return numbers


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def _excerpt(text: str, place: float) -> str:
    """The row from about where the item stands in it; `place` is the part of its words before."""
    line = " ".join(text.split())
    begin = max(0, min(int(place * len(line)) - SHOWN // 8, len(line) - SHOWN))
    return ("…" if begin else "") + _short(line[begin:])


def lines_of(audit: TaskAudit, most: int) -> Iterator[str]:
    """For the terminal: what was compared, and the flagged items, `most` of them."""
    yield summary(audit.document)
    for one in audit.flagged[:most]:
        others = f" and {one.rows - 1:,} more" if one.rows > 1 else ""
        yield f"  {one.item}: {one.kind}, {one.share:.0%} of it in row {one.row:,} of {one.source}{others}"
        yield f"    item: {one.question}"
        yield f"    row:  {one.excerpt}"
    if len(audit.flagged) > most:
        yield f"  and {len(audit.flagged) - most:,} more, which the JSON document lists"


def summary(audit: Mapping[str, Any]) -> str:
    """Of a task's document."""
    count, items, passages, wordless = len(audit["flagged"]), audit["items"], audit["passages"], audit["wordless"]
    compared = f"{items:,} items compared with {audit['rows']:,} training rows"
    share = f"{count:,} flagged ({count / items:.2%})" if count else "none is in them"
    more = f"; of {passages:,} more, only what several items share is in them" if passages else ""
    more += f"; {wordless:,} without a word could not be compared" if wordless else ""
    return f"{audit['task']}: {compared}: {share}{more}."
