"""`harness ranking`: one document of what is in the store; a scripted judge's faults are found on the whole way."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from judges.cli.ranking import FIGURES
from judges.judging.pairs import contest
from judges.people import raters
from judges.ranking import rating
from judges.ranking.evidence import gather
from judges.store import Store
from judges.store.comparisons import comparison_id
from judges.store.rows import ComparisonRow, JudgeRow
from tests.harness.runs import cli, json_of
from tests.judges import scripted_server as scripted
from tests.leaderboard.make import NOW, answered

STRENGTHS = {"good": 1.0, "middling": 0.0, "poor": -1.0}


def made(path: Path, prompts: int = 40) -> Store:
    """Three models: an answer's first word says how good it is, and its length says nothing."""
    rng = random.Random(0)
    answers = {name: [f"{name} {n} " + "word " * rng.randint(3, 40) for n in range(prompts)] for name in STRENGTHS}
    return answered(path, answers)


def record(store: Store, judge: str, kind: Any, verdict: Any, both_orders: bool = True, repeat: int = 0) -> None:
    """`verdict(question, first's name, second's name)` of every pair."""
    store.save_judge(JudgeRow(judge, kind, judge, NOW))
    sets = {each.name: each for each in store.answer_sets()}
    rows = []
    for question in store.questions(next(iter(sets.values())).prompt_set):
        for first in sets:
            for second in sets:
                if first < second or (first > second and both_orders):
                    key = (judge, question.question, int(kind != "person"), sets[first].id, sets[second].id)
                    said = verdict(question.question, first, second)
                    rows.append(
                        ComparisonRow(comparison_id(*key, repeat), *key, verdict=said, created=NOW, repeat=repeat)
                    )
    store.record_comparisons(rows)


def better(share: float, seed: int = 0) -> Any:
    """The stronger in `share` of the pairs, whichever order."""

    def verdict(question: str, first: str, second: str) -> str:
        low, high = sorted((first, second), key=lambda name: STRENGTHS[name])
        won = high if random.Random(f"{seed} {question} {low} {high}").random() < share else low
        return "first" if won == first else "second"

    return verdict


@pytest.mark.parametrize(
    ("bias", "options", "truths"),
    [
        (scripted.always_first, {}, {"flip_rate": 1.0, "first_rate": 1.0}),
        (scripted.longer_wins, {}, {"longer_rate": 1.0, "flip_rate": 0.0, "first_rate": 0.5}),
        (scripted.at_random, {"garbage": 0.05}, {"flip_rate": 2 / 3, "tie_rate": 1 / 3, "error_rate": 0.05}),
    ],
)
def test_a_scripted_judges_faults_are_within_their_intervals(tmp_path, monkeypatch, bias, options, truths):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    store = made(tmp_path / "s.duckdb", 14)
    with scripted.scripted_server(bias, **options) as (server, _):
        code, _, errors = cli(
            "judge", "--models", *STRENGTHS, "--judge", "scripted", "--base-url", server.url, "--db", store.path
        )
    assert code == 0, errors
    report = json_of("ranking", "--db", store.path)
    for figure, truth in truths.items():
        found = report["quality"]["judges"][0][figure]
        assert found["n"] >= 30
        assert found["low"] <= truth <= found["high"], figure
        assert found["high"] - found["low"] < 0.45
    if bias is scripted.always_first:  # a judge who looks at the place only says nothing of the models
        assert {model["win_rate"] for model in report["models"]} == {0.5}
        assert all(model["strength"] == pytest.approx(0, abs=1e-6) for model in report["models"])


def test_position_does_not_fool_the_ranking(tmp_path):
    """A judge that says "first" to 40% of what it is asked puts models in their order all the same."""
    store = made(tmp_path / "s.duckdb", 80)
    honest = better(0.8)

    def leaning(question: str, first: str, second: str) -> str:
        if random.Random(f"lean {question} {first} {second}").random() < 0.4:
            return "first"
        return honest(question, first, second)

    record(store, "leaning", "model", leaning)
    report = json_of("ranking", "--db", store.path)
    assert [model["name"] for model in report["models"]] == ["good", "middling", "poor"]
    assert report["models"][0]["low"] > report["models"][2]["high"]
    quality = report["quality"]["judges"][0]
    assert quality["first_rate"]["low"] > 0.5
    # 0.4 times of it saying "first" to the worse answer, in one of the orders
    assert quality["flip_rate"]["low"] <= 0.4 <= quality["flip_rate"]["high"]


def test_people_and_judges_are_not_mixed_unseen(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "fair", "model", better(0.9))
    record(store, "Ada", "person", lambda question, first, second: "tie", both_orders=False)
    by = {
        who: json_of("ranking", "--db", store.path, *who)
        for who in ((), ("--by", "people"), ("--by", "judges"), ("--by", "both"))
    }
    assert [report["source"] for report in by.values()] == ["people", "people", "judges", "both"]
    assert [report["games"] for report in by.values()] == [120, 120, 120, 240]
    assert "judges are there too" in by[()]["notes"][0]
    assert "120 votes of people and 120 games of judges together" in by["--by", "both"]["notes"][0]
    assert {m["win_rate"] for m in by["--by", "people"]["models"]} == {0.5}
    assert by["--by", "judges"]["models"][0]["name"] == "good"


def test_people_correct_a_judge_that_favours_a_model(tmp_path):
    """The judge puts "poor" first; people voted on a quarter of the prompts."""
    store = made(tmp_path / "s.duckdb", 160)
    honest = better(0.75)

    def partial(question: str, first: str, second: str) -> str:
        if "poor" in (first, second) and random.Random(f"{question} {min(first, second)}").random() < 0.8:
            return "first" if first == "poor" else "second"
        return honest(question, first, second)

    record(store, "partial", "model", partial)
    record(store, "Ada", "person", lambda q, *two: honest(q, *two) if int(q[1:]) % 4 == 0 else "skip", False)
    by = {who: json_of("ranking", "--by", who, "--db", store.path) for who in ("people", "judges", "people+judges")}
    assert by["judges"]["models"][0]["name"] == "poor"
    corrected = by["people+judges"]
    assert [model["name"] for model in corrected["models"]] == ["good", "middling", "poor"]
    assert 0 < corrected["judges_weight"] <= 1
    assert by["people"]["judges_weight"] is None
    assert corrected["games"] == by["people"]["games"] == 120
    between = {
        who: next(pair for pair in by[who]["pairs"] if {pair["a"], pair["b"]} == {"good", "middling"})
        for who in ("people", "people+judges")
    }
    widths = {who: pair["high"] - pair["low"] for who, pair in between.items()}
    assert widths["people+judges"] < 0.8 * widths["people"]  # the judge is honest about these two
    assert "480 games of judges, corrected by 120 votes of people" in corrected["notes"][0]
    code, out, _ = cli("ranking", "--by", "people+judges", "--db", store.path)
    assert code == 0
    assert "by judges, corrected by people: 120 games" in out


def test_what_cannot_be_corrected_is_a_sentence(tmp_path):
    store = made(tmp_path / "s.duckdb", 20)
    record(store, "fair", "model", better(0.9))
    ask = ("ranking", "--by", "people+judges", "--db", store.path)
    assert "no games by people" in cli(*ask)[2]
    record(store, "Ada", "person", lambda q, *two: better(1.0)(q, *two) if q in ("q0", "q1") else "skip", False)
    code, _, errors = cli(*ask)
    assert code == 2
    assert "6 votes of people are too few" in errors
    assert "Style cannot be held equal" in cli(*ask, "--style-control")[2]
    only_people = made(tmp_path / "p.duckdb", 20)
    record(only_people, "Ada", "person", better(0.7), False)
    assert "no games by judges" in cli(*ask[:-1], only_people.path)[2]


def test_the_document_has_what_it_promises(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "one", "model", better(0.9))
    record(store, "one", "model", better(0.9), repeat=1)
    record(store, "two", "model", better(0.7, seed=1))
    record(store, "Ada", "person", better(0.9), both_orders=False)
    report = json_of("ranking", "--by", "judges", "--db", store.path)
    for model in report["models"]:
        assert {"name", "strength", "low", "high", "games", "win_rate"} <= set(model)
        assert model["low"] < model["strength"] < model["high"]
        assert model["games"] == 40 * 2 * 2  # repeats do not count
    assert len(report["pairs"]) == 3
    quality = report["quality"]
    assert [row["judge"] for row in quality["judges"]] == ["one", "two"]
    assert quality["judges"][0]["self_agreement"]["value"] == 1
    assert quality["judges"][0]["self_agreement"]["n"] == 240
    assert quality["people"]["raters"] == 1
    assert quality["people"]["flip_rate"]["n"] == 0
    agreed = {row["judge"]: row["kappa"]["value"] for row in quality["judges_with_people"]}
    assert agreed["one"] == 1
    assert agreed["two"] < 0.9
    assert quality["between_judges"][0]["kappa"]["n"] == 120
    assert quality["alpha"]["judges"]["low"] < quality["alpha"]["judges"]["value"] < quality["alpha"]["judges"]["high"]


def test_printed(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "[bold]judge", "model", better(0.9))
    code, out, errors = cli("ranking", "--db", store.path, "--style-control", "--bootstrap")
    assert code == 0, errors
    for piece in ("good", "win rate", "[bold]judge", "judge quality", "style: length", "held equal"):
        assert piece in out


def test_judges_stand_beside_each_other_where_their_figures_do_not_fit_in_a_line(tmp_path):
    store = made(tmp_path / "s.duckdb")
    for name in ("a judge with a long name", "another judge with one"):
        record(store, name, "model", better(0.9))
    out = cli("ranking", "--db", store.path, width=80)[1]
    lines = [line.strip().split("  ")[0] for line in out.splitlines()]
    assert [line for line in lines if line in FIGURES.values()] == list(FIGURES.values())


def test_a_winner_of_everything_is_null_in_json_and_said(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "sure", "model", better(1.0))
    report = json_of("ranking", "--db", store.path)
    assert report["models"][0]["high"] is None
    assert report["models"][0]["low"] > 0
    assert any("no maximum" in note for note in report["notes"])
    assert "no limit" in cli("ranking", "--db", store.path)[1]


def test_errors_and_undone_votes_make_no_games(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "broken", "model", lambda question, first, second: "error")
    code, _, errors = cli("ranking", "--db", store.path)
    assert code == 2
    assert "no games by judges to rank by: none of their 240 comparisons has a verdict" in " ".join(errors.split())


@pytest.mark.parametrize(
    ("verdict", "doubt"),
    [
        (lambda question, first, second: "first", "gives another verdict on 100% of the pairs"),
        (
            lambda question, first, second: "tie" if int(question[1:]) % 2 or first > second else "first",
            "decides for the answer shown first in 100%",
        ),
        (better(0.9), ""),
    ],
)
def test_a_judge_that_does_not_read_the_answers_is_doubted(tmp_path, verdict, doubt):
    store = made(tmp_path / "s.duckdb")
    record(store, "blind", "model", verdict)
    notes = [note for note in json_of("ranking", "--db", store.path)["notes"] if "says little" in note]
    assert len(notes) == bool(doubt)
    assert all(doubt in note for note in notes)


def test_nothing_to_rank(tmp_path):
    store = made(tmp_path / "s.duckdb", 2)
    code, _, errors = cli("ranking", "--db", store.path)
    assert code == 2
    assert "no comparisons yet" in errors
    code, _, errors = cli("ranking", "--db", tmp_path / "none.duckdb")
    assert code == 5
    assert "no store" in errors
    code, _, errors = cli("ranking", "--by", "poeple", "--db", store.path)
    assert code == 2
    assert "--by" in errors
    assert "Did you mean people?" in errors


def test_some_models_only(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "fair", "model", better(0.9))
    report = json_of("ranking", "--models", "good", "poor", "--db", store.path)
    assert [model["name"] for model in report["models"]] == ["good", "poor"]
    assert report["games"] == 40
    code, _, errors = cli("ranking", "--models", "god", "--db", store.path)
    assert code == 2
    assert "Did you mean good?" in errors


def test_models_of_one_name_are_told_apart(tmp_path):
    store = answered(tmp_path / "s.duckdb", {"a": ["x"] * 5, "b": ["y"] * 5})
    for each in store.answer_sets():
        store.update_answers(each.id, name="same")
    sets = [each.id for each in store.answer_sets()]
    raters.named(store, "Ada")
    ada = store.judges("person")[0].id
    store.record_comparisons(
        [ComparisonRow(f"v{n}", ada, f"q{n}", 0, sets[0], sets[1], ("first", "second")[n % 2], NOW) for n in range(5)]
    )
    report = json_of("ranking", "--db", store.path)
    assert {model["name"] for model in report["models"]} == {f"same ({each[:8]})" for each in sets}


def trained(store: Store, of: dict[str, str]) -> None:
    """Answer sets by name become trainings of configurations."""
    for each in store.answer_sets():
        if each.name in of:
            store.update_answers(each.id, config={"configuration": of[each.name]})


def test_trainings_of_a_configuration_are_one_player(tmp_path):
    """Their games are its own, clustered by prompt; between them there is none. The judge's figures stay those of the
    pairs that it saw."""
    store = made(tmp_path / "s.duckdb")
    record(store, "fair", "model", better(0.9))
    before = json_of("ranking", "--db", store.path)
    trained(store, {"good": "tuned@abc", "middling": "tuned@abc"})
    report = json_of("ranking", "--db", store.path)
    assert [(model["name"], model["games"]) for model in report["models"]] == [("tuned", 80), ("poor", 80)]
    assert report["games"] == 80
    assert report["quality"] == before["quality"]
    poor = store.resolve_answers("poor").id
    one = rating.rank(
        [
            rating.Match(game.question, "tuned", "poor", 1 - score if game.first == poor else score)
            for game in gather(store).of("judges")
            if (score := game.score) is not None
        ]
    )
    assert [report["models"][0][key] for key in ("strength", "low", "high")] == pytest.approx(
        [one.models[0].strength, one.models[0].low, one.models[0].high]
    )
    chosen = json_of("ranking", "--models", "tuned", "poor", "--db", store.path)
    assert chosen["models"] == report["models"]


def test_one_training_keeps_its_own_name(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "fair", "model", better(0.9))
    trained(store, {"good": "tuned@abc", "poor": "middling"})
    assert {model["name"] for model in json_of("ranking", "--db", store.path)["models"]} == set(STRENGTHS)


def test_a_configurations_name_that_is_taken_is_given_in_full(tmp_path):
    store = made(tmp_path / "s.duckdb")
    record(store, "fair", "model", better(0.9))
    trained(store, {"good": "poor@abc", "middling": "poor@abc"})
    assert {model["name"] for model in json_of("ranking", "--db", store.path)["models"]} == {"poor@abc", "poor"}


def test_trainings_of_one_configuration_are_not_judged_against_each_other(tmp_path):
    store = made(tmp_path / "s.duckdb", 2)
    trained(store, {"good": "tuned@abc", "middling": "tuned@abc"})
    ids = {each.name: each.id for each in store.answer_sets()}
    asked = contest(store, ("tuned", "poor")).asked
    assert {frozenset((one.first, one.second)) for one in asked} == {
        frozenset((ids["good"], ids["poor"])),
        frozenset((ids["middling"], ids["poor"])),
    }
    with pytest.raises(UsageError, match="trainings of one configuration"):
        contest(store, ("tuned",))
