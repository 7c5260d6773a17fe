"""What the leaderboard and a run's page say, from rows in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli.tables import interval, plain, print_run, tokens_line
from harness.evaluation.leaderboard import leaderboard
from harness.evaluation.report import run_document
from harness.results import RunRow, Store
from tests.harness.results import make
from tests.harness.runs import cli

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "s.duckdb")


def finished(
    store: Store, minutes: int = 0, tasks: dict[str, str] | None = None, value: float = 0.5, **columns: Any
) -> RunRow:
    """A run with a score in each of `tasks` (its protocol by name)."""
    made = make.run(created=START + timedelta(minutes=minutes), **{"status": "finished", **columns})
    tasks = tasks or {"mmlu": "standard"}
    store.create(made, [make.task(made.id, name, protocol=protocol) for name, protocol in tasks.items()])
    if made.status == "finished":
        scores = [make.score(made.id, task=name, protocol=protocol, value=value) for name, protocol in tasks.items()]
        store.save_scores(
            made.id, [*scores, replace(scores[0], metric="acc_macro"), replace(scores[0], group="anatomy")]
        )
    return made


def test_a_row_has_one_protocol(store):
    both = finished(store, tasks={"mmlu": "standard", "drop": "instructeval"})
    one = finished(store, 1, tasks={"mmlu": "instructeval"})
    rows = leaderboard(store)
    assert [(r["run"], r["protocol"], list(r["scores"])) for r in rows] == [
        (one.id, "instructeval", ["mmlu"]),
        (both.id, "instructeval", ["drop"]),
        (both.id, "standard", ["mmlu"]),
    ]
    for row in rows:
        assert {score["protocol"] for score in row["scores"].values()} == {row["protocol"]}


def test_the_tables_part_protocols(store):
    """In the terminal: a table a protocol, and no line that holds figures of both."""
    finished(store, name="first", value=0.111)
    finished(store, 1, name="second", tasks={"mmlu": "instructeval"}, value=0.222)
    code, out, _ = cli("show", "--db", store.path)
    assert code == 0
    tables = out.split("protocol ")[1:]
    assert [t.split()[0] for t in tables] == ["instructeval", "standard"]
    assert "22.2" in tables[0]
    assert "11.1" not in tables[0]
    assert "11.1" in tables[1]
    assert "22.2" not in tables[1]


def test_only_the_headline_of_the_whole_task_is_ranked(store):
    finished(store)
    (row,) = leaderboard(store)
    assert (row["scores"]["mmlu"]["metric"], row["scores"]["mmlu"]["group"]) == ("acc", "all")


def test_replaced_runs_are_left_out(store):
    old = finished(store, identity="same")
    assert [r["run"] for r in leaderboard(store)] == [old.id]
    new = finished(store, 1, identity="same", status="running")
    assert [r["run"] for r in leaderboard(store)] == [old.id]  # what will replace it has no score yet
    store.save_scores(new.id, [make.score(new.id)])
    assert [r["run"] for r in leaderboard(store)] == [new.id]
    other = finished(store, 2, identity="another")
    assert [r["run"] for r in leaderboard(store)] == [other.id, new.id]


def test_runs_in_a_chat_template_are_marked(store):
    """Their scores are of another setting."""
    asked = make.run(created=START, name="asked in chat", status="finished")
    store.create(asked, [replace(make.task(asked.id, "mmlu"), chat=True)])
    store.save_scores(asked.id, [make.score(asked.id)])
    finished(store, 1, name="asked plainly")
    assert {r["name"]: r["chat"] for r in leaderboard(store)} == {"asked in chat": True, "asked plainly": False}
    _, out, _ = cli("show", "--db", store.path)
    assert "asked in chat (chat)" in out
    assert "asked plainly (chat)" not in out


def test_partial_runs_are_marked(store):
    finished(store, name="some of it", partial=True)
    finished(store, 1, name="all of it")
    assert {r["name"]: r["partial"] for r in leaderboard(store)} == {"some of it": True, "all of it": False}
    _, out, _ = cli("show", "--db", store.path)
    assert "some of it (partial)" in out
    assert "all of it (partial)" not in out
    _, out, _ = cli("show", "some of it", "--db", store.path)
    assert "partial" in out


def test_an_unfinished_run_says_so(store):
    finished(store, name="half", status="running")
    code, out, _ = cli("show", "half", "--db", store.path)
    assert code == 0
    assert "not finished: the same command goes on" in out


def test_a_document_has_what_was_promised(store):
    made = finished(store, warnings=("careful",), totals={"tokens": {"asked": 3}, "seconds": {"model": 1.5}})
    store.tag(made.id, "best")
    found = run_document(store, store.resolve(made.id))
    assert {"run", "model", "scores", "tokens", "seconds", "warnings"} <= set(found)
    assert (found["run"], found["model"], found["tags"]) == (made.id, "tiny", ["best"])
    assert (found["tokens"], found["seconds"], found["warnings"]) == ({"asked": 3}, {"model": 1.5}, ["careful"])
    wanted = {"task", "group", "protocol", "metric", "value", "low", "high", "n"}
    assert all(wanted <= set(score) for score in found["scores"])
    order = [(score["group"], score["metric"]) for score in found["scores"]]
    assert order == [("all", "acc"), ("all", "acc_macro"), ("anatomy", "acc")]


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        ({"value": 0.4532, "low": 0.4449, "high": 0.461}, "45.3 [44.5, 46.1]"),
        ({"value": 1.0, "low": 0.5, "high": 1.0}, "100.0 [50.0, 100.0]"),
        ({"value": 12.3456, "low": 10.0, "high": 15.0}, "12.35 [10, 15]"),  # a perplexity
        ({"value": 0.5, "low": -0.1, "high": 1.1}, "0.5 [-0.1, 1.1]"),
    ],
)
def test_intervals_are_shown_beside_their_value(score, shown):
    assert interval(score) == shown


def test_a_run_without_tokens_says_so():
    assert tokens_line({"tokens": {}, "seconds": {}}) == "no tokens counted"


@pytest.mark.parametrize("text", ["[red]loud[/red]", "[/]", "[link=file:///etc/passwd]x[/link]", ":smile:", "\\[b]"])
def test_markup_is_shown_as_text(text):
    console = Console(width=200, force_terminal=True, record=True)
    with console.capture() as captured:
        console.print(plain(text))
    assert captured.get().strip() == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\rb\x00", "a\\x0db\\x00"),
        ("\u202eabc", "\\x202eabc"),
        ("\ud800", "\\xd800"),
    ],
)
def test_control_characters_are_made_visible(text, shown):
    console = Console(width=200, force_terminal=True)
    with console.capture() as captured:
        console.print(plain(text))
    assert captured.get().strip() == shown


def test_nothing_a_model_or_file_wrote_reaches_the_terminal_as_a_command(store, tmp_path):
    """Names, models, groups, warnings, prompts, answers: each with an escape sequence and markup."""
    evil = "\x1b[31m[red]x[/red]"
    made = finished(store, name=evil, model=evil, warnings=(evil,), tasks={"mmlu": "standard"})
    response = make.response(made.id, evil, own=evil, text=evil, warnings=(evil,), shared=evil)
    store.record(made.id, [response], [make.sample(made.id, evil, group=evil, answer=evil, expected=evil, note=evil)])
    words = {"show": ["show"], "run": ["show", made.id, "--groups"], "samples": ["samples", made.id, "--shots"]}
    for name, command in words.items():
        code, out, errors = cli(*command, "--db", store.path)
        assert code == 0, errors
        assert "\x1b" not in out, name
        assert "\\x1b[31m[red]x[/red]" in out, name


def test_an_empty_store_says_how_to_begin(store):
    made = finished(store)
    store.remove([made.id])
    code, out, _ = cli("show", "--db", store.path)
    assert (code, "holds no scores yet" in out) == (0, True)
    console = Console(width=200)
    with console.capture() as captured:
        print_run(console, store, finished(store))
    assert "50.0 [40.0, 60.0]" in captured.get()
    assert Path(store.path).exists()
