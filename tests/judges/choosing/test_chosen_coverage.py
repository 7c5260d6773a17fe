"""Chosen pairs against all pairs: how wide the intervals of the deciding differences are, and how often they hold.

`python -m tests.judges.choosing.test_wider_chosencoverage` prints every line."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest

from judges.choosing.rounds import Pool, next_round
from judges.ranking.bradley_terry import fit
from judges.ranking.rating import Match
from judges.store.rows import ChosenPairsRow
from tests.judges.simulate import differences, pair_table, scores


class Line(NamedTuple):
    """Evenly spread strengths from `spread` to -`spread`. Up to `ratings` votes on a prompt of a pair; `share` of
    those are cast. `alike`: the correlation of what lies behind the votes on one prompt."""

    models: int
    spread: float
    prompts: int
    alike: float
    ratings: int
    share: float

    @property
    def strengths(self) -> tuple[float, ...]:
        return tuple(float(s) for s in np.linspace(self.spread, -self.spread, self.models))


# 60% of the votes that all pairs take, one vote each
LINES = [
    Line(models, spread, 80, 0.4, ratings, 0.6 / ratings)
    for ratings in (2, 1)
    for models, spread in ((4, 1.0), (6, 2.0), (8, 2.0), (8, 3.0))
]


class Figures(NamedTuple):
    chosen: float  # width of neighbours' differences, over that of all pairs
    even: float  # the same of an even draw of as many votes
    weighed: float  # likewise chosen, where the fit takes each pair of models alike: whole weights
    every: float  # width of all differences from chosen pairs, over that of all pairs
    coverage: float  # of all differences from chosen pairs, %


def figures(line: Line, count: int, compared: int = 40, seed: int = 20261127) -> Figures:
    """Widths are compared in the first `compared` simulations: they vary little."""
    rng = np.random.default_rng(seed)
    models = line.models
    near = np.array([b == a + 1 for a, b in combinations(range(models), 2)])
    intervals: dict[str, list[list[tuple[bool, float]]]] = {"all": [], "chosen": [], "even": [], "weighed": []}
    for number in range(count):
        votes = scores(line.strengths, line.prompts, line.alike, 0.1, rng, line.ratings)
        kept, once = chosen(line, votes, str(rng.random())), np.arange(len(votes)) < line.prompts
        drawn = {"chosen": kept}
        if number < compared:
            even = np.zeros(votes.size, dtype=bool)
            even[rng.choice(line.prompts * len(near), kept.sum(), replace=False)] = True
            drawn |= {"all": np.tile(once[:, None], len(near)), "even": even.reshape(votes.shape)}
        for how, these in drawn.items():
            table = pair_table(votes, these, models, line.prompts)
            intervals[how].append(differences(fit(table), line.strengths))
            if how == "chosen" and number < compared:
                _, of, counts = np.unique(table.pairs, return_inverse=True, return_counts=True)
                alike = fit(replace(table, weight=counts.mean() / counts[of]))
                intervals["weighed"].append(differences(alike, line.strengths))
    widths = {}
    for how, simulated in intervals.items():
        widths[how] = np.array([[width for _, width in own] for own in simulated[:compared]]).mean(axis=0)
    held = np.mean([one[0] for own in intervals["chosen"] for one in own])
    wider = {how: round(float(own[near].mean() / widths["all"][near].mean()), 2) for how, own in widths.items()}
    every = round(float(widths["chosen"].mean() / widths["all"].mean()), 2)
    return Figures(wider["chosen"], wider["even"], wider["weighed"], every, round(100 * float(held), 1))


def chosen(line: Line, votes: Any, choice: str) -> Any:
    """Which of the votes a choice takes: as `votes`, true or false."""
    names = [f"m{n:02}" for n in range(line.models)]
    prompts = tuple(f"q{n}" for n in range(line.prompts))
    place = {two: n for n, two in enumerate(combinations(names, 2))}
    pool = Pool(choice, "", dict.fromkeys(place, prompts), {name: name for name in names}, line.ratings)
    taken = np.zeros(votes.shape, dtype=bool)
    rows: list[ChosenPairsRow] = []
    games: list[Match] = []
    while new := next_round(pool, rows, games, line.share):
        rows += new
        for row in new:
            pair = place[row.first, row.second]
            for asked in row.prompts:
                own = slice(int(asked[1:]), None, line.prompts)  # the raters' votes on that prompt
                nth = int(taken[own, pair].sum())
                taken[int(asked[1:]) + nth * line.prompts, pair] = True
                games.append(Match(asked, row.first, row.second, float(votes[own, pair][nth])))
    return taken


def test_sixty_percent_where_they_decide_are_nearly_as_good_as_all():
    """8 simulations: widths hardly vary."""
    measured = figures(Line(8, 2.0, 40, 0.4, 2, 0.3), 8)
    assert measured.chosen < 1.1
    assert measured.even > measured.chosen + 0.05


@pytest.mark.full
@pytest.mark.parametrize("line", LINES, ids=str)
def test_coverage(line: Line):
    measured = figures(line, 300)
    assert 93 <= measured.coverage <= 97
    assert measured.chosen < measured.even
    if line.models >= 6:
        assert measured.chosen <= (1.05 if line.ratings == 2 and line.models >= 8 else 1.1)


if __name__ == "__main__":
    for line in LINES:
        print(*line, *figures(line, 300), flush=True)
