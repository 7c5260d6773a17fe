"""The verdict: what is planted is said, and what is not is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.tuning.pipeline.boards import board, configuration
from tuning.pipeline import preference
from tuning.pipeline.verdict import verdict

GOOD, BAD = {"mmlu": 0.75, "drop": 0.7}, {"mmlu": 0.45, "drop": 0.7}


def test_a_search_that_pays_is_said() -> None:
    outcome = verdict(
        board(
            [
                configuration("base", None, {"mmlu": 0.4, "drop": 0.4}, seeds=1),
                configuration("nomad trial 7", 1.0, GOOD),
                configuration("paper-default", 1.5, BAD),
            ]
        )
    )
    words = {(one.a.title, one.task): one.word for one in outcome.against_rivals}
    assert words["paper-default", "mmlu"] == "better"
    assert words["paper-default", "drop"] == "cannot be told apart"
    assert words["base", "mmlu"] == words["base", "drop"] == "better"
    assert outcome.sentences[0] == "Chosen by validation loss: nomad trial 7 (1.0000 nats a token)."
    assert any(line.startswith("Against paper-default it is better on mmlu (+") for line in outcome.sentences)
    assert "Chosen by validation loss you lose nothing that can be told on any of these tasks." in outcome.sentences


def test_a_bad_rule_is_said() -> None:
    """The least validation loss belongs to the worst configuration: choosing by it loses, another rule is better."""
    outcome = verdict(
        board(
            [
                configuration("base", None, BAD, seeds=1),
                configuration("nomad trial 7", 1.0, BAD),
                configuration("random trial 3", 1.2, GOOD),
                configuration("common", 1.3, BAD),
            ]
        )
    )
    lost = next(line for line in outcome.sentences if line.startswith("Chosen by validation loss you lose"))
    assert "on mmlu (to random trial 3)" in lost
    assert "drop" not in lost
    assert outcome.rules[0].name in ("a slice of mmlu", "slices of all tasks")
    assert outcome.rules[0].choices == ("random trial 3", "random trial 3")
    assert "choosing by" in outcome.sentences[-1]
    assert "validation loss" in outcome.sentences[-1]


def test_of_equals_a_rule_chooses_the_one_of_the_least_loss() -> None:
    """Whatever order they come in: a tie proves nothing for the rule."""
    best = configuration("trial 1", 1.0, GOOD)
    same = replace(configuration("trial 2", 2.0, GOOD), values=best.values)
    for order in ([same, best], [best, same]):
        outcome = verdict(board([configuration("base", None, BAD, seeds=1), *order]))
        assert {rule.choices for rule in outcome.rules} == {("trial 1", "trial 1")}


def test_of_equals_the_ranking_chooses_the_first_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [{"name": name, "win_rate": rate} for name, rate in (("a", 0.5 + 1e-12), ("b", 0.5), ("base", 0.9))]
    monkeypatch.setattr(preference, "rankings", lambda study: {"judges": {"models": models}})
    study: Any = None
    assert preference.favourites(study, ["b", "a"]) == {"judges": "b"}
    assert preference.favourites(study, ["a", "b"]) == {"judges": "a"}


def test_nothing_is_said_where_nothing_is() -> None:
    """Five configurations that are alike: no word of better or worse, over many draws at most one in twenty."""
    wrong = surer = 0
    for draw in range(40):
        alike = [
            configuration(f"{'common' if n == 0 else f'trial {draw * 7 + n}'}", 1.0 + n / 10 - (n == 1), GOOD)
            for n in range(5)
        ]
        outcome = verdict(board(alike))
        wrong += any(one.word != "cannot be told apart" for one in (*outcome.against_rivals, *outcome.regret))
        own = next(rule.score for rule in outcome.rules if rule.name == "validation loss")
        for rule in outcome.rules:  # the same halves that its score is of
            assert rule.over_loss[0] == pytest.approx(rule.score - own)
        surer += any(rule.over_loss[1] > 0 for rule in outcome.rules)
    assert wrong <= 4
    assert surer <= 8, "each rule has its own interval, and there are six"


def test_without_benchmarks_there_is_no_verdict() -> None:
    empty = board([configuration("base", None, {}), configuration("trial 1", 1.0, {})])
    assert verdict(empty).sentences == ["There is no verdict: no configuration was measured on a benchmark yet."]


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_base_has_one_row_and_configurations_several(seeds: int) -> None:
    outcome = verdict(
        board([configuration("base", None, BAD, seeds=1), configuration("trial 1", 1.0, GOOD, seeds=seeds)])
    )
    (on_mmlu, on_drop) = outcome.against_rivals
    assert on_mmlu.word == "better"
    assert on_mmlu.low > 10
    assert on_drop.low < 0 < on_drop.high


def test_rules_that_read_no_benchmark_have_one_choice() -> None:
    """What judges and a front choose is known by its title, and measured on both halves."""
    configurations = [
        configuration("nomad trial 7", 1.0, BAD),
        configuration("nsga2 trial 4", 1.2, GOOD),
        configuration("common", 1.3, BAD),
    ]
    choices = {"several objectives (nsga2 seed 0, by both)": "nsga2 trial 4", "the preference of judges": "common"}
    outcome = verdict(replace(board(configurations), choices=choices))
    by_name = {rule.name: rule for rule in outcome.rules}
    several = by_name["several objectives (nsga2 seed 0, by both)"]
    assert several.choices == ("nsga2 trial 4", "nsga2 trial 4")
    assert several.score > by_name["validation loss"].score + 10
    difference, low, high = several.over_loss
    assert difference == pytest.approx(several.score - by_name["validation loss"].score)
    assert 0 < low < difference < high
    assert by_name["validation loss"].over_loss == (0.0, 0.0, 0.0)
    assert by_name["the preference of judges"].score == pytest.approx(by_name["always common"].score)


def test_a_planted_rule_is_blamed_and_a_good_one_is_not() -> None:
    """Among six configurations, one rule chooses the worst, one the best, and one what validation loss chooses."""
    chances = {"nomad trial 7": 0.7, "tpe trial 5": 0.4, "tpe trial 6": 0.72, "common": 0.6, "random trial 9": 0.55}
    configurations = [
        configuration(title, 1.0 + place, {"mmlu": chance, "drop": 0.7})
        for place, (title, chance) in enumerate(chances.items())
    ]
    choices = {"a planted rule": "tpe trial 5", "a good rule": "tpe trial 6", "a like rule": "nomad trial 7"}
    outcome = verdict(replace(board(configurations), choices=choices))
    (planted,) = [line for line in outcome.sentences if line.startswith("Chosen by a planted rule: tpe trial 5, ")]
    assert "worse on mmlu (-" in planted
    assert planted.endswith("not to be told apart on drop against nomad trial 7.")
    (good,) = [line for line in outcome.sentences if line.startswith("Chosen by a good rule: tpe trial 6, ")]
    assert "worse" not in good
    assert not any(line.startswith("Chosen by a like rule") for line in outcome.sentences)
    lost = {rule.name: rule.lost for rule in outcome.rules}
    assert lost["a planted rule"] == max(lost.values())
    assert "Chosen by validation loss you lose nothing that can be told on any of these tasks." in outcome.sentences


@pytest.mark.parametrize("corrupted", [False, True])
def test_a_corrupted_validation_loss_is_blamed_and_the_true_one_is_not(corrupted: bool) -> None:
    """The same measurements; the losses fall as chances rise, or the other way about."""
    chances = [0.35, 0.45, 0.55, 0.65, 0.75]
    made = [
        configuration(f"trial {place}", 2 + chance if corrupted else 3 - chance, {"mmlu": chance, "bbh": chance})
        for place, chance in enumerate(chances)
    ]
    outcome = verdict(board(made))
    lost = {one.task: one.difference for one in outcome.regret if one.word == "better"}
    (sentence,) = [line for line in outcome.sentences if line.startswith("Chosen by validation loss you lose ")]
    assert ("you lose nothing" in sentence) == (not corrupted)
    assert all(("points on " + task in sentence) == corrupted for task in ("mmlu", "bbh"))
    assert set(lost) == ({"mmlu", "bbh"} if corrupted else set())
    assert all(difference > 25 for difference in lost.values())


def test_every_point_that_no_search_proposed_is_a_rival() -> None:
    outcome = verdict(
        board([configuration("nomad trial 7", 1.0, GOOD), configuration("without-regret", 1.5, BAD)]),
    )
    assert {one.a.title for one in outcome.against_rivals} == {"without-regret"}
    assert "always without-regret" in {rule.name for rule in outcome.rules}


def test_a_task_of_one_item_says_nothing_of_rules() -> None:
    """It has no half that a rule has not seen."""
    outcome = verdict(
        board(
            [
                configuration("trial 1", 1.0, {"mmlu": 0.5}, items=1),
                configuration("common", 2.0, {"mmlu": 0.5}, items=1),
            ]
        )
    )
    assert outcome.rules == ()
    assert not any("no rule has seen" in line for line in outcome.sentences)
