"""`harness doctor` tells the truth about this machine, and about a worse one."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness import doctor
from harness.cli.doctor import doctor as command
from harness.doctor import Finding, examine, fit


def named(findings: list[Finding], name: str) -> Finding:
    return next(one for one in findings if one.name == name)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(command)
    return app


def test_json_is_one_document_and_the_exit_code_agrees(app: typer.Typer, tmp_path: Path, monkeypatch: Any):
    monkeypatch.setenv("HARNESS_DB", str(tmp_path / "store.duckdb"))
    result = CliRunner().invoke(app, ["--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == (0 if document["ready"] else 6)
    findings = {one["name"]: one for one in document["findings"]}
    assert findings["torch"]["detail"].startswith(metadata.version("torch"))
    assert findings["python"]["ok"]
    assert findings["device"]["detail"].startswith(("cpu", "cuda", "mps"))
    assert findings["store"] == {**findings["store"], "ok": True, "detail": str(tmp_path / "store.duckdb")}
    assert not (tmp_path / "store.duckdb").exists()
    needed = [one for one in document["findings"] if one["needed"]]
    assert document["ready"] == all(one["ok"] for one in needed)


def test_words_and_exit_codes(app: typer.Typer, monkeypatch: pytest.MonkeyPatch):
    good, lacking = Finding("a", True, "1.0", needed=True), Finding("b", False, "not installed", remedy="pip install b")
    monkeypatch.setattr(doctor, "examine", lambda: [good, lacking])
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0
    assert "absent" in result.stdout
    assert "pip install b" in result.stdout
    monkeypatch.setattr(doctor, "examine", lambda: [good, Finding("c", False, "gone", needed=True)])
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 6
    assert "MISSING  c" in result.stdout


def test_packages_missing_and_too_old(monkeypatch: pytest.MonkeyPatch):
    real = metadata.version

    def version(name: str) -> str:
        if name == "duckdb":
            return "2.0.0"
        if name in ("peft", "bitsandbytes"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    findings = list(doctor._packages())
    assert named(findings, "duckdb").remedy == 'pip install "duckdb<1.6,>=1.5"'
    assert named(findings, "peft").detail == "not installed; >=0.21.2 is needed"
    bad = {one.name for one in findings if not one.ok}
    assert bad == {"duckdb", "peft", "bitsandbytes"}
    assert not fit(findings)
    assert fit([one for one in findings if one.name not in ("duckdb", "peft")])
    assert not {"pytest", "ruff"} & {one.name for one in findings}  # a run does not need what developers need


def test_the_sandbox_is_tried_and_its_absence_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = doctor._sandbox()
    assert (finding.ok, finding.needed) == (False, True)
    assert "bubblewrap" in finding.detail
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexit 1\n")  # there, and does not work
    (tmp_path / "bwrap").chmod(0o755)
    (finding,) = doctor._sandbox()
    assert not finding.ok


def test_places_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_DB", str(tmp_path / "file" / "store.duckdb"))
    (store,) = doctor._store()
    assert not store.ok
    assert "cannot write into" in store.detail
    monkeypatch.setenv("HARNESS_DB", str(tmp_path))
    (store,) = doctor._store()
    assert not store.ok
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "file"))
    (rows,) = doctor._rows()
    assert (rows.ok, rows.needed) == (False, True)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: type("Usage", (), {"free": 1_000_000}))
    assert [one.ok for one in doctor._disk()] == [False, False, False]


def test_a_check_that_breaks_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch):
    def _torch() -> Any:
        raise OSError("libtorch.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "_torch", _torch)
    findings = examine()
    broken = [one for one in findings if "libtorch" in one.detail]
    assert [(one.name, one.ok, one.needed) for one in broken] == [("torch", False, True)]
    assert findings[-1].name == "disk hub"
    assert not fit(findings)
