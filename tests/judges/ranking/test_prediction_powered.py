"""Judges' verdicts corrected by people's votes: intervals hold the truth, and are narrower by what the judge knows.

`python -m tests.judges.ranking.test_prediction_powered` prints every line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from judges.ranking.bradley_terry import Table, fit
from judges.ranking.prediction_powered import corrected_fit
from judges.ranking.rating import Match, UncorrectedError, rank
from tests.judges.simulate import differences, pair_table, scores


class Line(NamedTuple):
    """People vote on `voted` of what a judge judges. The judge says what a person would in `agrees` of the rest after
    `favours`, the share in which it names the first model of all whatever the answers are, and else tosses a coin."""

    prompts: int
    voted: float
    agrees: float
    favours: float
    strengths: tuple[float, ...]


BIASED = [
    Line(60, 0.3, 0.7, 0.3, (0.5, 0.0, -0.5)),
    Line(80, 0.3, 0.9, 0.3, (1.0, 0.3, -0.3, -1.0)),
    Line(80, 0.2, 0.5, 0.6, (1.0, 0.3, -0.3, -1.0)),
    Line(160, 0.15, 0.8, 0.4, (0.6, 0.4, 0.0, -0.2, -0.8)),
]
GOOD = [
    Line(80, 0.2, 0.9, 0.0, (1.0, 0.3, -0.3, -1.0)),
    Line(160, 0.15, 0.9, 0.0, (0.5, 0.0, -0.5)),
]
USELESS = Line(80, 0.3, 0.0, 0.0, (1.0, 0.3, -0.3, -1.0))


def simulated(line: Line, rng: np.random.Generator) -> tuple[Table, Table]:
    """Votes of people, and verdicts of a judge on every pair and prompt."""
    every = scores(line.strengths, line.prompts, 0.4, 0.1, rng)
    verdicts = np.where(rng.random(every.shape) < line.agrees, every, rng.integers(0, 2, every.shape))
    first = np.arange(every.shape[1]) < len(line.strengths) - 1  # the pairs of the first model
    verdicts[(rng.random(every.shape) < line.favours) & first] = 1.0
    models = len(line.strengths)
    voted = rng.random(every.shape) < line.voted
    verdict_table = pair_table(verdicts, np.ones_like(voted), models, line.prompts)
    return pair_table(every, voted, models, line.prompts), verdict_table


def as_matches(table: Table) -> list[Match]:
    games = zip(table.cluster, table.a, table.b, table.score, strict=True)
    return [Match(f"q{prompt}", f"m{a}", f"m{b}", float(score)) for prompt, a, b, score in games]


class Figures(NamedTuple):
    coverage: float  # of all differences, %
    narrower: float  # than people's alone, %
    naive: float  # coverage of the judge's own intervals, %
    trust: float


def figures(line: Line, count: int, seed: int = 20261127) -> Figures:
    rng = np.random.default_rng(seed)
    intervals: dict[str, list[tuple[bool, float]]] = {"corrected": [], "people": [], "judge": []}
    trust = []
    for _ in range(count):
        votes, verdicts = simulated(line, rng)
        corrected = corrected_fit(votes, verdicts)
        assert corrected is not None
        for who, fitted in (("corrected", corrected[0]), ("people", fit(votes)), ("judge", fit(verdicts))):
            intervals[who] += differences(fitted, line.strengths)
        trust.append(corrected[1])
    held, width = ({who: float(np.mean([one[n] for one in own])) for who, own in intervals.items()} for n in (0, 1))
    shares = (held["corrected"], 1 - width["corrected"] / width["people"], held["judge"])
    coverage, narrower, naive = (round(100 * share, 1) for share in shares)
    return Figures(coverage, narrower, naive, round(float(np.mean(trust)), 2))


def test_a_biased_judge_is_corrected_and_a_good_one_narrows():
    """40 simulations of differences that go together: a true 95% covers 87 or less once in a thousand times."""
    biased = figures(BIASED[2], 40)
    assert biased.coverage >= 87
    assert biased.naive < 60  # so that what is corrected is a bias that would show
    assert figures(GOOD[0], 20).narrower >= 30


@pytest.mark.full
@pytest.mark.parametrize("line", [*BIASED, *GOOD, USELESS], ids=str)
def test_coverage(line: Line):
    measured = figures(line, 1000)
    assert 93 <= measured.coverage <= 97
    if line in GOOD:
        assert measured.narrower >= 30
    if line in BIASED:
        assert measured.naive < 85


def test_a_judge_that_knows_nothing_costs_nothing():
    measured = figures(USELESS, 20)
    assert measured.trust < 0.15
    assert abs(measured.narrower) < 3


def test_a_judge_who_says_what_people_say_is_taken_at_its_word():
    """Where every vote is the judge's verdict, strengths are nearly those of all verdicts."""
    line = GOOD[0]._replace(agrees=1.0)
    votes, verdicts = map(as_matches, simulated(line, np.random.default_rng(0)))
    corrected, theirs = rank(votes, verdicts=verdicts), rank(verdicts)
    assert corrected.trust is not None
    assert corrected.trust > 0.85
    widths = {True: 0.0, False: 0.0}
    for pair in corrected.pairs:
        own = next(p for p in theirs.pairs if {p.a, p.b} == {pair.a, pair.b})
        sign = 1 if own.a == pair.a else -1
        widths[True] += pair.high - pair.low
        widths[False] += own.high - own.low
        assert pair.difference == pytest.approx(sign * own.difference, abs=0.35)
    assert widths[True] == pytest.approx(widths[False], rel=0.35)


def test_verdicts_on_what_people_judged_and_nothing_else_change_nothing():
    votes, verdicts = map(as_matches, simulated(GOOD[0], np.random.default_rng(1)))
    seen = {(vote.prompt, vote.a, vote.b) for vote in votes}
    beside = [verdict for verdict in verdicts if (verdict.prompt, verdict.a, verdict.b) in seen]
    corrected, alone = rank(votes, verdicts=beside), rank(votes)
    for one, other in zip(corrected.models, alone.models, strict=True):
        assert (one.name, one.strength) == (other.name, pytest.approx(other.strength, abs=1e-8))


def test_the_order_of_two_models_does_not_matter():
    votes, verdicts = map(as_matches, simulated(BIASED[1], np.random.default_rng(2)))
    turned = [Match(game.prompt, game.b, game.a, 1 - game.score) for game in verdicts]
    for one, other in zip(rank(votes, verdicts=verdicts).models, rank(votes, verdicts=turned).models, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_too_few_votes_are_no_ranking():
    verdicts = [Match(f"q{q}", "a", "b", float(q % 2)) for q in range(20)]
    with pytest.raises(UncorrectedError):
        rank([Match("q1", "a", "b", 1.0)], verdicts=verdicts)


if __name__ == "__main__":
    for line in [*BIASED, *GOOD, USELESS]:
        print(*line, *figures(line, 1000), flush=True)
