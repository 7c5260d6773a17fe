"""Rows come back from the cache as they went in, and a broken entry never counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data import benchmarks, cache, sources
from data.sources import DataError
from tests.data.specs import SPECS


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", SPECS)
def test_the_cache_gives_back_what_it_was_given(small: Path, tmp_path: Path, name: str, monkeypatch) -> None:
    read = benchmarks.load(SPECS[name], small, tmp_path / "cache")
    monkeypatch.setattr(benchmarks, "_make", lambda *_: pytest.fail("the cache was passed over"))
    kept = benchmarks.load(SPECS[name], small, tmp_path / "cache")
    assert kept == read
    assert [list(row) for row in kept.splits["test"]] == [list(row) for row in read.splits["test"]]


def _manifest(entry: Path) -> dict[str, Any]:
    return json.loads((entry / "manifest.json").read_text())


def _edit(entry: Path, **parts: object) -> None:
    (entry / "manifest.json").write_text(json.dumps({**_manifest(entry), **parts}))


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


BREAKS = {
    "no manifest": lambda entry: (entry / "manifest.json").unlink(),
    "half a manifest": lambda entry: (entry / "manifest.json").write_bytes(
        (entry / "manifest.json").read_bytes()[:-99]
    ),
    "an empty manifest": lambda entry: (entry / "manifest.json").write_text("{}"),
    "a manifest that is a list": lambda entry: (entry / "manifest.json").write_text("[]"),
    "another digest": lambda entry: _edit(entry, digest="0" * 64),
    "another schema": lambda entry: _edit(entry, schema=cache.SCHEMA_VERSION + 1),
    "another note": lambda entry: _edit(entry, notes=["made up"]),
    "no file": lambda entry: next(entry.glob("*.parquet")).unlink(),
    "half a file": lambda entry: (file := next(entry.glob("*.parquet"))).write_bytes(file.read_bytes()[:100]),
    "one bit": lambda entry: _flip(next(entry.glob("*.parquet"))),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_entry_is_made_again(small: Path, tmp_path: Path, what: str) -> None:
    read = benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    whole = files(entry)
    BREAKS[what](entry)
    assert cache.read(entry, "mmlu", _made_from(small)) is None
    assert benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache") == read
    assert cache.read(entry, "mmlu", _made_from(small)) is not None
    assert files(entry) == whole


def test_another_schema_does_not_count_even_when_sealed(small: Path, tmp_path: Path, monkeypatch) -> None:
    benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    monkeypatch.setattr(cache, "SCHEMA_VERSION", cache.SCHEMA_VERSION + 1)
    assert cache.read_manifest(entry) is None


def _made_from(folder: Path) -> dict[str, Any]:
    return benchmarks._origin(SPECS["mmlu"], sources.resolve(folder))[1]


def test_a_file_that_changed_is_read_again(small: Path, tmp_path: Path) -> None:
    before = benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache")
    file = small / "mmlu/test/law_test.csv"
    stat = file.stat()
    file.write_text(file.read_text().replace("D\n", "C\n"))  # the same size
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    changed = benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache")
    assert changed.splits["test"][0]["answer"] == 2
    assert changed.digest != before.digest
    for split in ("dev", "test"):
        (small / f"mmlu/{split}/art_{split}.csv").write_text("q,a,b,c,d,A\n")
    assert len(benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache").splits["test"]) == 2
    (entry,) = (tmp_path / "cache").iterdir()
    assert len(files(entry)) == 3, "files of earlier manifests are swept away"


def test_a_cache_that_cannot_be_written_costs_a_note(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = benchmarks.load(SPECS["mmlu"], small, tmp_path / "file")
    assert found.splits["test"][0]["choices"] == ["None", "N/A", "nan", ""]
    assert "rows are not cached" in found.notes[-1]
    assert str(tmp_path / "file") in found.notes[-1]
    with pytest.raises(DataError, match="cannot be written"):
        benchmarks.refill(SPECS["mmlu"], small, tmp_path / "file")


def test_a_disk_that_fills_up_leaves_nothing_half_written(shared_data: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the kernel cuts the write short in the same way."""
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from data import benchmarks; from harness.tasks.mmlu import Mmlu\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "found = benchmarks.load(Mmlu.rows, sys.argv[1], Path(sys.argv[2]))\n"
        "print(len(found.splits['test']), found.notes)"
    )
    run = [sys.executable, "-P", "-c", script, str(shared_data), str(tmp_path / "cache")]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("14042 ('mmlu: rows are not cached")
    assert "manifest.json" not in files(tmp_path / "cache")
    assert not [name for name in files(tmp_path / "cache") if name.startswith(".writing-")]
    assert benchmarks.status(tmp_path / "cache") == []


@pytest.mark.parametrize("step", range(3))
def test_a_stop_at_any_step_leaves_no_entry_that_counts(small: Path, tmp_path: Path, step: int, monkeypatch) -> None:
    steps = iter(range(9))
    real = os.replace

    def replace(old: str, new: str) -> None:
        if next(steps) == step:
            raise KeyboardInterrupt
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache")  # dev, test, manifest
    assert benchmarks.status(tmp_path / "cache") == []
    assert not [name for name in files(tmp_path / "cache") if name.startswith(".writing-")]
    assert not benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache").notes[1:]
    assert len(benchmarks.status(tmp_path / "cache")) == 1


def test_what_a_killed_writer_left_is_swept_away_later(small: Path, tmp_path: Path) -> None:
    benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    for name, age in (("old", 7200), ("young", 0)):
        left = entry / f".writing-{name}"
        left.write_bytes(b"half")
        os.utime(left, (left.stat().st_atime - age, left.stat().st_mtime - age))
    benchmarks.refill(SPECS["mmlu"], small, tmp_path / "cache")
    assert [name for name in files(entry) if name.startswith(".writing-")] == [".writing-young"]


def test_many_writers_and_readers_of_one_entry(small: Path, tmp_path: Path) -> None:
    digest = benchmarks.load(SPECS["drop"], small, tmp_path / "other").digest
    script = (
        "import sys; from data import benchmarks; from harness.tasks.drop import Drop; from pathlib import Path\n"
        "folder, home = sys.argv[1], Path(sys.argv[2])\n"
        "for turn in range(30):\n"
        "    found = (benchmarks.refill if turn % 2 else benchmarks.load)(Drop.rows, folder, home)\n"
        "    assert found.digest == sys.argv[3] and len(found.splits['test']) == 4, found\n"
        "    assert not [note for note in found.notes if 'cached' in note], found.notes\n"
    )
    run = [sys.executable, "-P", "-c", script, str(small), str(tmp_path / "cache"), digest]
    children = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors
    (entry,) = (tmp_path / "cache").iterdir()
    assert len(files(entry)) == 2


def test_all_of_mmlu_from_the_cache_is_quick(shared_data: Path, tmp_path: Path) -> None:
    """A finished run answers at once: 0.23 s of processor time was measured, imports included."""
    benchmarks.load(SPECS["mmlu"], shared_data, tmp_path)
    script = (
        "import sys, time; from data import benchmarks; from harness.tasks.mmlu import Mmlu; from pathlib import Path\n"
        "found = benchmarks.load(Mmlu.rows, sys.argv[1], Path(sys.argv[2]))\n"
        "print(len(found.splits['test']), sorted({'pandas', 'datasets', 'torch'} & set(sys.modules)))\n"
        "print(time.process_time())"
    )
    run = [sys.executable, "-P", "-c", script, str(shared_data), str(tmp_path)]
    first, seconds = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == "14042 []"
    assert float(seconds) < 1


def test_status_lists_what_is_cached(small: Path, tmp_path: Path, monkeypatch) -> None:
    assert benchmarks.status(tmp_path / "none") == []
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    made = [benchmarks.load(SPECS[name], small) for name in ("mmlu", "drop")]
    (tmp_path / "home/data/stray").mkdir()
    listed = benchmarks.status()
    assert [(one.name, one.source, one.rows, one.digest) for one in listed] == [
        ("drop", f"folder:{small}", {"test": 4}, made[1].digest),
        ("mmlu", f"folder:{small}", {"dev": 1, "test": 1}, made[0].digest),
    ]
    on_disk = sum(path.stat().st_size for path in (tmp_path / "home/data").rglob("*") if path.is_file())
    assert sum(one.size for one in listed) == on_disk


def test_a_link_to_nowhere_is_named(small: Path, tmp_path: Path) -> None:
    (small / "mmlu/test/art_test.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"art_test\.csv cannot be read: No such file"):
        benchmarks.load(SPECS["mmlu"], small, tmp_path / "cache")
