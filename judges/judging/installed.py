"""Judges that need no server, by name (harness/registry.py): each pair is compared in this process and stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness import registry
from harness.progress import SILENT, Progress
from judges.judging.reference_judge import NAME as REFERENCE
from judges.store.rows import ComparisonRow, JudgeKind, JudgeRow
from judges.types import JudgedPair

if TYPE_CHECKING:
    from judges.judging.pairs import Asked, Contest
    from judges.judging.session import Outcome
    from judges.store import Store
    from judges.types import Judge, JudgeFactory, Verdict

References = Mapping[str, Sequence[str]]


def has(name: str) -> bool:
    """Is this a judge of ours or a plug-in's? Any other name is a model's at a server."""
    return name in registry.names("judges")


def judge(
    store: Store,
    contest: Contest,
    name: str,
    references: References | None = None,
    progress: Progress = SILENT,
) -> Outcome:
    """Compare every pair that this judge can compare; the others are passed over. One transaction.

    `references`, by question and turn, stand in for the prompts' own. A question asked again is nothing new: both
    orders are stored, and no repeats."""
    from judges.judging.session import Outcome

    make: JudgeFactory = registry.load("judges", name)
    judge = make()
    row = _row(judge, references)
    store.save_judge(row)
    rows = []
    once = [asked for asked in contest.asked if asked.repeat == 0]
    for compared, asked in enumerate(once, 1):
        verdict = judge.compare(_pair(contest, asked, references))
        if verdict is not None:
            rows.append(_stored(asked, row.id, verdict))
        progress.update(judge.name, compared, len(once), unit="pairs")
    outcome = Outcome(row, len(rows), len(rows) - store.record_comparisons(rows))
    for comparison in rows:
        outcome.count(comparison)
    return outcome


def _row(judge: Judge, references: References | None) -> JudgeRow:
    """The judge as the store has it. A file of references makes another one of it, and so does its own config."""
    pairs = [] if references is None else sorted((question, list(texts)) for question, texts in references.items())
    content = [judge.name, judge.version, pairs, *([dict(judge.config)] if judge.config else [])]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    source = "the prompt set's" if references is None else "a file"
    config = {**judge.config, "version": judge.version, "references": source}
    kind: JudgeKind = "reference" if judge.name == REFERENCE else "program"
    return JudgeRow(digest, kind, judge.name, datetime.now(UTC), config=config)


def _pair(contest: Contest, asked: Asked, references: References | None) -> JudgedPair:
    known = asked.question.reference if references is None else references.get(asked.question.question, ())
    return JudgedPair(
        asked.question.question,
        tuple(asked.question.turns[: asked.turn]),
        contest.answers(asked.first, asked),
        contest.answers(asked.second, asked),
        known[asked.turn - 1] if len(known) >= asked.turn else None,
    )


def _stored(asked: Asked, judge: str, verdict: Verdict) -> ComparisonRow:
    return ComparisonRow(
        id=asked.id(judge),
        judge=judge,
        question=asked.question.question,
        turn=asked.turn,
        first=asked.first,
        second=asked.second,
        verdict=verdict.winner,
        created=datetime.now(UTC),
        text=verdict.text,
    )
