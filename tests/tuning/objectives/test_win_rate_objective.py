"""Win rate as an objective: real trainings, answers and verdicts, small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from tests.harness.runs import cli, json_of
from tests.harness.servers import error, serving
from tests.judges.scripted_server import Bias, Seen, always_tie, scripted_server
from tuning.objectives.win_rate_objective import WinRate
from tuning.store import Store

COUNT = 4


def longest_by_name(seen: Seen) -> str:
    """Prefers the answer that sorts last, whichever side it is on."""
    return "C" if seen.a == seen.b else "A" if seen.a > seen.b else "B"


def words(tmp_path: Path, url: str) -> tuple[str, ...]:
    """A small study whose judge is at `url`."""
    small = ("--sizes", "24,8,8", "--optimizer", "list", "--budget", "4", "--set", "batch=8", "--set", "epochs=1")
    judged = ("--objective", f"win-rate:judge@{COUNT}", "--prompts", "sample", "--judge-url", url)
    return (
        "tune",
        "--model",
        "tiny",
        "--data",
        "sample",
        *small,
        *judged,
        "--no-merge",
        "--db",
        str(tmp_path / "s.duckdb"),
    )


def study(tmp_path: Path, bias: Bias) -> dict[str, Any]:
    with scripted_server(bias) as (server, _):
        found: dict[str, Any] = json_of(*words(tmp_path, server.url))
        return found


def test_the_objective_is_what_the_verdicts_come_to(tmp_path: Path) -> None:
    found = study(tmp_path, longest_by_name)
    store = Store(tmp_path / "s.duckdb")
    sets = {row.name: row.id for row in store.answer_sets()}
    texts = {name: [row.text for row in store.answers_of(id_)] for name, id_ in sets.items()}
    base = texts.pop("tiny")
    assert len(base) >= COUNT
    assert len(texts) == len(found["trials"]) == 4
    for trial in found["trials"]:
        (mine,) = [text for name, text in texts.items() if name.startswith(f"trial-{trial['number']:04d} ")]
        won = [0.5 if a == b else float(a > b) for a, b in zip(mine, base, strict=True)]
        (value,) = trial["values"]
        assert value == pytest.approx(1 - sum(won) / len(won))
    asked = len(store.comparisons())
    assert study(tmp_path, always_tie)["trials"] == found["trials"]  # all is known: nobody is asked again
    assert len(store.comparisons()) == asked


def test_other_prompts_make_another_study(tmp_path: Path) -> None:
    path = tmp_path / "question.jsonl"
    path.write_text('{"question_id": 1, "category": "math", "turns": ["2 + 2?"], "reference": ["Answer: 4"]}\n')
    rate = WinRate.of("win-rate:a@b@3")
    assert (rate.judge, rate.count) == ("a@b", 3)
    assert rate.kept("sample") != rate.kept(str(path))
    assert WinRate.of(rate.kept(str(path))) == rate


@pytest.mark.parametrize("word", ["win-rate:", "win-rate:judge", "win-rate:judge@0", "win-rate:judge@x"])
def test_a_word_that_makes_no_sense(word: str) -> None:
    with pytest.raises(UsageError, match="win-rate:JUDGE@N"):
        WinRate.of(word)


def test_a_judge_that_refuses_stops_the_study(tmp_path: Path) -> None:
    with serving(lambda path, body: error(401, "no such key")) as server:
        code, _, errors = cli(*words(tmp_path, server.url))
    assert code not in (0, 1)
    assert "no such key" in errors
    assert "Traceback" not in errors
    assert Store(tmp_path / "s.duckdb").studies() == []  # no training was recorded: nothing half-written stays
