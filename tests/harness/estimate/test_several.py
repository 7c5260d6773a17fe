"""`harness run --plan` of several models: what each engine's group takes, and all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import backends
from harness.results import Store
from tests.harness.models.test_adapter import make_adapter
from tests.harness.runs import Scripted, cli, json_of
from tests.models import make_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base` and two `adapters`, and another base, `other`."""
    folder = tmp_path_factory.mktemp("several")
    make_model(folder / "base")
    make_model(folder / "other", seed=1)
    for name in ("one", "two"):
        make_adapter(folder / "adapters" / name, folder / "base", scale=0.3)
    return folder


def words(folder: Path, db: Path, *more: object) -> list[object]:
    usual = ["--data", "sample", "--tasks", "mmlu,drop", "--limit", 1, "--shots", 0, "--max-new-tokens", 3]
    return ["run", "--model", folder / "base", "--adapters", folder / "adapters", *usual, "--db", db, *more]


def test_a_group_is_measured_once_and_each_run_is_held_against_its_plan(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    planned = json_of(*words(folder, db, "--plan"))
    assert Store(db).runs() == []
    (group,) = planned["groups"]
    runs = {run["name"]: run for run in group["runs"]}
    assert list(runs) == ["base", "one", "two"]
    assert [run["measured_seconds"] > 0 for run in runs.values()] == [True, False, False]
    loading = {name: run["parts"]["loading"] for name, run in runs.items()}
    assert loading["one"] == loading["two"] != loading["base"], "an adapter's is that of the first adapter"
    assert planned["seconds"] == group["seconds"]
    total = sum(run["seconds"]["expected"] for run in runs.values())
    assert group["seconds"]["expected"] == pytest.approx(total, rel=1e-3)
    assert group["tokens"]["asked"] == 3 * runs["base"]["tokens"]["asked"]
    assert group["memory_bytes"] == runs["base"]["memory_bytes"] > 0
    assert group["disk_bytes"] == sum(run["disk_bytes"] for run in runs.values())

    for run in json_of(*words(folder, db))["runs"]:
        kept = run["estimate"]["planned"]
        assert kept["identity"] == runs[run["name"]]["identity"]
        assert kept["tokens"]["asked"] == run["tokens"]["asked"]
        assert kept["tokens"]["generated"]["low"] <= run["tokens"]["generated"] <= kept["tokens"]["generated"]["high"]


def test_groups_and_their_sum_fit_a_terminal(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(*_: object) -> tuple[Scripted, list[str]]:
        made.append(Scripted())
        return made[-1], []

    monkeypatch.setattr(backends, "make", make)
    db = tmp_path / "s.duckdb"
    json_of("run", "--model", folder / "base", *words(folder, db)[5:])
    made.clear()
    ask = words(folder, db, "--model", folder / "other", "--plan")
    code, out, errors = cli(*ask, width=80)
    assert code == 0, errors
    assert max(map(len, out.splitlines())) <= 80
    for line in (
        "base, one, two · float32 on cpu",
        "3 models, one after another on one engine; the tasks of each:",
        "1 of 3 runs were finished before; --fresh measures again.",
        "other · float32 on cpu",
        "All 2 groups, one after another, each on an engine of its own",
    ):
        assert line in out
    assert out.count("memory") == 3
    assert len(made) == 3, "two adapters, and the other base: what is finished is not loaded"
    document = json_of(*ask)
    assert [[run["finished"] for run in group["runs"]] for group in document["groups"]] == [
        [True, False, False],
        [False],
    ]
    for key in ("low", "expected", "high"):
        total = sum(group["seconds"][key] for group in document["groups"])
        assert document["seconds"][key] == pytest.approx(total, rel=1e-3)


def test_what_one_of_the_runs_refuses_the_plan_refuses(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    ask = words(folder, db, "--until", "gate=none")
    code, _, errors = cli(*ask, "--plan")
    assert code != 0
    assert (code, errors) == (cli(*ask)[0], cli(*ask)[2])
