"""The big store's preference: answers to 80 prompts, two judges with faults of their own, and people."""

from __future__ import annotations

import hashlib
import math
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import combinations

from bench.big.wanted import WORDS, Wanted
from judges.store.comparisons import comparison_id
from judges.store.rows import AnswerRow, AnswerSetRow, ComparisonRow, JudgeRow, PromptSetRow, QuestionRow, Verdict
from tuning.store import Store

QUESTIONS = 80
VOTES = 900
RATERS = 6
# name: (how sure of strength, of the answer shown first, of length, share of errors, repeats)
JUDGES = {"judge-large": (1.6, 0.1, 0.2, 0.002, 2), "judge-small": (0.7, 0.5, 0.6, 0.02, 1)}
CATEGORIES = ("generic", "writing", "reasoning", "coding", "math", "roleplay", "knowledge", "counterfactual")


def add(store: Store, runs: Sequence[Wanted], seed: int) -> None:
    """Answers of these runs' models, and who prefers what."""
    rng = random.Random(seed)
    moment = runs[-1].row.created
    texts = [
        f"Question {n}: what would you tell a friend who asks about the mill by the bridge?" for n in range(QUESTIONS)
    ]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    prompts = PromptSetRow(digest, "eighty", "folder:made")
    questions = [
        QuestionRow(digest, f"q{n}", n, CATEGORIES[n % len(CATEGORIES)], (text,)) for n, text in enumerate(texts)
    ]
    sets: list[tuple[str, float]] = []
    lengths: dict[tuple[str, str], int] = {}
    for run in runs:
        key = hashlib.sha256(f"answers {run.row.id}".encode()).hexdigest()
        made = AnswerSetRow(
            key[:32],
            key,
            run.row.name,
            "finished",
            digest,
            run.row.model,
            moment,
            model_digest=run.row.model_digest,
            base_digest=run.row.base_digest,
            template="alpaca",
            finished=moment,
        )
        store.create_answers(made, prompts, questions)
        answers = [AnswerRow(made.id, q.question, 1, _text(rng, run.skill), finish="stop") for q in questions]
        store.record_answers(made.id, answers)
        lengths |= {(made.id, a.question): len(a.text) for a in answers}
        sets.append((made.id, 4 * run.skill + rng.gauss(0, 0.4)))
    rows: list[ComparisonRow] = []
    for name, (sure, first, length, errors, repeats) in JUDGES.items():
        judge = JudgeRow(hashlib.sha256(name.encode()).hexdigest(), "model", name, moment, name)
        store.save_judge(judge)
        for (a, b), question, repeat in (
            (pair, q, r) for pair in combinations(sets, 2) for q in questions for r in range(repeats)
        ):
            taste = rng.gauss(0, 0.7)
            for one, other, sign in ((a, b, 1), (b, a, -1)):
                longer = math.log(lengths[one[0], question.question] / lengths[other[0], question.question])
                pull = sure * (one[1] - other[1]) + sign * taste + first + length * longer
                verdict: Verdict = "error" if rng.random() < errors else _verdict(rng, pull, 0.15)
                rows.append(
                    ComparisonRow(
                        comparison_id(judge.id, question.question, 1, one[0], other[0], repeat),
                        judge.id,
                        question.question,
                        1,
                        one[0],
                        other[0],
                        verdict,
                        moment + timedelta(seconds=len(rows)),
                        repeat=repeat,
                        text="" if verdict == "error" else f"Both answer the question. {verdict} is the clearer one.",
                        error="the text has no verdict" if verdict == "error" else "",
                        tokens_in=900,
                        tokens_out=40,
                        cost=0.003,
                    )
                )
    rows += _votes(store, rng, sets, questions, moment)
    store.record_comparisons(rows)


def _votes(
    store: Store,
    rng: random.Random,
    sets: Sequence[tuple[str, float]],
    questions: Sequence[QuestionRow],
    moment: object,
) -> Iterator[ComparisonRow]:
    from datetime import datetime

    assert isinstance(moment, datetime)
    pairs = [(pair, q) for pair in combinations(sets, 2) for q in questions]
    for number in range(RATERS):
        rater = JudgeRow(uuid.UUID(int=rng.getrandbits(128)).hex, "person", f"rater-{number + 1}", moment)
        store.save_judge(rater)
        for at, ((a, b), question) in enumerate(rng.sample(pairs, VOTES // RATERS)):
            one, other = (a, b) if rng.random() < 0.5 else (b, a)
            verdict = _verdict(rng, 1.2 * (one[1] - other[1]) + rng.gauss(0, 0.8), 0.2)
            verdict = "bad" if verdict == "tie" and rng.random() < 0.3 else verdict
            yield ComparisonRow(
                hashlib.sha256(f"{rater.id} {at}".encode()).hexdigest()[:32],
                rater.id,
                question.question,
                0,
                one[0],
                other[0],
                verdict,
                moment + timedelta(seconds=at),
                note="the second is rude" if rng.random() < 0.05 else "",
                assignment=uuid.UUID(int=rng.getrandbits(128)).hex,
            )


def _verdict(rng: random.Random, pull: float, ties: float) -> Verdict:
    if rng.random() < ties:
        return "tie"
    return "first" if rng.random() < 1 / (1 + math.exp(-pull)) else "second"


def _text(rng: random.Random, skill: float) -> str:
    sentences = [f"{rng.choice(WORDS)}.".capitalize() for _ in range(rng.randint(3, 9 + int(6 * max(0.0, skill))))]
    lines = "\n".join(f"- {sentence}" for sentence in sentences[2:]) if rng.random() < 0.4 else " ".join(sentences[2:])
    return f"{' '.join(sentences[:2])}\n\n{lines}"
