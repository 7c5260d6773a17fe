"""The preference page without a browser: its figures are those of `harness ranking`."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from judges.ranking.evidence import WHOSE, gather
from judges.ranking.pair_report import pair_report, question_report
from leaderboard.app import server_settings
from tests.harness.runs import cli, json_of
from tests.leaderboard.judged import judged
from tests.leaderboard.make import three
from tuning.store import Store

_TAG = re.compile(r"<[^>]+>")


def script() -> None:
    from leaderboard.pages.preference import page

    page()


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return judged(tmp_path_factory.mktemp("preference") / "s.duckdb")


def app(store: Store, monkeypatch, **query: str) -> Any:
    from streamlit.testing.v1 import AppTest

    told = server_settings.Settings(str(store.path))
    monkeypatch.setenv(server_settings.VARIABLE, server_settings.environment(told)[server_settings.VARIABLE])
    test = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def shown(test: Any) -> str:
    return " ".join(str(element.proto.body) for element in test.get("html"))


def tables(test: Any) -> list[list[list[str]]]:
    """Cells' text by table and row, headings first."""
    return [
        [
            [html.unescape(_TAG.sub("", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", one)
        ]
        for one in re.findall(r'<table class="figures">(.*?)</table>', shown(test))
    ]


def charts(test: Any) -> list[dict[str, Any]]:
    return [json.loads(element.proto.spec) for element in test.get("vega_lite_chart")]


@pytest.mark.parametrize(
    ("source", "style"),
    [*((source, style) for source in ("people", "judges", "both") for style in ("", "1")), ("people+judges", "")],
)
def test_figures_are_those_of_the_command(store, monkeypatch, source, style):
    test = app(store, monkeypatch, source=source, style=style)
    words = ["--by", source, *(["--style-control"] if style else []), "--db", store.path]
    printed, report = cli("ranking", *words)[1], json_of("ranking", *words)
    assert f"Ranked by {WHOSE[source]}:" in shown(test)
    assert f"{report['games']:,} games on {report['prompts']['n']} prompts of made" in shown(test)
    found = tables(test) + tables(app(store, monkeypatch, source=source, style=style, view="judges"))
    assert len(found) == (4 if style else 3)
    for table in found:  # ranking, style, quality, agreement: cell for cell as printed
        for row in table[1:]:
            for cell in row[2:] if table is found[0] else row[1:]:
                assert cell in printed, cell
    ranking = found[0]
    assert [row[1] for row in ranking[1:]] == [model["name"] for model in report["models"]]
    strengths, wins = charts(test)
    for model, row in zip(report["models"], strengths["layer"][0]["data"]["values"], strict=True):
        assert (row["value"], row["low"], row["high"]) == (model["strength"], model["low"], model["high"])
    cells = wins["layer"][0]["data"]["values"]
    rates = {(c["row"], c["column"]): c["shown"] for c in cells}
    place = {model["name"]: number for number, model in enumerate(report["models"], 1)}
    for pair in report["pairs"]:
        a, b = pair["a"], pair["b"]
        assert rates[f"{place[a]} {a}", str(place[b])] == f"{100 * pair['win_rate']:.0f}"
        assert rates[f"{place[b]} {b}", str(place[a])] == f"{100 * (1 - pair['win_rate']):.0f}"


def test_whose_games_are_ranked_is_said_and_mixing_is_asked_for(store, monkeypatch):
    test = app(store, monkeypatch)
    assert "Ranked by people:" in shown(test)
    assert "together" not in shown(test)
    both = app(store, monkeypatch, source="both")
    assert "people and judges together" in shown(both)
    assert "each counted as one game" in shown(both)


def test_one_kind_alone_is_ranked_without_a_choice(tmp_path, monkeypatch):
    people = judged(tmp_path / "p.duckdb", judges=False)
    test = app(people, monkeypatch, source="judges")  # a link from another store
    assert "Ranked by people:" in shown(test)
    judges = judged(tmp_path / "j.duckdb", people=False)
    assert "Ranked by judges:" in shown(app(judges, monkeypatch))


def test_one_pair_has_its_answers_and_votes(store, monkeypatch):
    test = app(
        store, monkeypatch, view="pair", a=named(store, "plain-model"), b=named(store, "best-model"), question="4"
    )
    text = shown(test)
    assert "A: plain-model" in text
    assert "plain-model says <strong>3</strong> things." in text
    assert "best-model says <strong>3</strong> things." in text
    assert "how does one get from the mill" in text
    rows = tables(test)[-1][1:]
    votes = [
        each
        for each in store.comparisons()
        if each.question == "q3"
        and {each.first, each.second} == {named(store, "plain-model"), named(store, "best-model")}
    ]
    assert len(rows) == len(votes) == 6
    for row, vote in zip(rows, votes, strict=True):
        winner = {"first": vote.first, "second": vote.second}.get(vote.verdict)
        wanted = next(
            (
                f"{side}: {name}"
                for side, name in (("A", "plain-model"), ("B", "best-model"))
                if named(store, name) == winner
            ),
            "",
        )
        assert row[2] == (wanted or {"tie": "tie", "error": "no verdict"}[vote.verdict])
        assert row[3] == ("A first" if vote.first == named(store, "plain-model") else "B first")
    assert "I read both: [[" in text


def named(store: Store, name: str) -> str:
    return store.resolve_answers(name).id


def test_the_sides_of_a_pair_do_not_depend_on_how_they_were_shown(store):
    evidence = gather(store)
    a, b = named(store, "plain-model"), named(store, "best-model")
    for one, other in zip(pair_report(evidence, a, b), pair_report(evidence, b, a), strict=True):
        assert one["question"] == other["question"]
        assert one["disagree"] == other["disagree"]
        for whose in ("people", "judges"):
            turned = {"a": other[whose]["b"], "tie": other[whose]["tie"], "b": other[whose]["a"]}
            assert one[whose] == turned
    there, back = question_report(store, evidence, a, b, "q0"), question_report(store, evidence, b, a, "q0")
    swap = {"a": "b", "b": "a"}
    assert [swap.get(v["verdict"], v["verdict"]) for v in there["verdicts"]] == [v["verdict"] for v in back["verdicts"]]
    assert there["answers"]["a"] == back["answers"]["b"]


def test_only_where_a_judge_and_a_person_disagree(store, monkeypatch):
    evidence = gather(store)
    found = pair_report(evidence, named(store, "plain-model"), named(store, "best-model"))
    wanted = [each["question"] for each in found if each["disagree"]]
    assert 0 < len(wanted) < len(found)
    for each in found:
        people, judges = each["people"], each["judges"]
        assert bool((people["a"] and judges["b"]) or (people["b"] and judges["a"])) == each["disagree"]
    test = app(
        store, monkeypatch, view="pair", a=named(store, "plain-model"), b=named(store, "best-model"), disagree="1"
    )
    box = next(box for box in test.selectbox if box.label.startswith("Prompt ("))
    assert [option.split(" ")[0] for option in box.options] == wanted


def test_a_model_is_chosen_and_stands_in_the_address(store, monkeypatch):
    test = app(store, monkeypatch, view="pair")
    box = next(box for box in test.selectbox if box.label == "Model A")
    other = box.options[-1]
    box.select_index(len(box.options) - 1).run()
    assert not test.exception
    assert test.query_params["a"] == named(store, other)
    assert f"A: {other}" in shown(test)
    assert other not in next(box for box in test.selectbox if box.label == "Model B").options


@pytest.mark.parametrize("made", ["missing", "answers only"])
def test_without_comparisons_it_says_what_to_type(tmp_path: Path, monkeypatch, made):
    store = Store(tmp_path / "none.duckdb") if made == "missing" else three(tmp_path / "s.duckdb", questions=2)
    test = app(store, monkeypatch)
    assert "No comparisons yet" in shown(test)
    assert "harness judge" in test.code[0].value


def test_verdicts_that_are_all_errors_rank_nobody(tmp_path, monkeypatch):
    store = judged(tmp_path / "s.duckdb", people=False)
    with store.write() as connection:
        connection.execute("UPDATE comparisons SET verdict = 'error'")
    test = app(store, monkeypatch)
    assert "there is no ranking" in shown(test)
    assert "100 [" in shown(test).replace('<span class="ends">', "")
