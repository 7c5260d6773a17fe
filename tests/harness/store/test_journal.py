"""A kill in the middle of any change to the store's files: half a write, then nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from harness.errors import StoreError
from harness.results import Store
from harness.store import journal
from tests.harness.results import make
from tests.harness.store import torn

HERE = Path(__file__).parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With a history: its metadata blocks have both room and content."""
    store = Store(tmp_path / torn.NAME)
    made = make.stored(store, 0, id="run")
    for first in range(0, 240, 30):
        items = [str(n) for n in range(first, first + 30)]
        store.record(made.id, [make.response(made.id, i) for i in items], [make.sample(made.id, i) for i in items])
    return store


def items(store: Store) -> set[str]:
    return {key[0] for key in store.answered("run", "mmlu")}


BEFORE = {str(n) for n in range(240)}
AFTER = BEFORE | {str(n) for n in torn.BATCH}


@pytest.fixture(scope="session")
def tear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("takes a C compiler (cc); the test of torn blocks needs none")
    made = tmp_path_factory.mktemp("tear") / "tear.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(HERE / "tear.c"), "-ldl"], check=True)
    return made


@pytest.mark.parametrize("every", [15, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("action", ["create", "record", "gc"])
def test_killed_in_each_change_to_a_file(action: str, every: int, store: Store, tear: Path, tmp_path: Path) -> None:
    """What is there after each kill, and that work goes on after each, or each fifteenth."""
    folder, model = tmp_path / "torn", store.path if action != "create" else tmp_path / "none" / torn.NAME
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.harness.store.torn", str(folder), str(model), action, "run"],
        env={**os.environ, "LD_PRELOAD": str(tear), "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) > 12, done.stderr
    assert all(line.endswith("killed") for line in lines[:-1])
    seen = []
    for number, line in enumerate(lines):
        place = folder / line.split()[0]
        left = Store(place / torn.NAME)
        if action == "create":
            seen.append([run.id for run in left.runs()] if left.exists() else [])
            assert seen[-1] in ([], ["run"])
        else:
            seen.append(sorted(items(left)))
            assert set(seen[-1]) in ((BEFORE, AFTER) if action == "record" else (BEFORE,))
        if number % every:
            continue
        if action == "create":
            left.create(make.run(id="other"), [])
        else:
            torn.record(left, "run")
            assert items(left) == AFTER
        left.gc()
        assert sorted(path.name for path in place.iterdir()) == [torn.NAME, f"{torn.NAME}.lock", f"{torn.NAME}.turn"]
    assert seen == sorted(seen, key=len)  # once it is done it stays done


def test_a_block_that_is_half_written_over_is_put_back(store: Store, tmp_path: Path) -> None:
    """Each metadata block that a checkpoint writes over, as a kill leaves it; without a compiler."""
    with journal.guarded(store.path) as keep:
        connection = duckdb.connect(str(store.path))
        keep(connection)
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute("INSERT INTO tags VALUES ('torn', 'run')")
        connection.close()
        left = {path.name: path.read_bytes() for path in tmp_path.glob(f"{torn.NAME}*")}
    before = left[torn.NAME]
    told = json.loads(left[f"{torn.NAME}.journal"].partition(b"\n")[0])
    duckdb.connect(str(store.path)).close()  # the checkpoint
    after = store.path.read_bytes()
    assert before[: 3 * 4096] != after[: 3 * 4096]
    spoilt = 0
    for number, at in enumerate(told["places"]):
        half = at + told["size"] // 2
        if before[at:half] == after[at:half] or at >= len(after):
            continue
        place = tmp_path / str(number)
        place.mkdir()
        for name, content in left.items():
            (place / name).write_bytes(content)
        (place / torn.NAME).write_bytes(before[:at] + after[at:half] + before[half:])
        kept = (place / f"{torn.NAME}.journal").rename(place / "kept")
        try:
            Store(place / torn.NAME).runs()
        except StoreError:
            spoilt += 1
        kept.rename(place / f"{torn.NAME}.journal")
        found = Store(place / torn.NAME)
        assert found.tags() == store.tags()
        assert items(found) == BEFORE
        assert not (place / f"{torn.NAME}.journal").exists()
    assert spoilt  # without the journal


def test_a_journal_of_an_older_state_is_void(store: Store) -> None:
    home = store.path
    with journal.guarded(home) as keep:
        connection = duckdb.connect(str(home))
        keep(connection)
        connection.close()
        old = journal._path(home).read_bytes()
    torn.record(store, "run")
    now = home.read_bytes()
    journal._path(home).write_bytes(old)
    assert items(store) == AFTER
    with store.write():
        pass
    assert home.read_bytes() == now
    assert not journal._path(home).exists()


def test_no_room_for_the_journal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="disk is full"):
        torn.record(store, "run")
    monkeypatch.undo()
    assert items(store) == BEFORE
    assert not list(store.path.parent.glob("*.journal*"))
