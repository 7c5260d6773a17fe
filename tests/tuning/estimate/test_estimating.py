"""`harness tune --plan`: what it prints, keeps and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from judges.judging.cost import Prices
from tests.harness.runs import cli, json_of
from tests.tuning.models import small_base
from tuning.estimate.judging import judging
from tuning.store import Store
from tuning.study.definition import plan
from tuning.study.options import TuneOptions


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_base(tmp_path_factory.mktemp("estimate") / "base").path


def words(base: Path, db: Path, *more: object) -> list[object]:
    usual = ["--model", base, "--data", "sample", "--optimizer", "random", "--budget", 4, "--sizes", "12,6,6"]
    return ["tune", *usual, "--set", "epochs=1", "--no-rungs", "--no-merge", "--db", db, *more]


def test_a_plan_begins_nothing_and_is_held_against_the_study(base: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    code, out, errors = cli(*words(base, db, "--plan"), width=80)
    assert code == 0, errors
    assert max(map(len, out.splitlines())) <= 80
    for word in ("12 train, 6 validation", "4 at most", "time", "memory", "disk", "nothing was begun"):
        assert word in out
    store = Store(db)
    assert store.studies() == []

    study = json_of(*words(base, db))["study"]
    kept = study["estimate"]
    assert kept["took_seconds"] > 0
    assert kept["planned"]["memory_bytes"] == pytest.approx(kept["took_bytes"], rel=0.3)
    # the plan counts what goes through the base, a shared prefix once and padding too; the study its rows' own tokens
    computed = kept["planned"]["tokens"]["computed"]["expected"]
    assert computed == pytest.approx(study["compute_tokens"]["forward"], rel=0.2)
    assert kept["planned"]["trainings"]["expected"] == 4
    (row,) = store.studies()
    assert row.totals["sessions"] == 1
    _, out, _ = cli("tune", "show", row.name, "--db", db, width=80)
    assert "; memory planned" in " ".join(out.split())
    assert json_of(*words(base, db, "--plan"))["finished"]

    more = json_of(*words(base, db, "--plan"), "--budget", 5)
    assert (more["finished"], more["started"], more["trials"]) == (False, True, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--set", "target_modules=nothing"),
        ("--objective", "validation,adapter-size", "--optimizer", "nni-tpe"),
        ("--budget", 2),
        ("--device", "cuda"),
    ],
)
def test_what_a_search_refuses_its_plan_refuses(wrong: tuple[object, ...], base: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    planned, done = cli(*words(base, db, *wrong, "--plan")), cli(*words(base, db, *wrong))
    assert planned[0] != 0
    assert planned[0] == done[0]
    assert planned[2].splitlines()[-1] == done[2].splitlines()[-1]
    assert not db.exists()


def test_prices_go_with_a_plan(base: Path, tmp_path: Path) -> None:
    code, _, errors = cli(*words(base, tmp_path / "s.duckdb", "--price-in", 2))
    assert code == UsageError.exit_code
    assert "--plan" in errors


def test_a_judge_on_a_server_costs_money(base: Path, tmp_path: Path) -> None:
    options = TuneOptions(
        model=str(base),
        data="sample",
        objective="win-rate:some-model@3",
        prompts="sample",
        db=str(tmp_path / "s.duckdb"),
    )
    study = plan(options).study
    found = judging(study, 10, "sample", Prices(2.0, 8.0))
    assert found is not None
    assert found["requests"] % (3 * 2 * 10) == 0  # both orders of three prompts' turns, ten trials
    assert 0 < found["cost"] < found["most"]
    unpriced = judging(study, 10, "sample", None)
    assert unpriced is not None
    assert unpriced["cost"] is None
    by_reference = plan(options.replace(objective="win-rate:reference@3")).study
    assert judging(by_reference, 10, "sample", None) is None
