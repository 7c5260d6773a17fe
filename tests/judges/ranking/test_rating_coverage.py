"""Intervals hold the truth as often as they say.

`python -m tests.judges.ranking.test_rating_coverage` prints every line."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from judges.ranking.rating import rank
from tests.judges.simulate import matches


class Line(NamedTuple):
    prompts: int
    raters: int
    alike: float
    ties: float
    strengths: tuple[float, ...]


LINES = [
    Line(prompts, raters, alike, ties, strengths)
    for prompts in (29, 80)
    for raters, alike, ties, strengths in (
        (3, 0.4, 0.3, (0.5, 0.0, -0.5)),
        (1, 0.3, 0.0, (1.0, 0.3, -0.3, -1.0)),
        (4, 0.6, 0.2, (1.5, 0.0, -1.5)),
    )
]


def coverage(line: Line, count: int) -> tuple[list[float], float, float]:
    """Percent for each model's strength, and for differences; the same with the bootstrap is not far (see widths)."""
    rng = np.random.default_rng(20261123)
    held = np.zeros(len(line.strengths))
    differences = widest = 0.0
    for number in range(count):
        games = matches(line.strengths, line.prompts, line.raters, line.alike, line.ties, rng)
        ranking = rank(games)
        for model in ranking.models:
            which = int(model.name[1:])
            held[which] += model.low <= line.strengths[which] <= model.high
        for pair in ranking.pairs:
            truth = line.strengths[int(pair.a[1:])] - line.strengths[int(pair.b[1:])]
            differences += (pair.low <= truth <= pair.high) / len(ranking.pairs)
        if number % 10 == 0:
            again = rank(games, method="bootstrap", seed=number)
            for one, other in zip(ranking.models, again.models, strict=True):
                widest = max(widest, abs((other.high - other.low) / (one.high - one.low) - 1))
    return (
        [round(100 * float(share), 1) for share in held / count],
        round(100 * differences / count, 1),
        round(widest, 3),
    )


@pytest.mark.parametrize("line", LINES[::3], ids=str)
def test_coverage_of_a_few(line: Line):
    """150 simulations: a true 95% falls below 89 once in a thousand times."""
    strengths, differences, widest = coverage(line, 150)
    assert min(strengths) >= 89
    assert 90 <= differences <= 99
    assert widest <= 0.1


@pytest.mark.full
@pytest.mark.parametrize("line", LINES, ids=str)
def test_coverage(line: Line):
    strengths, differences, widest = coverage(line, 1000)
    assert all(93 <= share <= 97 for share in strengths)
    assert 93 <= differences <= 97
    assert widest <= 0.1


def test_a_wrong_method_would_show():
    """Votes taken as independent: the simulations tell that from the truth."""
    rng, line, held = np.random.default_rng(0), Line(29, 10, 0.6, 0.0, (0.5, -0.5)), 0
    for _ in range(100):
        games = matches(line.strengths, line.prompts, line.raters, line.alike, line.ties, rng)
        alone = rank([replace(game, prompt=f"{game.prompt}-{n}") for n, game in enumerate(games)])
        held += next(m.low <= 0.5 <= m.high for m in alone.models if m.name == "m0")
    assert held < 80


if __name__ == "__main__":
    for line in LINES:
        print(*line, *coverage(line, 1000))
