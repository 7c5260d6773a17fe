"""The `reference` judge: answers that can be checked against the prompt's reference. It needs no model.

A reference can be checked where it ends in a line "Answer: …", or is itself no longer than five words. Of an answer,
what follows its last "answer is", "answer:" or "=" counts, otherwise its last line that is not empty. A number must be
the last number there; a word or words must stand there, whole and in this order. The right answer wins; two right or
two wrong ones are a tie.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from judges.store.rows import ComparisonRow, JudgeRow

if TYPE_CHECKING:
    from judges.judging.pairs import Asked, Contest
    from judges.judging.session import Outcome
    from judges.store import Store

NAME = "reference"
VERSION = "1"
_SHORT = 5  # words
_LABEL = re.compile(r"^\W*answer\s*:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_GIVEN = re.compile(r"(?:\banswer\s*(?:is|:)|=)(?!=)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w)")
_WORD = re.compile(r"\w+")


def expected(reference: str) -> str | None:
    """The short answer that a reference comes to, or None where it cannot be checked."""
    labelled = _LABEL.findall(reference)
    short = labelled[-1] if labelled else reference.strip()
    words = _WORD.findall(short)
    return short if words and (labelled or len(words) <= _SHORT) else None


def right(answer: str, wanted: str) -> bool:
    """Does the answer come to `wanted` (see above)?"""
    said = _conclusion(answer)
    number = _NUMBER.fullmatch(wanted.strip().rstrip("."))
    if number:
        numbers = _NUMBER.findall(said)
        return bool(numbers) and _value(numbers[-1]) == _value(number[0])
    needle, hay = (_WORD.findall(text.casefold()) for text in (wanted, said))
    return any(hay[at : at + len(needle)] == needle for at in range(len(hay) - len(needle) + 1))


def _conclusion(answer: str) -> str:
    given = list(_GIVEN.finditer(answer))
    if given:
        after = answer[given[-1].end() :].strip()
        if after:
            return after.split("\n", 1)[0]
    lines = [line for line in answer.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def row(references: Mapping[str, Sequence[str]] | None) -> JudgeRow:
    """This judge, with the references of a file where they are given."""
    pairs = [] if references is None else sorted((question, list(texts)) for question, texts in references.items())
    digest = hashlib.sha256(json.dumps(["reference", VERSION, pairs]).encode()).hexdigest()
    config = {"version": VERSION, "references": "the prompt set's" if references is None else "a file"}
    return JudgeRow(digest, "reference", NAME, datetime.now(UTC), config=config)


def judge(
    store: Store,
    contest: Contest,
    references: Mapping[str, Sequence[str]] | None = None,
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Outcome:
    """Compare every pair whose question can be checked; the others are passed over. One transaction.

    The order of a pair means nothing to this judge, and a question asked again nothing new: both orders are stored,
    and no repeats."""
    from judges.judging.session import Outcome

    who = row(references)
    store.save_judge(who)
    verdicts = [
        _compare(contest, asked, who.id, wanted)
        for asked in contest.asked
        if asked.repeat == 0 and (wanted := _wanted(asked, references)) is not None
    ]
    outcome = Outcome(who, len(verdicts), len(verdicts) - store.record_comparisons(verdicts))
    for each in verdicts:
        outcome.count(each)
    progress(NAME, outcome.stored, outcome.asked)
    return outcome


def _wanted(asked: Asked, references: Mapping[str, Sequence[str]] | None) -> str | None:
    known = asked.question.reference if references is None else references.get(asked.question.question, ())
    return expected(known[asked.turn - 1]) if len(known) >= asked.turn else None


def _compare(contest: Contest, asked: Asked, judge_id: str, wanted: str) -> ComparisonRow:
    first, second = (right(contest.answers(side, asked)[-1], wanted) for side in (asked.first, asked.second))
    words = {True: "right", False: "wrong"}
    return ComparisonRow(
        id=asked.id(judge_id),
        judge=judge_id,
        question=asked.question.question,
        turn=asked.turn,
        first=asked.first,
        second=asked.second,
        verdict="tie" if first == second else "first" if first else "second",
        created=datetime.now(UTC),
        text=f"The reference comes to {wanted!r}: A is {words[first]}, B is {words[second]}.",
    )
