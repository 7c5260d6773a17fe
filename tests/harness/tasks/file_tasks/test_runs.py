"""A test file is run, gone on with, shown, read, compared and put on pages like a benchmark."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import tasks
from harness.errors import UsageError
from tests.harness.runs import cli, json_of
from tests.leaderboard.page_runner import draw

FILES = Path(__file__).parent / "files"
CHOICES, WRITTEN, MESSAGES = (f"file:{FILES / name}.jsonl" for name in ("choices", "written", "messages"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the same tests."""
    path = tmp_path_factory.mktemp("own") / "store.duckdb"
    for name, dtype in (("a", "float32"), ("b", "bfloat16")):
        words = ["--tasks", f"{CHOICES},{WRITTEN}", "--name", name, "--dtype", dtype]
        json_of("run", "--model", "tiny", *words, "--db", path)
    return path


def test_it_has_figures_notes_and_samples(store: Path) -> None:
    run = json_of("show", "a", "--db", store)
    by_task = {task["task"]: task for task in run["tasks"]}
    assert list(by_task) == ["file:choices", "file:written"]
    assert by_task["file:choices"]["samples"] == 6
    scores = {(score["task"], score["group"], score["metric"]) for score in run["scores"]}
    assert {("file:choices", group, "acc") for group in ("all", "sky", "metals", "tower")} <= scores
    assert ("file:written", "all", "exact_match") in scores
    assert any("question + choices, 6 items, 3 groups, 2 examples to show" in warning for warning in run["warnings"])
    code, out, errors = cli("samples", "a", "--task", "file:written", "--item", "1", "--shots", "--db", store)
    assert (code, errors) == (0, "")
    assert "Who wrote Faust?\nA: Goethe" in out
    assert "expected: Paris | Paris, France" in out


def test_the_same_command_goes_on_and_an_edited_file_is_another_run(store: Path, tmp_path: Path) -> None:
    common = ["run", "--model", "tiny", "--db", tmp_path / "store.duckdb", "--tasks"]
    path = tmp_path / "mine.jsonl"
    path.write_text((FILES / "choices.jsonl").read_text())
    first = json_of(*common, f"file:{path}")["run"]
    assert json_of(*common, f"file:{path}")["run"] == first
    (tmp_path / "mine.jsonl.toml").write_text('scoring = "letters"\n')
    second = json_of(*common, f"file:{path}")["run"]
    path.write_text(path.read_text().replace("red", "small"))
    third = json_of(*common, f"file:{path}")["run"]
    assert len({first, second, third}) == 3
    code, _, errors = cli("compare", second, third, "--db", tmp_path / "store.duckdb")
    assert code == 2
    assert "digest" in errors


def test_it_is_compared_and_stands_on_pages(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = json_of("compare", "a", "b", "--db", store)
    assert "file:choices" in json.dumps(compared)
    code, out, errors = cli("gate", "--baseline", "a", "--candidate", "a", "--max-drop", "1", "--db", store)
    assert (code, errors) == (2, ""), "undecided: six items are too few"
    assert "file:choices" in out
    code, _, errors = cli("board", "--export", tmp_path / "site", "--db", store)
    assert code == 0, errors
    pages = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert "file:choices" in pages
    drawn = draw("run", store, monkeypatch, run=json_of("show", "a", "--db", store)["run"])
    assert "file:written" in drawn.text
    assert "question + choices, 6 items" in drawn.text


def test_options_that_hold_for_all_tasks(tmp_path: Path) -> None:
    words = ["--tasks", f"{CHOICES}:sky,{CHOICES}:metals", "--limit", 1, "--shots", 1, "--db", tmp_path / "x"]
    run = json_of("run", "--model", "tiny", *words)
    (task,) = run["tasks"]
    assert (task["samples"], task["shots"]) == (2, 1)
    assert {score["group"] for score in run["scores"]} == {"all", "sky", "metals"}


def test_conversations_are_stored_whole(tmp_path: Path) -> None:
    json_of("run", "--model", "tiny", "--tasks", MESSAGES, "--chat", "--name", "m", "--db", tmp_path / "x")
    code, out, _ = cli("samples", "m", "--item", "a", "--db", tmp_path / "x")
    assert code == 0
    assert "system: Be brief.\n\nuser: 1 + 1?\n\nassistant: 2\n\nuser: 2 + 2?" in out


def test_what_a_file_cannot_be_run_as(tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        code, _, errors = cli("run", "--model", "tiny", "--db", tmp_path / "x", "--tasks", *words)
        assert code in (2, 3)
        assert errors.count("\n") == 1, "one sentence"
        return errors

    assert "--chat must be given: file:messages.jsonl has messages" in refused(MESSAGES)
    assert "file:choices has no group 'sea'" in refused(f"{CHOICES}:sea")
    assert "There is no file" in refused("file:no.jsonl")
    assert "--protocol instructeval" in refused(CHOICES, "--protocol", "instructeval")
    assert "--shots 3: for file:choices" in refused(CHOICES, "--shots", "3")
    assert not (tmp_path / "x").exists()


def test_paths_with_colons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b.jsonl").write_text((FILES / "choices.jsonl").read_text())
    (tmp_path / "a").write_text("")
    assert tasks.parse("file:a:b.jsonl:sky, file:a:b.jsonl:tower") == {"file:a:b.jsonl": ("sky", "tower")}
    assert tasks.parse("file:a:b.jsonl:sky,file:a:b.jsonl") == {"file:a:b.jsonl": ()}
    (selected,) = tasks.load("file:a:b.jsonl:sky")
    assert (selected.task.name, selected.groups) == ("file:a_b", ("sky",))


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "choices.jsonl").write_text((FILES / "choices.jsonl").read_text())
    with pytest.raises(UsageError, match=r'Two test files are called file:choices\. Write name = "…" into'):
        tasks.load(f"{CHOICES},file:{tmp_path}/choices.jsonl")
    (tmp_path / "choices.jsonl.toml").write_text('name = "mine"')
    both = tasks.load(f"{CHOICES},file:{tmp_path}/choices.jsonl")
    assert [selected.task.name for selected in both] == ["file:choices", "file:mine"]


def test_data_show(tmp_path: Path) -> None:
    shown = json_of("data", "show", FILES / "choices.jsonl")
    assert (shown["items"], shown["examples"], shown["shots"]) == (6, 2, 2)
    assert shown["groups"] == {"sky": 2, "metals": 2, "tower": 2}
    assert shown["answers"] == {"choice 1": 3, "choice 2": 3}
    assert [one["item"] for one in shown["asked"]] == ["p1", "p2", "m1"]
    assert shown["asked"][0]["requests"][0]["options"] == [" Mars", " Jupiter", " Venus"]
    code, out, errors = cli("data", "show", FILES / "choices.jsonl")
    assert (code, errors) == (0, "")
    assert "question + choices, 6 items, 3 groups, 2 examples to show, the answer is the choice's label" in out
    assert "one that is always given is right in 50.0%" in out
    assert "Question: Which planet is the largest?\nAnswer:\n  ' Mars'\n" in out
    code, out, _ = cli("data", "show", FILES / "messages.jsonl")
    assert code == 0
    assert "system: Be brief.\nuser: 1 + 1?\nassistant: 2\nuser: 2 + 2?\n  up to 256 tokens, until the end token" in out
    code, _, errors = cli("data", "show", tmp_path / "no.jsonl")
    assert code == 3
    assert re.search(r"There is no file .*no\.jsonl", errors)
