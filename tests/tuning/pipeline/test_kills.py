"""Killed at any moment, `harness study run` goes on, and ends with the store and the report of an unbroken study."""

from __future__ import annotations

import os
import random
import signal

from pathlib import Path

import pytest

from tests.harness.runs import Nursery, nursery
from tests.tuning.pipeline.content import assert_same, content, report
from tests.tuning.pipeline.test_session import FILE

ROOT = Path(__file__).resolve().parents[3]
KILLS = 20
LATER = 1.0  # second: up to so long after a write, so that kills meet trainings and answers too


class Writes:
    """How often a file was written, as far as somebody who looks all the time can see."""

    def __init__(self, path: Path) -> None:
        self._path, self._last, self.seen = path, 0, 0

    def look(self) -> int:
        try:
            now = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return self.seen
        self.seen += now != self._last
        self._last = now
        return self.seen


def watched(children: Nursery, writes: Writes, until: float) -> bool:
    """Whether the session has come to the `until`-th write; False when it has ended before."""
    while writes.look() < until:
        if children.ended(0.005):
            return False
    return True


def said(session: Path) -> str:
    return Path(f"{session}.err").read_text()


def kill_and_go_on(file: Path, folder: Path, kills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    children, chance = nursery(), random.Random(0)
    places = {name: folder / name for name in ("whole", "broken")}
    sessions = 0

    def begin(name: str) -> int:
        nonlocal sessions
        sessions += 1
        places[name].mkdir(exist_ok=True)
        monkeypatch.chdir(places[name])
        db = places[name] / "study.duckdb"
        return children.start(folder / f"session{sessions}", "study", "run", file, "--db", db)

    begin("whole")
    writes = Writes(places["whole"] / "study.duckdb")
    watched(children, writes, float("inf"))
    assert children.wait() == 0, said(folder / f"session{sessions}")
    in_all, struck = writes.seen, 0
    writes = Writes(places["broken"] / "study.duckdb")
    for moment in sorted(chance.uniform(0, in_all) for _ in range(kills)):
        pid = begin("broken")
        if watched(children, writes, moment):
            children.ended(chance.uniform(0, LATER))
        if not children.ended(0):
            os.kill(pid, signal.SIGKILL)
        code = children.wait()
        struck += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL), said(folder / f"session{sessions}")
    begin("broken")
    assert children.wait() == 0, said(folder / f"session{sessions}")
    print(f"{in_all} writes, {struck} of {kills} kills struck")
    assert struck >= kills - 2, "the last ones may come when all is done"
    dbs = [places[name] / "study.duckdb" for name in ("whole", "broken")]
    assert_same(*map(content, dbs))
    one, other = (report(next(db.parent.glob("report-*")), db) for db in dbs)
    assert one == other
    left = {
        name: sorted(str(path.relative_to(place)) for path in place.rglob("*.tmp")) for name, place in places.items()
    }
    assert left["broken"] == left["whole"] == [], "nothing half-written stays"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_small_study_is_killed_twenty_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "study.toml"
    file.write_text(FILE, "utf-8")
    kill_and_go_on(file, tmp_path, KILLS, monkeypatch)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_the_demo_is_killed_twenty_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_and_go_on(ROOT / "studies" / "demo.toml", tmp_path, KILLS, monkeypatch)
