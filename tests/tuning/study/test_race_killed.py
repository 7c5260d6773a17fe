"""`tune top --race` as a process of its own, killed twice: it goes on with the same items and decides the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.results import Store
from tests.harness.runs import assert_same, json_of, lines, nursery
from tests.tuning import fakes

ITEMS = 240  # looks after 100, 150, 225


@pytest.fixture
def searched(tmp_path: Path) -> tuple[Path, str]:
    """A store with a study, one of whose trials learns to say "no". The base and the others say "yes"."""
    rows = fakes.rows(tmp_path / "rows", 60)
    alpaca = rows / "alpaca.json"
    alpaca.write_text(json.dumps([{**row, "output": "no"} for row in json.loads(alpaca.read_text())]))
    db = tmp_path / "searched.duckdb"
    words = ["--model", "tiny", "--data", rows, "--set", "epochs=2", "--set", "batch=4", "--no-rungs", "--no-merge"]
    study = json_of("tune", *words, "--optimizer", "random", "--budget", 4, "--db", db)["study"]["id"]
    json_of("tune", "top", study, "--k", 1, "--seeds", 1, "--db", db)
    return db, study


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_race_killed_twice(searched: tuple[Path, str], tmp_path: Path) -> None:
    db, study = searched
    task = tmp_path / "test.jsonl"
    rows = [
        {"question": f"Is {n * 7919 % 1009} even?", "choices": ["yes", "no"], "answer": int(n % 10 < 3)}
        for n in range(ITEMS)
    ]
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ask = ["tune", "top", study, "--k", 1, "--seeds", 1, "--race", "--tasks", f"file:{task}", "--json"]
    stores = {name: tmp_path / f"{name}.duckdb" for name in ("whole", "broken")}
    for path in stores.values():
        shutil.copy(db, path)
        shutil.copytree(f"{db}.studies", f"{path}.studies")

    whole = _raced(tmp_path / "whole", ask, stores["whole"])
    (race,) = whole["races"]
    entrants = len(race["standings"])
    read = sorted(one["items"] for one in race["standings"])
    assert read[0] < read[-1] == ITEMS, "nobody is out of the race, or it is over at the first look"

    for session, (looks, batches) in enumerate([(entrants, 0), (0, 1)]):  # in the second look, and when it has answers
        log = tmp_path / f"killed{session}"
        pid = nursery().start(log, *ask, "--db", stores["broken"])
        reached = nursery().until(partial(_is_past, log, looks, batches), seconds=600)
        assert reached, Path(f"{log}.err").read_text()
        os.kill(pid, signal.SIGKILL)
        assert nursery().wait() == -signal.SIGKILL
        assert {len(known) for known in _items(stores["broken"])} >= {100}, "the first look is not stored"
        assert "finished" not in {run.status for run in Store(stores["broken"]).runs()}
    broken = _raced(tmp_path / "rest", ask, stores["broken"])
    assert broken["races"] == whole["races"]
    assert lines(tmp_path / "rest", "end") < lines(tmp_path / "whole", "end"), "what was stored was asked again"
    one, other = (Store(path) for path in stores.values())
    assert len(one.runs()) == len(other.runs()) == entrants
    for run in one.runs():
        assert_same(one, other, run.name, run.status)
        assert run.sampled == other.resolve(run.name).sampled


def _raced(log: Path, ask: list[Any], db: Path) -> dict[str, Any]:
    """The document of a process that comes to its end."""
    assert nursery().run(log, *ask, "--db", db) == 0, Path(f"{log}.err").read_text()
    document: dict[str, Any] = json.loads(Path(f"{log}.out").read_text())
    return document


def _is_past(log: Path, looks: int, batches: int) -> bool:
    """Whether so many models have ended a look, and behind them so many batches more have been begun and answered."""
    words = log.read_text().split() if log.exists() else []
    ends = [place for place, word in enumerate(words) if word == "end"]
    if len(ends) < looks:
        return False
    rest = words[ends[looks - 1] + 1 :] if looks else words
    return "start" in rest and rest.count("batch") >= batches


def _items(db: Path) -> list[set[str]]:
    """Of each run, the items that are stored."""
    store = Store(db)
    return [{s.item for task in store.tasks(run.id) for s in store.samples(run.id, task.task)} for run in store.runs()]
