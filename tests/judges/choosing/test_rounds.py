"""Rounds of chosen pairs: all are joined, prompts are even, votes go where they decide, and the choice is the same
again."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from harness.errors import UsageError
from judges.choosing.information import placed
from judges.choosing.rounds import Pool, next_round, read_share, share_of
from judges.ranking.rating import Match
from judges.store.rows import ChosenPairsRow
from tests.judges.simulate import scores

STRENGTHS = (2.0, 1.8, 0.0, -1.9, -2.0)


def pool(models: int = 5, prompts: int = 20, ratings: int = 1) -> Pool:
    names = [f"m{n}" for n in range(models)]
    asked = tuple(f"q{n}" for n in range(prompts))
    return Pool("choice", "judge", dict.fromkeys(combinations(names, 2), asked), {n: n for n in names}, ratings)


def chosen(of: Pool, share: float, strengths=STRENGTHS, seed: int = 0) -> list[ChosenPairsRow]:
    """All rounds, with a vote on each pair that is chosen."""
    votes = scores(strengths, 20, 0.3, 0.0, np.random.default_rng(seed))
    place = {two: n for n, two in enumerate(of.prompts)}
    rows: list[ChosenPairsRow] = []
    games: list[Match] = []
    while new := next_round(of, rows, games, share):
        rows += new
        games += [
            Match(prompt, row.first, row.second, float(votes[int(prompt[1:]), place[row.first, row.second]]))
            for row in new
            for prompt in row.prompts
        ]
    return rows


def test_the_first_round_is_even_and_all_make_the_share():
    rows = chosen(pool(), 0.6)
    assert max(row.round for row in rows) == 4
    assert sum(len(row.prompts) for row in rows) == 0.6 * 10 * 20
    first = {(row.first, row.second): len(row.prompts) for row in rows if row.round == 0}
    assert len(first) == 10
    assert set(first.values()) <= {2, 3}  # 24 votes on 10 pairs
    assert {row.available for row in rows} == {20}
    units = [(row.first, row.second, prompt) for row in rows for prompt in row.prompts]
    assert len(set(units)) == len(units)


def test_votes_go_to_neighbours_in_rank():
    counts: Counter[tuple[str, str]] = Counter()
    for row in chosen(pool(), 0.5):
        counts[row.first, row.second] += len(row.prompts)
    near = [counts[f"m{n}", f"m{n + 1}"] for n in (0, 3)]
    far = [counts["m0", "m3"], counts["m0", "m4"], counts["m1", "m3"], counts["m1", "m4"]]
    assert min(near) >= 2 * max(far)
    assert min(far) >= 2


def test_prompts_are_chosen_about_equally_often():
    often = Counter(prompt for row in chosen(pool(), 0.5) for prompt in row.prompts)
    assert len(often) == 20
    assert max(often.values()) <= 2 * min(often.values())
    begins = Counter()
    for choice in range(200):  # over choices, each prompt is the first of a pair equally often
        one = pool(3)
        row = next_round(Pool(str(choice), "", one.prompts, one.players), [], [], 0.05)[0]
        begins[row.prompts[0]] += 1
    assert len(begins) == 20
    assert max(begins.values()) <= 24  # 10 are expected


def test_the_same_again_and_more_of_it():
    rows = chosen(pool(), 0.4)
    assert [row.prompts for row in chosen(pool(), 0.4)] == [row.prompts for row in rows]
    more = next_round(pool(), rows, [], 0.5)
    assert {row.round for row in more} == {5}
    known = {(row.first, row.second, prompt) for row in rows for prompt in row.prompts}
    assert not known & {(row.first, row.second, prompt) for row in more for prompt in row.prompts}
    assert next_round(pool(), rows, [], 0.4) == []


def test_a_prompt_comes_again_only_for_another_rating():
    rows = chosen(pool(3, 20, 2), 0.9, (1.0, 0.0, -1.0))
    for two in pool(3).prompts:
        often = Counter(prompt for row in rows if (row.first, row.second) == two for prompt in row.prompts)
        assert max(often.values()) <= 2
        assert len(often) == 20 or max(often.values()) == 1


def test_all_votes_are_all_pairs():
    rows = chosen(pool(), 1.0)
    assert len({(row.first, row.second, prompt) for row in rows for prompt in row.prompts}) == 200


def test_placing_beats_an_even_spread():
    """The sum of the deciding differences' variances under the information that was placed."""
    pairs = list(combinations(range(5), 2))
    decide = [(n, n + 1) for n in range(4)]
    more = placed(STRENGTHS, pairs, [4] * 10, [1000] * 10, decide, 200)
    assert sum(more) == 200

    def variance(votes: list[int]) -> float:
        rows = np.zeros((10, 5))
        for n, (a, b) in enumerate(pairs):
            rows[n, a], rows[n, b] = 1.0, -1.0
        odds = rows @ np.array(STRENGTHS)
        information = (rows * (np.array(votes) / (2 + 2 * np.cosh(odds)))[:, None]).T @ rows
        inverse = np.linalg.pinv(information)
        return sum(inverse[a, a] + inverse[b, b] - 2 * inverse[a, b] for a, b in decide)

    assert variance([4 + n for n in more]) < 0.75 * variance([24] * 10)
    assert placed(STRENGTHS, pairs, [4] * 10, [1] * 10, decide, 200) == [1] * 10


@pytest.mark.parametrize("text", ["60", "0%", "101%", "all", "-5%", "nan%"])
def test_what_is_no_share(text):
    with pytest.raises(UsageError, match="written as 60%"):
        read_share(text)


def test_shares():
    assert share_of("all", None) is None
    assert share_of("chosen", None) == 0.6
    assert share_of("chosen", "12.5%") == 0.125
    with pytest.raises(UsageError, match="unless"):
        share_of("all", "50%")
    assert sum(len(row.prompts) for row in next_round(pool(), [], [], 0.01)) == 10  # one for each pair of models
