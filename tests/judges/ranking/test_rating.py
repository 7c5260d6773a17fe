"""Strengths: the right ones, and as sure as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.ranking.rating import Match, Ranking, bands, rank
from tests.judges.simulate import matches


def strengths(ranking: Ranking) -> dict[str, float]:
    return {model.name: model.strength for model in ranking.models}


def test_strengths_are_those_of_choix():
    choix = pytest.importorskip("choix")
    games = matches([0.8, 0.1, -0.2, -0.7], 40, 2, 0.3, 0.0, np.random.default_rng(0))
    pairs = [(int(g.a[1:]), int(g.b[1:])) if g.score else (int(g.b[1:]), int(g.a[1:])) for g in games]
    theirs = choix.ilsr_pairwise(4, pairs, alpha=0.0, tol=1e-12)
    theirs -= theirs.mean()
    ours = strengths(rank(games))
    assert [ours[f"m{n}"] for n in range(4)] == pytest.approx(list(theirs), abs=1e-6)


@pytest.mark.parametrize("style", [False, True])
def test_strengths_and_robust_errors_are_those_of_statsmodels(style: bool):
    """Cluster-robust errors without a correction are between ours (CR2) and those over sqrt(G / (G - 1))."""
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    games = matches([0.5, 0.0, -0.5], 60, 2, 0.4, 0.3, rng)
    if style:
        games = [Match(g.prompt, g.a, g.b, g.score, (float(rng.normal()),)) for g in games]
    ours = rank(games, ("length",) if style else ())
    scale = np.sqrt(np.mean([g.style[0] ** 2 for g in games])) if style else 1.0
    rows = []
    for g in games:  # m2 is zero; the others are against it
        row = [float(g.a == name) - float(g.b == name) for name in ("m0", "m1")]
        rows.append([*row, *(g.style[0] / scale for _ in range(style))])
    fit = sm.GLM([g.score for g in games], np.array(rows), family=sm.families.Binomial()).fit(
        cov_type="cluster",
        cov_kwds={"groups": np.array([int(g.prompt[1:]) for g in games]), "use_correction": False},
        tol=1e-12,
    )
    by_pair = {(p.a, p.b): p for p in ours.pairs}
    for n, name in enumerate(("m0", "m1")):
        pair = by_pair[name, "m2"]
        assert pair.difference == pytest.approx(fit.params[n], abs=1e-6)
        from scipy.stats import t

        half = (pair.high - pair.low) / 2
        assert 1.0 < half / (t.ppf(0.975, 59) * fit.bse[n]) < 1.03
    if style:
        assert ours.style[0].weight == pytest.approx(fit.params[2], abs=1e-6)


@pytest.mark.parametrize("prompts", [29, 80])
def test_sandwich_and_bootstrap_are_of_one_width(prompts: int):
    for seed in range(5):
        games = matches([0.8, 0.0, -0.8], prompts, 2, 0.4, 0.2, np.random.default_rng(seed))
        sandwich, bootstrap = rank(games), rank(games, method="bootstrap", seed=seed)
        for one, other in zip(sandwich.models, bootstrap.models, strict=True):
            assert (other.high - other.low) / (one.high - one.low) == pytest.approx(1, abs=0.1)


def test_the_bootstraps_one_step_is_as_wide_as_a_refit():
    games = matches([0.8, 0.0, -0.8], 40, 2, 0.4, 0.2, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    by_prompt: dict[str, list[Match]] = {}
    for game in games:
        by_prompt.setdefault(game.prompt, []).append(game)
    drawn = []
    for _ in range(200):
        names = rng.choice(list(by_prompt), len(by_prompt))
        drawn.append(strengths(rank([g for name in names for g in by_prompt[name]]))["m0"])
    once = next(m for m in rank(games, method="bootstrap").models if m.name == "m0")
    t, clusters = 2.0227, 40  # Student's 97.5% point for 39 degrees of freedom
    refit = 2 * t * float(np.std(drawn)) * math.sqrt(clusters / (clusters - 1))
    assert once.high - once.low == pytest.approx(refit, rel=0.15)


def test_prompts_that_go_together_widen_intervals():
    """Ten raters who say the same on a prompt are not ten votes."""
    games = matches([0.4, -0.4], 40, 1, 0.0, 0.0, np.random.default_rng(2))
    once = rank(games)
    copied = rank([game for game in games for _ in range(10)])
    apart = rank([Match(f"{g.prompt}-{n}", g.a, g.b, g.score) for g in games for n in range(10)])
    assert strengths(copied) == pytest.approx(strengths(once))
    width = [r.models[0].high - r.models[0].low for r in (once, copied, apart)]
    assert width[1] == pytest.approx(width[0], rel=1e-6)
    assert width[2] < width[0] / 3


def test_a_tie_is_half_a_win_each_way():
    base = matches([0.4, -0.4], 30, 1, 0.0, 0.0, np.random.default_rng(2))
    ties = [Match("q0", "m0", "m1", 0.5)] * 2
    both_ways = [Match("q0", "m0", "m1", 1.0), Match("q0", "m0", "m1", 0.0)]
    assert strengths(rank([*base, *ties])) == pytest.approx(strengths(rank([*base, *both_ways])))


def test_models_of_one_strength_stand_by_their_names_whatever_order_the_games_come_in():
    names, chance = [f"m{n}" for n in range(5)], np.random.default_rng(0)
    games = [
        Match(f"p{p}", a, b, 0.5 if {a, b} & {"m0"} == set() else 0.7 if a == "m0" else 0.3)
        for p in range(13)
        for k, a in enumerate(names)
        for b in names[k + 1 :]
    ]
    for _ in range(20):
        order = [games[k] for k in chance.permutation(len(games))]
        assert [one.name for one in rank(order).models] == names


def test_who_wins_all_has_no_upper_limit():
    games = [
        Match(f"q{q}", a, b, 1.0 if a == "best" else float((q + (b == "bad")) % 2))
        for q in range(20)
        for a, b in (("best", "mid"), ("best", "bad"), ("mid", "bad"))
    ]
    ranking = rank(games)
    best, *others = ranking.models
    assert best.name == "best"
    assert best.high == math.inf
    assert 0 < best.low < best.strength < math.inf
    assert all(math.isfinite(model.low) and math.isfinite(model.high) for model in others)
    assert any("no maximum" in note for note in ranking.notes)
    assert bands(ranking)["best"] == (1, 1)


def test_twenty_wins_of_twenty_prove_less_than_two_hundred():
    def low(prompts: int) -> float:
        return rank([Match(f"q{q}", "a", "b", 1.0) for q in range(prompts)]).pairs[0].low

    def copies(times: int) -> float:
        return rank([Match(f"q{q}", "a", "b", 1.0) for q in range(20) for _ in range(times)]).pairs[0].low

    assert 0 < low(20) < low(200)
    # the same prompts asked again prove no more; Wilson's lower end for 20 of 20 is 84%
    assert copies(10) == pytest.approx(low(20))
    assert low(20) < math.log(0.84 / 0.16)


def test_all_ties_are_not_certainty():
    ranking = rank([Match(f"q{q}", "a", "b", 0.5) for q in range(20)])
    assert [m.strength for m in ranking.models] == pytest.approx([0, 0], abs=1e-9)
    assert ranking.models[0].high > 0.2


def test_models_that_no_chain_of_games_joins_have_no_strength():
    games = [Match(f"q{q}", "a", "b", q % 2) for q in range(10)] + [
        Match("q1", "c", "d", 1.0),
        Match("q2", "c", "d", 0),
    ]
    games += [Match("q3", "b", "e", 1.0), Match("q4", "b", "e", 0.0)]
    ranking = rank(games)
    found = {model.name: model for model in ranking.models}
    assert math.isnan(found["c"].strength)
    assert found["c"].low == -math.inf
    assert found["c"].win_rate == 0.5
    assert math.isfinite(found["e"].strength)
    assert "c, d" in ranking.notes[0]
    assert bands(ranking)["c"] == (1, 5)


def test_one_prompt_gives_no_interval():
    ranking = rank([Match("q0", "a", "b", score) for score in (1.0, 0.0, 1.0)])
    assert ranking.models[0].high == math.inf
    assert ranking.models[0].low == -math.inf


def test_style_control_takes_length_out():
    """Judges who like length, and a model that is no better but longer."""
    rng = np.random.default_rng(5)
    games = []
    for q in range(300):
        longer = float(rng.normal(0.5, 0.5))
        won = rng.random() < 1 / (1 + math.exp(-2 * longer))
        games.append(Match(f"q{q}", "long", "short", float(won), (longer,)))
    plain = rank([Match(g.prompt, g.a, g.b, g.score) for g in games])
    held = rank(games, ("length",))
    assert plain.pairs[0].low > 0.5
    assert held.pairs[0].low < 0 < held.pairs[0].high
    assert held.style[0].low > 0


def test_a_covariate_that_never_differs_is_left_out():
    games = [Match(f"q{q}", "a", "b", q % 2, (0.0, float(q % 3 - 1))) for q in range(20)]
    ranking = rank(games, ("bold", "length"))
    assert [weight.name for weight in ranking.style] == ["length"]
    assert "bold" in ranking.notes[0]


def test_no_games_and_wrong_games_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        rank([])
    for wrong in (Match("q", "a", "a", 1.0), Match("q", "a", "b", 1.5), Match("q", "a", "b", 1.0, (1.0,))):
        with pytest.raises(ValueError, match="a game needs"):
            rank([wrong])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0]))))
def test_any_games_make_a_ranking(games: Sequence[tuple[int, int, int, float]]):
    played = [Match(f"q{q}", f"m{a}", f"m{b}", s) for q, a, b, s in games if a != b]
    if not played:
        return
    ranking = rank(played)
    turned = rank([Match(g.prompt, g.b, g.a, 1 - g.score) for g in played])
    joined = [m for m in ranking.models if not math.isnan(m.strength)]
    assert sum(m.strength for m in joined) == pytest.approx(0, abs=1e-6)
    assert all(m.low <= m.strength <= m.high for m in joined)
    assert strengths(turned) == pytest.approx(strengths(ranking), abs=1e-5, nan_ok=True)
    assert {m.name for m in ranking.models} == {name for g in played for name in (g.a, g.b)}


@pytest.mark.parametrize(("noise", "told"), [(0.005, True), (0.3, False)])
def test_a_style_that_goes_with_the_models_is_told(noise: float, told: bool):
    """Lengths that are nearly each model's own: ranks are wide, and the reader is told of what."""
    rng = np.random.default_rng(0)
    length = {"a": 0.1, "b": 0.0, "c": -0.1}
    games = [
        Match(f"q{n}", a, b, float(rng.random() < 0.7), (length[a] - length[b] + float(rng.normal(0, noise)),))
        for n in range(40)
        for a, b in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    notes = " ".join(rank(games, ("length",)).notes)
    assert ("of what games differ by in length is which models play" in notes) == told
