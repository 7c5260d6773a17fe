"""`harness study run`, unbroken and killed again and again, in folders of their own."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.harness.runs import Nursery, nursery
from tests.tuning.pipeline.content import assert_same, content, report

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


def store_of(folder: Path) -> Path:
    return folder / "study.duckdb"


def begin(file: Path, folder: Path, session: int = 1) -> int:
    """Its process; the report goes to `folder` too."""
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return nursery().start(_log(folder, session), "study", "run", file, "--db", store_of(folder))


def unbroken(file: Path, folder: Path) -> int:
    """Gives how often the store was written."""
    begin(file, folder)
    writes = Writes(store_of(folder))
    _watch(nursery(), writes, float("inf"))
    assert nursery().wait() == 0, said(folder)
    return writes.seen


def killed(file: Path, folder: Path, kills: int, writes_in_all: int) -> int:
    """Killed again and again until it has ended, each time after a random number of its own writes; gives how many
    kills struck. They come half as close again as `kills` in `writes_in_all`, the writes of an unbroken study: loss
    curves are written by the clock, so that a quick study has fewer. Twice as many are the most."""
    children, chance, struck = nursery(), random.Random(0), 0
    far = round(2 * writes_in_all / (1.5 * kills))
    while True:
        session = struck + 1
        pid = begin(file, folder, session)
        writes = Writes(store_of(folder))
        wanted = float("inf") if struck == 2 * kills else chance.randint(1, far)
        if _watch(children, writes, wanted):
            children.ended(chance.uniform(0, LATER))
        if not children.ended(0):
            os.kill(pid, signal.SIGKILL)
        code = children.wait()
        if code != -signal.SIGKILL:
            assert code == 0, said(folder, session)
            return struck
        struck += 1


def assert_one_study(whole: Path, broken: Path) -> None:
    """The same store and the same report (content.py), and nothing half-written beside them."""
    assert_same(content(store_of(whole)), content(store_of(broken)))
    one, other = (report(next(folder.glob("report-*")), store_of(folder)) for folder in (whole, broken))
    assert one == other
    assert [*whole.rglob("*.tmp"), *broken.rglob("*.tmp")] == []


def said(folder: Path, session: int = 1) -> str:
    return Path(f"{_log(folder, session)}.err").read_text()


def _log(folder: Path, session: int) -> Path:
    return folder.with_name(f"{folder.name}-session{session}")


def _watch(children: Nursery, writes: Writes, until: float) -> bool:
    """Whether the session has come to the `until`-th write; False when it has ended before."""
    while writes.look() < until:
        if children.ended(0.005):
            return False
    return True
