"""An export is held against itself: any byte, any score. What is broken here shows, under the name of its file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.evaluation.rescoring import is_same, rescored
from harness.evaluation.run import run
from harness.exchange import export, manifest
from harness.exchange.exported import from_layout, from_store, from_tables
from harness.exchange.files import Batch
from harness.exchange.verification import Verification, verify
from harness.options import RunOptions
from harness.results import RunRow, Store
from tests.harness.runs import Scripted

KINDS = ("parquet", "csv", "json")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of our four benchmarks by a scripted backend, exported in three ways."""
    folder = tmp_path_factory.mktemp("verify")
    options = RunOptions(model="tiny", data="sample", limit=2, db=str(folder / "s.duckdb"), name="=mine")
    result = run(options, make=lambda plan: (Scripted(), []))
    for kind in KINDS:
        export(Store(folder / "s.duckdb"), result.run.id, folder / kind, kind)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def row(home: Path) -> RunRow:
    (only,) = Store(home / "s.duckdb").runs()
    return only


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_exported_holds(home: Path, row: RunRow, kind: str) -> None:
    store = Store(home / "s.duckdb")
    found = verify(home / kind, store)
    assert (found.differences, found.unchecked) == ([], [])
    scores = store.scores(row.id)
    assert {score.task for score in scores} == {"mmlu", "bbh", "drop", "humaneval"}
    assert {score.group.partition(":")[0] for score in scores} >= {"all", "category"}
    assert found.numbers == 2 * len(scores)  # against the files' samples, and against the store's
    assert found.files == len(files(home / kind))


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_the_run_that_the_store_holds(home: Path, row: RunRow, kind: str) -> None:
    known = from_store(Store(home / "s.duckdb"), row)
    read = (
        from_layout(next((home / kind).rglob("results_*.json"))) if kind == "json" else from_tables(home / kind, kind)
    )
    assert read.run.id == row.id
    assert [replace(task, run="") for task in read.task_rows] == [replace(task, run="") for task in known.task_rows]
    assert [replace(score, run="") for score in read.score_rows] == [replace(s, run="") for s in known.score_rows]
    for task, samples in known.samples_by_task.items():
        assert [replace(s, run="") for s in read.samples_by_task[task]] == [replace(s, run="") for s in samples]
    if kind != "json":
        assert read.run == row


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_byte_of_any_file_shows(home: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([path for kind in KINDS for path in files(home / kind)]))
    seal = next(path.parent.glob(manifest.PATTERN))
    with flipped(path, data.draw(st.integers(0, path.stat().st_size - 1)), data.draw(st.integers(1, 255))):
        assert path.name in {one.file for one in manifest.check(seal)}
    assert manifest.check(seal) == []


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_whole_verification_names_the_file_too(home: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    path = data.draw(st.sampled_from(files(home / kind)))
    with flipped(path, data.draw(st.integers(0, path.stat().st_size - 1)), 1):
        assert path.name in {one.file for one in verify(home / kind).differences}


class flipped:
    """One byte of a file is another one for a while."""

    def __init__(self, path: Path, at: int, by: int) -> None:
        self.path, self.whole = path, path.read_bytes()
        content = bytearray(self.whole)
        content[at] ^= by
        self.content = bytes(content)

    def __enter__(self) -> None:
        self.path.write_bytes(self.content)

    def __exit__(self, *error: object) -> None:
        self.path.write_bytes(self.whole)


def again(folder: Path) -> None:
    """Write the manifest of a folder anew, as somebody would who knows how."""
    for old in folder.glob(manifest.PATTERN):
        old.unlink()
    with Batch(folder) as batch:
        for path in files(folder):
            content = path.read_bytes()
            path.unlink()
            batch.new(path.name).write_bytes(content)
        manifest.seal(batch, next(path.suffix.removeprefix(".") for path in batch.content))


def change_csv(folder: Path, name: str, change: Callable[[str], str]) -> Verification:
    path = folder / name
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    again(folder)
    return verify(folder)


def test_a_number_shows_where_the_manifest_was_made_anew(home: Path, tmp_path: Path) -> None:
    """A score that its samples do not make, with a manifest that fits."""
    folder = Path(shutil.copytree(home / "csv", tmp_path / "csv"))
    again(folder)
    assert verify(folder).differences == []
    before = next(line for line in (folder / "scores.csv").read_text().splitlines() if ",drop,all," in line)
    cells = before.split(",")
    cells[5] = repr(float(cells[5]) + 0.001)
    found = change_csv(folder, "scores.csv", lambda text: text.replace(before, ",".join(cells)))
    (one,) = found.differences
    assert one.file == "scores.csv"
    assert one.what.startswith(f"drop {cells[4]} of all: {float(cells[5]):.10g} [")
    assert "its samples make" in one.what


def test_a_sample_shows_where_the_manifest_was_made_anew(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "csv", tmp_path / "csv"))
    lines = (folder / "samples.csv").read_text("utf-8").splitlines()
    dropped = next(line for line in lines if ",mmlu," in line)
    found = change_csv(
        folder, "samples.csv", lambda text: text.replace(dropped + "\n", "").replace(dropped + "\r\n", "")
    )
    said = [one.what for one in found.differences]
    assert any(what.startswith("mmlu acc of all: ") for what in said)
    assert any(what.startswith("mmlu: ") and " samples of " in what for what in said)


def test_the_figure_that_lm_evals_readers_see_is_compared_too(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "json", tmp_path / "json"))
    (results,) = folder.rglob("results_*.json")
    document = json.loads(results.read_text("utf-8"))
    document["results"]["mmlu"]["acc,none"] += 0.25
    results.write_text(json.dumps(document), "utf-8")
    said = [(one.file, one.what) for one in verify(folder).differences]
    assert said[0][0] == results.name  # its bytes
    assert said[1][1].startswith("mmlu acc of all: ")
    assert "in its results" in said[1][1]


def test_what_is_gone_shows(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "parquet", tmp_path / "parquet"))
    (folder / "responses.parquet").unlink()
    assert [(one.file, one.what) for one in verify(folder).differences] == [("responses.parquet", "is not there")]
    (folder / "manifest_parquet.json").unlink()
    assert [one.file for one in verify(folder).differences] == ["manifest_parquet.json"]
    with pytest.raises(UsageError, match="nothing to verify"):
        verify(tmp_path / "nowhere")


def test_a_manifest_names_no_file_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with Batch(tmp_path / "in") as batch:
        batch.new("a").write_text("a")
        manifest.seal(batch, "x")
    seal = tmp_path / "in" / "manifest_x.json"
    assert manifest.check(seal) == []
    seal.write_text(seal.read_text().replace('"a"', '"../secret"'))
    assert [one.file for one in manifest.check(seal)] == ["manifest_x.json"]


def test_another_run_in_the_store_shows(home: Path, tmp_path: Path) -> None:
    other = Store(tmp_path / "other.duckdb")
    result = run(
        RunOptions(model="tiny", data="sample", tasks="mmlu", limit=1, db=str(other.path)),
        make=lambda plan: (Scripted(), []),
    )
    export(other, result.run.id, tmp_path / "out", "parquet")
    (one,) = verify(tmp_path / "out", Store(home / "s.duckdb")).differences
    assert "has no run" in one.what


def test_scores_follow_from_samples_alone(home: Path, row: RunRow) -> None:
    """And break where a sample's number is another."""
    known = from_store(Store(home / "s.duckdb"), row)
    made = rescored(known.task_rows, known.samples_by_task, known.score_rows)
    assert all(one is not None and is_same(score, one) for score, one in zip(known.score_rows, made, strict=True))
    first, *rest = known.samples_by_task["drop"]
    other = replace(first, metrics={name: 1 - value for name, value in first.metrics.items()})
    changed = {**known.samples_by_task, "drop": [other, *rest]}
    made = rescored(known.task_rows, changed, known.score_rows)
    differ = {
        score.task for score, one in zip(known.score_rows, made, strict=True) if not (one and is_same(score, one))
    }
    assert differ == {"drop"}
