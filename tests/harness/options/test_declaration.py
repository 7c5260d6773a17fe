"""What a declaration does beside its checks: names of before, paths, changes, and which view comes first."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.options import BackendSettings, RunOptions
from harness.options.toml import read_toml
from tests.harness.runs import cli
from tuning.study.options import TuneOptions


def run_options(**values: Any) -> RunOptions:
    """Of values whose types a checker would refuse."""
    return RunOptions(**{"model": "m", **values})


def test_a_whole_number_is_a_number_too_and_true_is_none() -> None:
    assert RunOptions(model="m", temperature=1).temperature == 1.0
    for value in (True, "1", 1.0):
        with pytest.raises(UsageError, match=r"^limit="):
            run_options(limit=value)
    with pytest.raises(UsageError, match=r"^temperature=True"):
        run_options(temperature=True)


def test_a_path_is_its_text_and_one_word_a_list() -> None:
    options = run_options(model=Path("a/b"), db=Path("s.duckdb"), tags="t")
    assert (options.model, options.db, options.tags) == (os.fspath(Path("a/b")), "s.duckdb", ("t",))
    assert run_options(tags=["a", "b"]).tags == ("a", "b")


def test_options_do_not_change_and_are_replaced_with_checks() -> None:
    options = RunOptions(model="m")
    with pytest.raises(Exception, match="frozen"):
        options.limit = 3
    assert options.replace(limit=3).limit == 3
    assert options.limit is None
    with pytest.raises(UsageError, match="limit=0 must be"):
        options.replace(limit=0)
    assert pickle.loads(pickle.dumps(options)) == options


def test_a_backend_takes_its_part() -> None:
    settings = RunOptions(model="m", chat=True, lora="live", limit=3).settings
    assert type(settings) is BackendSettings
    assert (settings.chat, settings.lora) == (True, "live")
    assert "limit" not in BackendSettings.model_fields


def test_the_name_of_before_is_still_taken(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="samples is called repeats now"):
        assert run_options(samples=3).repeats == 3
    (tmp_path / "o.toml").write_text("samples = 3\n")
    assert read_toml(RunOptions, tmp_path / "o.toml") == {"repeats": 3}
    code, out, errors = cli("run", "--model", "tiny", "--samples", "0")
    assert (code, out) == (2, "")
    assert errors.startswith("note: --samples is called --repeats now.\nharness: --repeats 0 must be")
    with pytest.raises(UsageError, match="both are given"):
        run_options(samples=3, repeats=3)
    code, _, errors = cli("run", "--model", "tiny", "--samples", "2", "--repeats", "2")
    assert (code, "both are given" in errors) == (2, True)
    assert "--samples" not in cli("run", "--help")[1]


def test_a_runs_settings_are_stored_under_the_name_of_now() -> None:
    assert {"repeats", "tags", "model", "tensor_parallel"} <= set(RunOptions(model="m").model_dump())


def studied(monkeypatch: pytest.MonkeyPatch, *words: object) -> TuneOptions:
    """The options that `harness tune` makes of these words."""
    from tuning.study import session

    seen: list[TuneOptions] = []

    def run(options: TuneOptions, progress: object) -> None:
        seen.append(options)
        raise UsageError("seen")

    monkeypatch.setattr(session, "run", run)
    code, _, errors = cli("tune", *words)
    assert (code, errors) == (2, "harness: seen\n"), errors
    return seen[0]


def test_a_flag_comes_before_the_file_that_before_the_environment_and_that_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        'model = "tiny"\nseed = 7\nno-rungs = true\nmix = "paper"\nconstraint = "seconds<=9"\n[set]\nbatch = 4\n'
    )
    monkeypatch.delenv("HARNESS_DB", raising=False)
    assert studied(monkeypatch, "--model", "m").db == RunOptions(model="m").db == "harness.duckdb"
    monkeypatch.setenv("HARNESS_DB", "environment.duckdb")
    options = studied(monkeypatch, "--study", file)
    assert (options.db, options.seed, options.no_rungs, options.mix) == ("environment.duckdb", 7, True, "paper")
    assert RunOptions(model="m").db == TuneOptions().db == "environment.duckdb"
    assert RunOptions(model="m", db="own.duckdb").db == "own.duckdb"
    words = ["--seed", 0, "--rungs", "--mix", "", "--set", "epochs=2", "--set", "batch=8"]
    options = studied(monkeypatch, "--study", file, *words)
    assert (options.seed, options.no_rungs, options.mix) == (0, False, "")
    assert dict(options.set) == {"batch": 8, "epochs": 2}
    assert options.constraint == ("seconds<=9",)
    file.write_text('db = "file.duckdb"\n')
    assert studied(monkeypatch, "--study", file).db == "file.duckdb"
    assert studied(monkeypatch, "--study", file, "--db", "harness.duckdb").db == "harness.duckdb"


def test_a_wrong_flag_over_a_right_file_and_a_wrong_file_under_a_right_flag(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("budget = 40\n")
    code, _, errors = cli("tune", "--study", file, "--budget", "forty")
    assert (code, errors) == (2, "harness: --budget forty must be a whole number from 1 to 1000000.\n")
    file.write_text('budget = "40"\n')
    code, _, errors = cli("tune", "--study", file, "--budget", "40")
    assert (code, errors) == (2, f'harness: {file}: budget = "40" must be a whole number from 1 to 1000000.\n')
    wrong: dict[str, Any] = {"budget": "40"}
    with pytest.raises(UsageError, match=r'^budget="40" must be a whole number from 1 to 1000000.$'):
        TuneOptions(**wrong)
