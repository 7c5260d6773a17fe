"""A plug-in's optimizer and objective in a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from tests.harness.plugged import forget, install
from tests.harness.runs import cli, json_of
from tests.tuning import fakes
from tuning import optimizers
from tuning.study import session


def test_a_study_with_both(plugged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.rows(tmp_path / "rows")
    real = session.run
    monkeypatch.setattr(session, "run", lambda *a, **k: real(*a, **{**k, "setup": fakes.setup()}))
    usual = ("tune", "--model", "tiny", "--data", tmp_path / "rows", "--no-merge", "--db", tmp_path / "s.duckdb")
    words = ("--optimizer", "corner", "--objective", "steps", "--constraint", "steps<=9")
    code, _, said = cli(*usual, *words)
    assert code == 2
    assert "corner knows no constraints. nomad, tpe, gp, nsga2, random, list do." in said
    document = json_of(*usual, *words[:4], "--budget", 4)
    assert document["trials"]
    assert {tuple(trial["values"]) for trial in document["trials"]} == {(3.0,)}


def test_what_it_cannot_do_is_said(plugged: Path) -> None:
    assert optimizers.names()[-2:] == ["list", "corner"]
    with pytest.raises(
        UsageError, match=r"corner has one objective, and 2 are asked\. Several can be had of nomad, tpe"
    ):
        optimizers.check("corner", objectives=2)
    with pytest.raises(UsageError, match=r"nomad has 2 objectives at most, and 3 are asked\. More can be had of tpe"):
        optimizers.check("nomad", objectives=3)


def test_a_broken_one_is_left_out_of_those_that_can(plugged: Path) -> None:
    install(plugged, "broken-plugin", {"optimizers": {"broken": "no_such_module:Optimizer"}})
    forget()
    with pytest.raises(UsageError, match=r"random, list do\.$"):
        optimizers.check("cma-es", constraints=1)
