"""`harness judge --pairs chosen`: a share of the pairs, in rounds, the same again after a stop, and its ranking."""

from __future__ import annotations

from collections import Counter

import pytest

from judges.judging import chosen
from judges.judging.pairs import contest
from tests.harness.runs import cli, json_of
from tests.judges.judging.test_judge import PRICES, judged, store_of
from tests.judges.scripted_server import by_strength, scripted_server

CHOSEN = ("--pairs", "chosen", "--votes", "50%")
STRENGTHS = {"a": 2.0, "b": 1.8, "c": -1.8, "d": -2.0}
bias = by_strength(lambda answer: STRENGTHS[answer[0]])


def asked(store) -> Counter[frozenset[str]]:
    names = {answers.id: answers.name for answers in store.answer_sets()}
    return Counter(frozenset((names[row.first], names[row.second])) for row in store.comparisons())


def test_half_of_the_verdicts_where_they_tell_most(tmp_path):
    store = store_of(tmp_path, 12, "abcd")
    compared = contest(store, tuple("abcd"))
    assert chosen.judged(compared, [], 0.5, store) == (0, 72)
    with scripted_server(bias) as (server, judge):
        code, outcome, errors = judged(store, server, *CHOSEN)
        assert code == 0, errors
        assert chosen.judged(compared, store.judges(), 0.5, store) == (72, 72)
        assert chosen.judged(compared, store.judges(), None, store) == (72, 144)
        assert (outcome["asked"], outcome["before"], outcome["chosen_of"]) == (72, 0, 144)
        assert sum(judge.answered.values()) == len(store.comparisons()) == 72
        again = judged(store, server, *CHOSEN)[1]
        assert (again["before"], again["asked"]) == (72, 72)
        assert sum(judge.answered.values()) == 72
        rows = store.chosen_pairs()
        assert {row.judge for row in rows} == {outcome["judge"]}
        assert {row.available for row in rows} == {12}
        pairs = asked(store)
        assert min(pairs.values()) >= 2  # both orders of one prompt at least
        assert pairs[frozenset("ab")] + pairs[frozenset("cd")] > pairs[frozenset("ac")] + pairs[frozenset("bd")]
        # each of the pairs with a model has its share of that model's win rate, however often it was chosen
        report = json_of("ranking", "--db", store.path)
        pairs = [pair for pair in report["pairs"] if "b" in (pair["a"], pair["b"])]
        rates = [pair["win_rate"] if pair["a"] == "b" else 1 - pair["win_rate"] for pair in pairs]
        of_b = next(model for model in report["models"] if model["name"] == "b")
        assert of_b["win_rate"] == pytest.approx(sum(rates) / 3)
        assert of_b["win_low"] < of_b["win_rate"] < of_b["win_high"]


def test_a_stop_goes_on_with_the_same_choice(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    store, other = (store_of(tmp_path / name, 6, "abc") for name in ("one", "other"))
    (tmp_path / "one").mkdir(exist_ok=True)
    with scripted_server(bias) as (server, judge):
        code, stopped, errors = judged(store, server, *CHOSEN, *PRICES, "--max-cost", "0.03")
        assert code == 7, errors
        assert stopped["asked"] > 0
        done = len(store.comparisons())
        assert 0 < done < 18
        assert judged(store, server, *CHOSEN)[0] == 0
        assert sum(judge.answered.values()) == 18
        assert judged(other, server, *CHOSEN)[0] == 0
        whole = judged(other, server)[1]
        assert (whole["before"], whole["asked"], whole["chosen_of"]) == (18, 36, None)
    keys = [
        {(row.round, row.first, row.second, tuple(row.prompts)) for row in each.chosen_pairs()}
        for each in (store, other)
    ]
    assert keys[0] == keys[1]


def test_what_cannot_be_chosen_is_refused_before_anything_is_asked(tmp_path):
    store = store_of(tmp_path, 4, "abc")
    ask = ("judge", "--models", "a,b,c", "--judge", "j", "--db", store.path, "--base-url", "http://127.0.0.1:9/v1")
    for words, sentence in (
        (("--votes", "50%"), "unless --pairs are chosen"),
        (("--pairs", "best"), "one of all, chosen"),
        (("--pairs", "chosen", "--votes", "half"), "written as 60%"),
    ):
        code, _, errors = cli(*ask, *words)
        assert code == 2
        assert sentence in errors
    assert store.chosen_pairs() == []


def test_an_estimate_is_of_the_share_and_chooses_nothing(tmp_path):
    store = store_of(tmp_path, 12, "abcd")
    with scripted_server(bias) as (server, _):
        code, _, errors = judged(store, server, *CHOSEN, "--estimate")
    assert code == 0
    assert "72 requests" in errors
    assert store.chosen_pairs() == []
