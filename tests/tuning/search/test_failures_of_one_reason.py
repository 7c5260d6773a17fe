"""A study of which every trial fails: it stops after the first few for one reason, and never exits with 0."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.errors import IncompleteError
from tests.harness.runs import cli
from tests.tuning import fakes
from tuning.search.failures import FEW, one_reason
from tuning.store import AttemptRow, Store
from tuning.study import session

ALL = [2**n for n in range(2, 9)]  # the ranks of the space
ATTEMPT = AttemptRow("s", 1, "search", 1.0, 0, datetime.now(UTC), failed=True, reason="KeyError: 'w'")


def attempts(*reasons: str) -> list[AttemptRow]:
    """One a trial; "" is one that ended well."""
    return [replace(ATTEMPT, trial=n, failed=bool(r), reason=r) for n, r in enumerate(reasons, 1)]


@pytest.mark.parametrize(
    ("reasons", "found"),
    [
        (["KeyError: 'w'"] * FEW, "KeyError: 'w'"),
        (["KeyError: 'w'"] * (FEW - 1), ""),
        (["KeyError: 'w'"] * FEW + [""], ""),
        (["KeyError: 'w'"] * FEW + ["out of memory"], ""),
        ([f"out of memory at 1 row a pass, rank {n}" for n in range(FEW)], "out of memory at 1 row a pass, rank 0"),
        (["the loss is nan at step 3 of 9."] * FEW, ""),
        (["diverged: the loss is 99 at step 4 of 9, and guessing has 7."] * FEW, ""),
        (["the gradient is not finite at step 2 of 9."] * FEW, ""),
        (["the validation loss is inf nats."] * FEW, ""),
        (["its objectives are no finite numbers: (nan,)"] * FEW, ""),
    ],
)
def test_one_reason(reasons: list[str], found: str) -> None:
    assert one_reason(attempts(*reasons)) == found


def study(folder: Path) -> Any:
    return Store(folder / "s.duckdb").studies()[0]


@pytest.mark.parametrize("more", [{}, {"no_rungs": True}, {"parallel": 2}, {"packed": 3, "block": 6}], ids=str)
def test_a_study_that_cannot_go_well_stops_early(more: dict[str, Any], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(IncompleteError, match=r"for one reason, so the study stopped: .*an evaluation that raises"):
        fakes.run(tmp_path, dict.fromkeys(ALL, "raise"), log, budget=30, **more)
    assert study(tmp_path).status == "stopped"
    trials = Store(tmp_path / "s.duckdb").trials(study(tmp_path).id)
    failed = [trial for trial in trials if trial.state == "failed"]
    assert FEW <= len(failed) <= FEW + 6
    assert all("an evaluation that raises" in trial.reason for trial in failed)


def test_put_right_it_tries_them_again_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(IncompleteError):
            fakes.run(tmp_path, dict.fromkeys(ALL, "raise"), budget=8)
    found = fakes.run(tmp_path, budget=8)
    assert found.row.status == "finished"
    (tmp_path / "whole").mkdir()
    fakes.run(tmp_path / "whole", budget=8)
    assert fakes.outcome(tmp_path) == fakes.outcome(tmp_path / "whole")


def test_one_reason_to_the_end_of_a_small_budget(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="All of the first 4 trials"):
        fakes.run(tmp_path, dict.fromkeys(ALL, "raise"), budget=4)
    assert study(tmp_path).status == "stopped"


def tune(folder: Path, *words: object) -> list[object]:
    usual = ["--model", "tiny", "--data", fakes.rows(folder / "rows"), "--optimizer", "random", "--no-merge"]
    return ["tune", *usual, "--db", folder / "s.duckdb", *words]


@pytest.mark.parametrize(
    ("fault", "said"), [("trial", "All 6 trials of .* failed, so it has no best: the loss is not finite"),
                        ("raise", "All of the first 5 trials failed for one reason")],
)  # fmt: skip
def test_no_trial_at_all_is_no_exit_code_of_0(
    fault: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    real = session.run
    faulty = fakes.setup(faults=dict.fromkeys(ALL, fault))
    monkeypatch.setattr(session, "run", lambda *a, **k: real(*a, **{**k, "setup": faulty}))
    for _ in range(2):  # the same command again too
        code, _, errors = cli(*tune(tmp_path, "--budget", 6))
        assert code == 7
        assert re.search(said, " ".join(errors.split()))
    code, out, _ = cli("tune", "show", study(tmp_path).id[:8], "--db", tmp_path / "s.duckdb")
    assert code == 0
    assert "! trial 1: " in out
