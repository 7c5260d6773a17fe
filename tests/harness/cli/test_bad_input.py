"""Bad input, full disks, Ctrl-C: a sentence, an exit code, and nothing half-written."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.sources import SAMPLE
from harness.results import Store
from tests.harness.runs import MMLU, ROOT, cli, lines, nursery
from tests.models import make_model

HARNESS_FILES = {"s.duckdb", "s.duckdb.lock", "s.duckdb.turn"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "random")


@pytest.fixture
def db(tmp_path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder / "s.duckdb"


def sentence(code: int, out: str, errors: str) -> str:
    """What was said after progress lines, which is one line that begins with the program's name."""
    assert out == ""
    assert "Traceback" not in errors
    said = [line for line in errors.splitlines() if line.startswith("harness: ")]
    assert len(said) == 1, errors
    assert errors.splitlines()[-1] == said[0]
    assert len(said[0]) > 30
    assert code != 0
    return said[0]


def words(model: Path | str, db: Path, **changes: str) -> list[str]:
    options = {"model": str(model), "tasks": "mmlu", "data": "sample", "db": str(db), "limit": "1", **changes}
    return ["run", *(part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value))]


def nothing_written(db: Path) -> None:
    assert not db.exists()
    assert {path.name for path in db.parent.iterdir()} <= HARNESS_FILES


def test_a_missing_model_names_the_near_folder(model, db):
    code, out, errors = cli(*words(str(model) + "n", db))
    assert code == 4
    assert "Did you mean" in sentence(code, out, errors)
    assert str(model) in errors
    nothing_written(db)


def test_a_corrupt_checkpoint(model, db, tmp_path):
    """Cut short, its header broken, and empty."""
    whole = (model / "model.safetensors").read_bytes()
    for name, content in (("short", whole[: len(whole) // 2]), ("header", b"\xff" * 64 + whole[64:]), ("empty", b"")):
        folder = tmp_path / name
        shutil.copytree(model, folder)
        (folder / "model.safetensors").write_bytes(content)
        code, out, errors = cli(*words(folder, db))
        assert code == 4, errors
        assert name in sentence(code, out, errors)
        nothing_written(db)


def test_weights_that_are_not_finite_or_of_another_model(model, db, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 32}))
    code, out, errors = cli(*words(folder, db))
    assert code == 4
    assert "another shape" in sentence(code, out, errors)
    nothing_written(db)


def test_an_encoder(db, tmp_path):
    code, out, errors = cli(*words(make_model(tmp_path / "bert", "bert"), db))
    assert code == 4
    assert "not a causal language model" in sentence(code, out, errors)
    nothing_written(db)


def test_missing_data_names_the_near_folder(model, db, tmp_path):
    (tmp_path / "benchmarks").mkdir()
    code, out, errors = cli(*words(model, db, data=str(tmp_path / "benchmark")))
    assert code == 3
    assert "Did you mean" in sentence(code, out, errors)
    nothing_written(db)


@pytest.mark.parametrize("content", ["", "\n\n", "question,A,B,C,D,answer\n"])
def test_an_empty_csv(model, db, tmp_path, content):
    shutil.copytree(SAMPLE / "mmlu", tmp_path / "rows" / "mmlu")
    empty = tmp_path / "rows/mmlu/test" / f"{MMLU[0]}_test.csv"
    empty.write_text(content)
    code, out, errors = cli(*words(model, db, data=str(tmp_path / "rows")))
    assert code == 3
    assert empty.name in sentence(code, out, errors)
    nothing_written(db)
    kept = Path(os.environ["HARNESS_HOME"])
    assert not list(kept.rglob(".writing-*")) if kept.exists() else True


def test_an_empty_jsonl(model, db, tmp_path):
    (tmp_path / "humaneval").mkdir()
    (tmp_path / "humaneval/HumanEval.jsonl").write_text("")
    code, out, errors = cli(*words(model, db, tasks="humaneval", data=str(tmp_path)))
    assert code == 3
    assert "HumanEval.jsonl" in sentence(code, out, errors)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": "mmul"}, "Did you mean mmlu?"),
        ({"tasks": f"mmlu:{MMLU[0][:-1]}"}, f"Did you mean {MMLU[0]}?"),
        ({"tasks": "humaneva"}, "Did you mean humaneval?"),
        ({"backend": "transfromers"}, "Did you mean transformers?"),
        ({"dtype": "float23"}, "float32"),
        ({"device": "gpu"}, "cpu"),
        ({"samples": "3", "tasks": "drop", "temperature": "0"}, "--temperature"),
        ({"system": "Be brief."}, "--chat"),
    ],
)
def test_a_word_that_is_not_known(model, db, changes, said):
    code, out, errors = cli(*words(model, db, **changes))
    assert code == 2
    assert said in sentence(code, out, errors)
    nothing_written(db)


def test_a_store_in_no_folder(model, tmp_path):
    code, out, errors = cli(*words(model, tmp_path / "no" / "s.duckdb"))
    assert code == 5
    assert "There is no folder" in sentence(code, out, errors)


@pytest.mark.parametrize("command", [["show"], ["samples", "r"], ["compare", "a", "b"], ["rm", "r", "--yes"], ["gc"]])
def test_a_store_that_is_not_there(command, db):
    code, out, errors = cli(*command, "--db", db)
    assert code == 5
    assert "no store" in sentence(code, out, errors)
    nothing_written(db)


@pytest.mark.parametrize("command", [["show"], ["samples", "r"], ["gc"]])
def test_a_store_that_is_something_else(command, db):
    db.write_text("These are my notes, not a database.\n" * 1000)
    code, out, errors = cli(*command, "--db", db)
    assert code == 5
    assert "not a DuckDB file" in sentence(code, out, errors)
    assert db.read_text().startswith("These are my notes")


def test_a_run_into_a_store_that_is_something_else(model, db):
    db.write_text("These are my notes, not a database.\n" * 1000)
    code, out, errors = cli(*words(model, db))
    assert code == 5
    assert "not a DuckDB file" in sentence(code, out, errors)
    assert db.read_text().startswith("These are my notes")


def test_a_store_that_is_a_folder(model, db):
    db.mkdir()
    code, out, errors = cli(*words(model, db))
    assert code == 5
    sentence(code, out, errors)


# a disk of its own


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 16 MB; the rest of the program's files lie elsewhere."""
    folder = Path(tempfile.mkdtemp())
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)], check=False, capture_output=True
        ).returncode
    )
    try:
        if not mounted:
            pytest.skip("mounting a small disk takes root; the limit on file sizes is tested instead")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk(model, small_disk, tmp_path):
    """The disk fills while the run goes on; with room again the same command ends it."""
    db, log = small_disk / "s.duckdb", tmp_path / "log"
    long = words(model, db, tasks="drop,mmlu", limit="24", max_new_tokens="16")
    filler = small_disk / "filler"
    children = nursery()
    children.start(log, *long, rows=1)
    assert children.until(lambda: lines(log, "batch") >= 3)
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    code = children.wait()
    errors = Path(f"{log}.err").read_text()
    assert code == 5, errors
    assert "The disk is full" in sentence(code, Path(f"{log}.out").read_text(), errors)
    (left,) = Store(db).runs()
    stored = len(Store(db).answered(left.id, "drop"))
    assert stored >= 2
    filler.unlink()
    assert children.run(log, *long, "--json", rows=64) == 0, Path(f"{log}.err").read_text()
    found = json.loads(Path(f"{log}.out").read_text())
    assert (found["run"], found["status"]) == (left.id, "finished")


def test_a_disk_without_room_for_a_store(model, small_disk):
    (small_disk / "filler").write_bytes(bytes(16 * 1024 * 1024 - 8192))
    code, out, errors = cli(*words(model, small_disk / "s.duckdb"))
    assert code == 5, errors
    assert "disk is full" in sentence(code, out, errors)
    assert not (small_disk / "s.duckdb").exists()


def test_a_file_that_may_not_grow(model, db, tmp_path):
    """The same without root: a limit on the size of files, which the store's log reaches in the second task."""
    long = words(model, db, tasks="mmlu,drop", limit="12", max_new_tokens="8")
    log = tmp_path / "log"
    code = nursery().run(log, *long, file_size=30_000)
    errors = Path(f"{log}.err").read_text()
    assert code == 5, errors
    assert "disk is full" in sentence(code, Path(f"{log}.out").read_text(), errors)
    code, _, errors = cli(*long)
    assert code == 0, errors
    assert len(Store(db).runs()) == 1


@pytest.fixture
def read_only(small_disk: Path) -> Iterator[Path]:
    """A finished run's store on a disk that was then made read-only; root may write everywhere else."""
    yield small_disk
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_a_read_only_store(model, read_only):
    db = read_only / "s.duckdb"
    code, _, errors = cli(*words(model, db))
    assert code == 0, errors
    before = db.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(read_only)], check=True)
    for command in (words(model, db, seed="1"), ["tag", "random", "x", "--db", str(db)], ["gc", "--db", str(db)]):
        code, out, errors = cli(*command)
        assert code == 5, command
        assert "read-only" in sentence(code, out, errors).lower()
    for command in (words(model, db), ["show", "--db", str(db)], ["samples", "random", "--db", str(db)]):
        code, out, errors = cli(*command)  # what only reads works, a finished run's answer too
        assert code == 0, errors
    assert db.read_bytes() == before


# Ctrl-C


def test_ctrl_c_in_mid_run(model, db, tmp_path):
    long = words(model, db, tasks="drop,humaneval", limit="20", max_new_tokens="16")
    log, children = tmp_path / "log", nursery()
    for session in range(2):
        log.unlink(missing_ok=True)
        pid = children.start(log, *long, rows=2)
        assert children.until(lambda: lines(log, "batch") >= 2)
        os.kill(pid, signal.SIGINT)
        code, errors = children.wait(), Path(f"{log}.err").read_text()
        assert code == 130, errors
        said = sentence(code, Path(f"{log}.out").read_text(), errors)
        (left,) = Store(db).runs()
        stored = sum(len(Store(db).answered(left.id, task)) for task in ("drop", "humaneval"))
        assert f"{stored} of " in said
        assert "the same command goes on" in said
        assert left.status == "running"
        assert left.totals["sessions"] == session + 1
    assert children.run(log, *long, rows=64) == 0
    assert len(Store(db).runs()) == 1
    assert {path.name for path in db.parent.iterdir()} <= HARNESS_FILES


def ctrl_c_at_any_moment(model: Path, db: Path, log: Path, times: int) -> None:
    """While it plans, loads, asks, stores or has ended: never a traceback, and the same command goes on."""
    chance, children, codes = random.Random(0), nursery(), []
    for number in range(times):
        seed = str(number // 3)  # three sessions a run
        long = words(model, db, tasks="mmlu,drop", limit="4", max_new_tokens="8", batch_tokens="256", seed=seed)
        log.unlink(missing_ok=True)
        pid = children.start(log, *long, rows=2)
        assert children.until(lambda: lines(log, "began") == 1)
        if not children.ended(chance.uniform(0.0, 1.2)):
            os.kill(pid, signal.SIGINT)
        codes.append(children.wait())
        errors = Path(f"{log}.err").read_text()
        assert "Traceback" not in errors
        assert codes[-1] in (0, 130), errors
    assert 130 in codes
    assert children.run(log, *long) == 0
    assert len(Store(db).runs()) <= times // 3 + 1
    assert Store(db).runs()[0].status == "finished"


def test_ctrl_c_at_four_moments(model, db, tmp_path):
    ctrl_c_at_any_moment(model, db, tmp_path / "log", 4)


@pytest.mark.full
def test_ctrl_c_at_sixty_moments(model, db, tmp_path):
    ctrl_c_at_any_moment(model, db, tmp_path / "log", 60)


def test_children_of_the_tests_run_this_checkout():
    import harness

    assert Path(str(harness.__file__)).is_relative_to(ROOT)
