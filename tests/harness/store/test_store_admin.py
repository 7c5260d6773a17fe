"""`harness db`, `rm`, `gc`, `tag`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli import store_admin
from harness.errors import UsageError
from harness.results import Store
from tests.harness.results import make

app = typer.Typer()
app.add_typer(store_admin.db, name="db")
for command in (store_admin.rm, store_admin.gc, store_admin.tag):
    app.command()(command)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("HARNESS_DB", str(tmp_path / "s.duckdb"))
    return Store(tmp_path / "s.duckdb")


def said(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    if result.exception:
        raise result.exception
    return result.stdout


def document(*words: str) -> Any:
    return json.loads(said(*words, "--json"))


def test_tag(store: Store) -> None:
    made = make.stored(store, name="llama")
    assert document("tag", "llama", "best") == {"run": made.id, "tags": ["best"]}
    assert "best, good" in said("tag", "best", "good")
    assert document("tag", made.id[:8], "best", "--remove")["tags"] == ["good"]
    with pytest.raises(UsageError, match="Did you mean llama"):
        said("tag", "lama", "best")


def test_rm_and_gc(store: Store) -> None:
    one, two = make.stored(store, 5, name="one"), make.stored(store, 6, name="two")
    assert "6 samples" in said("rm", "two", "--yes")
    assert [run.id for run in store.runs()] == [one.id]
    with pytest.raises(UsageError):
        said("rm", "one", two.id)
    assert [run.id for run in store.runs()] == [one.id]
    assert document("rm", "one")["removed"] == [one.id]  # no terminal: nobody to ask
    assert document("gc")["bytes_after"] == store.path.stat().st_size
    assert "MB now" in said("gc")


def test_rm_asks_on_a_terminal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make.stored(store, name="one")
    monkeypatch.setattr(store_admin, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    assert CliRunner().invoke(app, ["rm", "one"], input="n\n").exit_code == 1
    assert len(store.runs()) == 1
    assert CliRunner().invoke(app, ["rm", "one"], input="y\n").exit_code == 0
    assert store.runs() == []


def test_db(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other.duckdb")
    make.stored(other, 4)
    make.stored(store, 3)
    assert document("db", "merge", str(other.path))["samples"] == 4
    assert "1 runs were here already" in said("db", "merge", str(other.path))
    found = document("db", "info")
    assert (found["runs"], found["samples"]) == (2, 7)
    assert "samples    7" in said("db", "info")
    assert document("db", "info", "--db", str(other.path))["runs"] == 1


def test_nothing_heavy_at_start() -> None:
    code = "import sys, harness.cli.store_admin, harness.results as s; s.Store('x').find('y');"
    code += "print({'duckdb', 'pyarrow', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-P", "-c", code], text=True) == "set()\n"
