"""Two models on the prompts that both answered: who preferred what, and what they wrote. Plain data, as in report.py.

The sides are called a and b here, however they were shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from judges.ranking.evidence import Evidence
from judges.ranking.games import games
from judges.store.rows import ComparisonRow

if TYPE_CHECKING:
    from judges.store import Store

SIDES = ("a", "tie", "b")


def pair_report(evidence: Evidence, a: str, b: str) -> list[dict[str, Any]]:
    """The questions on which a and b (answer sets) were compared: `question`, and of `people` and of `judges` how many
    games each side won (`a`, `tie`, `b`). `disagree`: a judge and a person name different answers.

    Games are those of the ranking: a judge's two orders are one, and repeats are left out."""
    between = _between(evidence.comparisons, a, b)
    questions: dict[str, dict[str, Counter[str]]] = {
        comparison.question: {"people": Counter(), "judges": Counter()} for comparison in between
    }
    for game in games(between, evidence.judges.values()):
        if game.score is None or game.repeat:
            continue
        score = game.score if game.first == a else 1 - game.score
        whose = "people" if evidence.judges[game.judge].kind == "person" else "judges"
        questions[game.question][whose]["a" if score > 0.5 else "b" if score < 0.5 else "tie"] += 1
    return [
        {
            "question": question,
            **{whose: {side: own[whose][side] for side in SIDES} for whose in ("people", "judges")},
            "disagree": any(own["people"][x] and own["judges"][y] for x, y in (("a", "b"), ("b", "a"))),
        }
        for question, own in sorted(questions.items(), key=lambda item: (len(item[0]), item[0]))
    ]


def question_report(store: Store, evidence: Evidence, a: str, b: str, question: str) -> dict[str, Any]:
    """One prompt: `turns`, `reference`, `category`, the `answers` of `a` and `b` by turn, and `verdicts` by time. A
    verdict has `judge`, `kind`, `turn`, `repeat`, `shown_first` (a or b), `verdict` (a, b, tie, bad, skip, error),
    `text`, `note`, `error`, `created`."""
    prompt_set = next(answers.prompt_set for answers in store.answer_sets() if answers.id == a)
    asked = next((row for row in store.questions(prompt_set) if row.question == question), None)
    answers = {
        side: [answer.text for answer in store.answers_of(key) if answer.question == question]
        for side, key in (("a", a), ("b", b))
    }
    named = {key: judge.name for key, judge in evidence.judges.items()}
    return {
        "question": question,
        "category": asked.category if asked else "",
        "turns": list(asked.turns) if asked else [],
        "reference": list(asked.reference) if asked else [],
        "answers": answers,
        "verdicts": [
            {
                "judge": named[comparison.judge],
                "kind": evidence.judges[comparison.judge].kind,
                "turn": comparison.turn,
                "repeat": comparison.repeat,
                "shown_first": "a" if comparison.first == a else "b",
                "verdict": _named(comparison, a),
                "text": comparison.text,
                "note": comparison.note,
                "error": comparison.error,
                "created": comparison.created.isoformat(),
            }
            for comparison in _between(evidence.comparisons, a, b)
            if comparison.question == question
        ],
    }


def _between(comparisons: Sequence[ComparisonRow], a: str, b: str) -> list[ComparisonRow]:
    return [comparison for comparison in comparisons if {comparison.first, comparison.second} == {a, b}]


def _named(comparison: ComparisonRow, a: str) -> str:
    """The verdict by the side that it is for."""
    if comparison.verdict not in ("first", "second"):
        return comparison.verdict
    return "a" if (comparison.verdict == "first") == (comparison.first == a) else "b"
