"""Kills, full disks, read-only places: what was acknowledged is there, and nothing else is broken."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.results import RunRow, Store
from tests.harness.results import make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


def acknowledged(lines: list[str]) -> int:
    """How many items the child said were stored."""
    return 1 + max([int(line.split()[1]) for line in lines if line.startswith("ack ")], default=-1)


def whole(store: Store, made: RunRow, batch: int) -> int:
    """How many items there are: each once, each batch whole, each sample with its response."""
    responses = [int(row.item) for row in store.responses(made.id, "mmlu")]
    samples = [int(row.item) for row in store.samples(made.id, "mmlu")]
    assert sorted(responses) == sorted(samples) == list(range(len(responses)))
    assert len(responses) % batch == 0
    return len(responses)


def kills(store: Store, times: int) -> None:
    """A writer without a pause, killed some acknowledgements later and a random moment after; again and again."""
    made, stored = make.stored(store, 0), 0
    chance = random.Random(0)
    for _ in range(times):
        writer = make.child("write", store.path, made.id, stored, 30, 600, 0)
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(chance.randint(1, 6))]
        with contextlib.suppress(subprocess.TimeoutExpired):
            writer.wait(chance.uniform(0, 0.12))  # runs on, into any point of a commit
        writer.kill()
        out, errors = writer.communicate()
        promised = acknowledged([*lines, *out.splitlines()])
        now = whole(store, made, 30)
        assert promised > stored, errors
        # at most the batch that was committed and not yet acknowledged is more
        assert promised <= now <= promised + 30
        stored = now


def test_a_killed_writer_loses_nothing(store: Store) -> None:
    kills(store, 4)


@pytest.mark.full
def test_many_killed_writers_lose_nothing(store: Store) -> None:
    kills(store, 60)


@pytest.mark.parametrize("limit", [1_000_000, 3_000_000])
def test_a_file_that_may_not_grow(store: Store, limit: int) -> None:
    made = make.stored(store, 0)
    writer = make.child("full", store.path, made.id, limit)
    out, errors = writer.communicate(timeout=120)
    assert "error The disk is full" in out, errors
    stored = store.answered(made.id, "mmlu")
    assert len(stored) >= acknowledged(out.splitlines())
    assert len(stored) % 200 == 0
    store.record(made.id, [make.response(made.id, "after")])  # with room again, it goes on
    assert store.answered(made.id, "mmlu") == stored | {("after", 0, 0)}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = Path(tempfile.mkdtemp())
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(folder)], check=False, capture_output=True
    )
    try:
        if not mounted or mounted.returncode:
            pytest.skip("mounting a small disk takes root; the limit on file sizes is tested instead")
        yield folder
    finally:
        if mounted and not mounted.returncode:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    store = Store(small_disk / "s.duckdb")
    made = make.stored(store, 0)
    out, errors = make.child("full", store.path, made.id, 10**9).communicate(timeout=120)
    assert "error The disk is full" in out, errors
    promised = acknowledged(out.splitlines())
    assert promised > 0
    assert len(store.answered(made.id, "mmlu")) >= promised  # reading works on the full disk
    with pytest.raises(StoreError, match="disk is full"):
        store.gc()  # has no room for the copy, and leaves all as it was
    assert not (small_disk / "s.duckdb.fresh").exists()
    shutil.copytree(small_disk, tmp_path / "copy")  # its log too
    moved = Store(tmp_path / "copy" / "s.duckdb")
    assert len(moved.answered(made.id, "mmlu")) >= promised
    moved.update(made.id, status="finished")


@pytest.mark.parametrize("pages", [0, 1, 3])
def test_a_disk_without_room_for_a_store(small_disk: Path, pages: int) -> None:
    (small_disk / "big").write_bytes(bytes(6 * 1024 * 1024 - 4096 * pages))
    with pytest.raises(StoreError, match="disk is full"):
        make.stored(Store(small_disk / "s.duckdb"), 0)
    assert {path.name for path in small_disk.iterdir()} <= {"big", "s.duckdb.lock", "s.duckdb.turn"}


@pytest.mark.parametrize("locks", [True, False])
def test_a_user_who_may_not_write(locks: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user takes root")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "s.duckdb")
        made = make.stored(store)
        if not locks:  # a copy on a read-only medium
            for path in (*folder.glob("*.lock"), *folder.glob("*.turn")):
                path.unlink()
        folder.chmod(0o755)
        store.path.chmod(0o644)
        out, errors = make.child("nobody", store.path, made.id).communicate(timeout=60)
        assert out.startswith("samples 10\n"), errors
        assert "read-only" in out.splitlines()[1]
        assert (
            sorted(path.name for path in folder.iterdir()) == ["s.duckdb"] + ["s.duckdb.lock", "s.duckdb.turn"] * locks
        )


@pytest.mark.parametrize("reads", [False, True])
def test_another_program_has_the_file_open(reads: bool, store: Store) -> None:
    import sys

    made = make.stored(store)
    opened = f"duckdb.connect(sys.argv[1], read_only={reads})"
    code = f"import duckdb, sys; c = {opened}; print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(store.path)], stdin=-1, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(StoreError, match="Another program"):
            store.update(made.id, status="finished")
    finally:
        make.end(other)
    assert store.runs() == [made]
