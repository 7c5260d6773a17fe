"""Votes of models whose strengths are known, and verdicts of judges whose faults are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import expit, ndtr, stdtrit

from judges.ranking.agreement import Seen
from judges.ranking.bradley_terry import Fit, Table
from judges.ranking.rating import Match


def matches(
    strengths: Sequence[float], prompts: int, raters: int, alike: float, ties: float, rng: np.random.Generator
) -> list[Match]:
    """Every pair of models on every prompt, `raters` times. A model does well or badly on a prompt for all its votes
    there (correlation `alike` of what lies behind the votes), and yet the chance of each vote, over prompts, is
    exactly Bradley-Terry's; `ties` of them at most are ties, taken evenly from both sides."""
    made = []
    for prompt in range(prompts):
        mood = rng.standard_normal(len(strengths))
        for a in range(len(strengths)):
            for b in range(a + 1, len(strengths)):
                chance = expit(strengths[a] - strengths[b])
                shared = (mood[a] - mood[b]) / np.sqrt(2)
                behind = ndtr(np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.standard_normal(raters))
                half = min(ties / 2, chance, 1 - chance)
                scores = np.where(behind < chance - half, 1.0, np.where(behind < chance + half, 0.5, 0.0))
                made += [Match(f"q{prompt}", f"m{a}", f"m{b}", float(score)) for score in scores]
    return made


def scores(
    strengths: Sequence[float], prompts: int, alike: float, ties: float, rng: np.random.Generator, raters: int = 1
) -> Any:
    """(raters * prompts, pairs): votes on each pair of models, as `matches` has them, in the order of `pair_table`; all
    prompts of the first rater, then all of the next."""
    mood = np.tile(rng.standard_normal((prompts, len(strengths))), (raters, 1))
    a, b = np.triu_indices(len(strengths), 1)
    s = np.asarray(strengths)
    chance = expit(s[a] - s[b])
    own = rng.standard_normal((len(mood), len(a)))
    behind = ndtr(np.sqrt(alike) * (mood[:, a] - mood[:, b]) / np.sqrt(2) + np.sqrt(1 - alike) * own)
    half = np.minimum(ties / 2, np.minimum(chance, 1 - chance))
    return np.where(behind < chance - half, 1.0, np.where(behind < chance + half, 0.5, 0.0))


def pair_table(score: Any, kept: Any, models: int, prompts: int) -> Table:
    """The games of what `scores` gives that are `kept`."""
    a, b = np.triu_indices(models, 1)
    prompt, pair = np.nonzero(kept)
    nothing = np.zeros((len(prompt), 0))
    return Table(a[pair], b[pair], score[prompt, pair], prompt % prompts, nothing, models, np.ones(len(prompt)))


def differences(fitted: Fit, truth: Sequence[float]) -> list[tuple[bool, float]]:
    """Of each two models: whether the 95% interval of their difference holds the true one, and its width."""
    intervals = []
    for a, b in combinations(range(len(truth)), 2):
        contrast = np.zeros(len(truth))
        contrast[a], contrast[b] = 1.0, -1.0
        variance, df = fitted.spread(contrast)
        half = float(stdtrit(df, 0.975)) * np.sqrt(variance)
        error = float(contrast @ fitted.strengths) - (truth[a] - truth[b])
        intervals.append((abs(error) <= half, 2 * half))
    return intervals


Judge = Callable[[float, float, Any], str]
"""(how much better the first is, how much longer, rng) -> verdict."""


def verdicts(
    judge: Judge, prompts: int, rng: np.random.Generator, repeats: int = 1, names: Sequence[str] = ("a", "b", "c")
) -> list[Seen]:
    """A judge's verdicts on every pair, in both orders. Answers differ in worth and length, prompt by prompt."""
    seen = []
    for prompt in range(prompts):
        worth, length = rng.standard_normal(len(names)), rng.uniform(100, 1000, len(names))
        for i, first in enumerate(names):
            for j, second in enumerate(names):
                for repeat in range(repeats if i != j else 0):
                    longer = float(length[i] - length[j])
                    verdict = judge(float(worth[i] - worth[j]), longer, rng)
                    seen.append(Seen("judge", f"q{prompt}", 1, first, second, verdict, repeat, longer))
    return seen


def fair(better: float, longer: float, rng: Any) -> str:
    return "first" if better > 0 else "second"


def always_first(better: float, longer: float, rng: Any) -> str:
    return "first"


def longest(better: float, longer: float, rng: Any) -> str:
    return "first" if longer > 0 else "second"


def coin(better: float, longer: float, rng: Any) -> str:
    return str(rng.choice(["first", "second", "tie"]))


def garbage(better: float, longer: float, rng: Any) -> str:
    """5% of its texts hold no verdict."""
    return "error" if rng.random() < 0.05 else fair(better, longer, rng)


def leaning(share: float) -> Judge:
    """Says "first" whatever the answers are, in `share` of the cases."""

    def judge(better: float, longer: float, rng: Any) -> str:
        return "first" if rng.random() < share else fair(better, longer, rng)

    return judge
