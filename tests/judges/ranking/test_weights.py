"""What games weigh where pairs were chosen, and what a ranking says where that matters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from judges.ranking import win_rates
from judges.ranking.rating import Match, Ranking, rank
from judges.ranking.weights import standardised
from tests.judges.simulate import matches

NOTE = "say something else than Bradley-Terry"


def seldom(games: list[Match], a: str, b: str) -> list[Match]:
    """The games of a pair on a third of the prompts, with their weight."""
    kept = [game for game in games if {game.a, game.b} != {a, b} or int(game.prompt[1:]) % 3 == 0]
    return [replace(game, weight=3.0) if {game.a, game.b} == {a, b} else game for game in kept]


def strengths(ranking: Ranking) -> dict[str, float]:
    return {model.name: model.strength for model in ranking.models}


def test_weights_are_over_their_mean_in_each_pair():
    weights = standardised(np.array([2.0, 2.0, 1.0, 3.0]), np.array([5, 5, 7, 7]))
    assert list(weights) == [1.0, 1.0, 0.5, 1.5]


def test_a_pair_that_is_seldom_asked_counts_as_often_as_it_was_in_the_fit_and_alike_in_the_win_rate():
    games = seldom(matches([0.8, 0.0, -0.8], 90, 1, 0.3, 0.1, np.random.default_rng(0)), "m0", "m2")
    weighed, plain = rank(games), rank([replace(game, weight=1.0) for game in games])
    assert strengths(weighed) == pytest.approx(strengths(plain))
    rates = {frozenset((p.a, p.b)): p.win_rate if p.a == "m0" else 1 - p.win_rate for p in weighed.pairs}
    first = next(model for model in weighed.models if model.name == "m0")
    assert first.win_rate == pytest.approx((rates[frozenset(("m0", "m1"))] + rates[frozenset(("m0", "m2"))]) / 2)
    assert first.win_rate != pytest.approx(next(m for m in plain.models if m.name == "m0").win_rate)


def test_answers_of_one_player_that_were_chosen_unevenly_count_alike():
    """A pair of players with games of weight 1 that it won, and as many of weight 3 that it lost."""
    won = [Match(f"q{n}", "a", "b", 1.0) for n in range(20)]
    lost = [Match(f"p{n}", "a", "b", 0.0, weight=3.0) for n in range(20)]
    ranking = rank([*won, *lost])
    assert strengths(ranking)["a"] - strengths(ranking)["b"] == pytest.approx(np.log(1 / 3))
    assert ranking.pairs[0].win_rate == pytest.approx(0.25 if ranking.pairs[0].a == "a" else 0.75)


def test_what_bradley_terry_does_not_hold_is_said():
    """m2 beats m0, who beats m1, who beats m2: what the seldom asked pair says does not follow from the others."""
    rng = np.random.default_rng(1)
    chances = {("m0", "m1"): 0.8, ("m1", "m2"): 0.8, ("m0", "m2"): 0.2}
    games = [Match(f"q{n}", a, b, float(rng.random() < p)) for n in range(150) for (a, b), p in chances.items()]
    assert any(NOTE in note for note in rank(seldom(games, "m0", "m2")).notes)
    assert not any(NOTE in note for note in rank(games).notes)


def test_it_is_seldom_said_where_bradley_terry_holds():
    notes = sum(
        any(NOTE in note for note in rank(seldom(games, "m0", "m2")).notes)
        for seed in range(40)
        for games in [matches([0.8, 0.0, -0.8], 60, 1, 0.3, 0.0, np.random.default_rng(seed))]
    )
    assert notes <= 6  # of 40 at 5%: more than 6 once in a hundred times


def test_a_weighed_rates_interval_is_the_plain_one_where_weights_are_equal():
    scores, prompts = [1.0, 0.0, 0.5, 1.0] * 10, [f"q{n // 2}" for n in range(40)]
    plain, weighed = win_rates.interval(scores, prompts, [2.0] * 40), win_rates.interval(scores, prompts, [1.0] * 40)
    assert plain == weighed
    nearly = win_rates.interval(scores, prompts, [1.0 + 1e-6 * (n % 2) for n in range(40)])
    assert nearly == pytest.approx(plain, abs=1e-4)
