"""A store whose answers judges and people have compared."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import timedelta
from itertools import combinations
from pathlib import Path

from judges.store.comparisons import comparison_id
from judges.store.rows import ComparisonRow, JudgeRow, Verdict
from tests.leaderboard.make import NOW, answered
from tuning.store import Store

STRENGTH = {"plain-model": 0, "better-model": 1, "best-model": 2}


def judged(path: Path, questions: int = 8, people: bool = True, judges: bool = True, seed: int = 0) -> Store:
    """Three models; the stronger one wins three games in four. A judge asks twice in both orders, and errs now and
    then; two people rate."""
    store = answered(path, {name: [f"{name} says **{n}** things." for n in range(questions)] for name in STRENGTH})
    compare_all(store, STRENGTH, questions, people, judges, seed)
    return store


def compare_all(
    store: Store,
    strength: Mapping[str, int],
    questions: int = 8,
    people: bool = True,
    judges: bool = True,
    seed: int = 0,
) -> None:
    """Every two of the store's answer sets, whose strengths are by their names."""
    rng = random.Random(seed)
    sets = sorted(((each.id, strength[each.name]) for each in store.answer_sets()), key=lambda each: each[1])
    rows: list[ComparisonRow] = []
    if judges:
        judge = JudgeRow("ab" * 32, "model", "judge-one", NOW)
        store.save_judge(judge)
        for (a, b), n, repeat in ((p, n, r) for p in combinations(sets, 2) for n in range(questions) for r in (0, 1)):
            for one, other in ((a, b), (b, a)):
                key = comparison_id(judge.id, f"q{n}", 1, one[0], other[0], repeat)
                verdict = "error" if rng.random() < 0.05 else _verdict(rng, one[1] > other[1])
                at = NOW + timedelta(seconds=len(rows))
                rows.append(
                    ComparisonRow(
                        key, judge.id, f"q{n}", 1, one[0], other[0], verdict, at, repeat, f"I read both: [[{verdict}]]"
                    )
                )
    for name in ("Ada", "Grace") if people else ():
        person = JudgeRow(hashlib.sha256(name.encode()).hexdigest()[:32], "person", name, NOW)
        store.save_judge(person)
        for a, b in combinations(sets, 2):
            for n in range(questions):
                key = hashlib.sha256(f"{name} {a} {b} {n}".encode()).hexdigest()[:32]
                verdict = _verdict(rng, a[1] > b[1])
                at = NOW + timedelta(seconds=len(rows))
                rows.append(
                    ComparisonRow(key, person.id, f"q{n}", 0, a[0], b[0], verdict, at, note="hm", assignment=key)
                )
    store.record_comparisons(rows)


def _verdict(rng: random.Random, first_is_better: bool) -> Verdict:
    if rng.random() < 0.1:
        return "tie"
    return "first" if first_is_better == (rng.random() < 0.75) else "second"
