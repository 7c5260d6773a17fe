"""`harness data status` and `harness data import`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data.sources import DataError
from harness.cli.data_rows import app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    problem = {"task_id": "T/0", "prompt": "p", "entry_point": "f", "canonical_solution": "c", "test": "t"}
    (tmp_path / "rows/humaneval").mkdir(parents=True)
    (tmp_path / "rows/humaneval/HumanEval.jsonl").write_text(json.dumps(problem))
    return tmp_path / "rows"


def call(*words: str) -> str:
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_nothing_cached(home: Path) -> None:
    assert "harness data import" in call("status")
    assert json.loads(call("status", "--json")) == {"cache": str(home / "data"), "benchmarks": []}


def test_import_then_status(home: Path, folder: Path) -> None:
    (imported,) = json.loads(call("import", "humaneval", str(folder), "--json"))["imported"]
    assert imported["rows"] == {"test": 1}
    assert imported["source"] == f"folder:{folder}"
    assert imported["notes"] == ["humaneval: 1 test rows here; the published benchmark has 164"]
    (listed,) = json.loads(call("status", "--json"))["benchmarks"]
    assert {key: listed[key] for key in ("name", "source", "rows", "digest")} == {
        "name": "humaneval",
        "source": f"folder:{folder}",
        "rows": {"test": 1},
        "digest": imported["digest"],
    }
    assert listed["bytes"] == sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    for table in (call("status"), call("import", "humaneval", str(folder))):
        assert "1 test" in table
        assert imported["digest"][:12] in table


def test_import_of_everything(home: Path, shared_data: Path) -> None:
    imported = json.loads(call("import", "all", str(shared_data), "--json"))["imported"]
    assert {one["name"]: one["rows"] for one in imported} == {
        "mmlu": {"dev": 285, "test": 14_042},
        "bbh": {"test": 6_511},
        "drop": {"test": 50},
        "humaneval": {"test": 164},
    }
    assert len(json.loads(call("status", "--json"))["benchmarks"]) == 4


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("humanevil", ".", "Did you mean humaneval"),
        ("mmlu", "nowhere", "no such folder"),
        ("mmlu", "sample", "no import"),
    ],
)
def test_errors_are_left_to_the_command_line(home: Path, name: str, source: str, message: str) -> None:
    done = CliRunner().invoke(app, ["import", name, source])
    assert isinstance(done.exception, DataError)
    assert message in str(done.exception)
    assert not home.exists()
