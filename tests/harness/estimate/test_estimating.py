"""`harness run --plan`: what it prints, keeps and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import backends
from harness.estimate.estimating import estimate
from harness.estimate.measure import sample_of
from harness.evaluation.planning import make_plan
from harness.options import RunOptions
from harness.results import Store
from harness.types import Generate
from tests.harness.runs import Scripted, cli, json_of
from tests.models import make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("estimate") / "m")


def words(model: Path, db: Path, *more: object) -> list[object]:
    usual = ["--model", model, "--data", "sample", "--tasks", "mmlu,drop", "--limit", 3, "--max-new-tokens", 6]
    return ["run", *usual, "--db", db, *more]


def test_a_plan_begins_nothing_and_is_held_against_the_run(model: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    code, out, errors = cli(*words(model, db, "--plan"), width=80)
    assert code == 0, errors
    assert max(map(len, out.splitlines())) <= 80
    for word in ("mmlu", "drop", "tokens", "time", "memory", "disk", "nothing was begun"):
        assert word in out
    store = Store(db)
    assert store.runs() == []

    document = json_of(*words(model, db))
    kept = document["estimate"]
    planned, took = kept["planned"], document["tokens"]
    assert kept["took_seconds"] == document["seconds"]["total"]
    assert planned["tokens"]["asked"] == took["asked"]
    assert planned["tokens"]["computed"] + took["generated"] >= took["computed"] > 0
    assert planned["tokens"]["generated"]["low"] <= took["generated"] <= planned["tokens"]["generated"]["high"]
    assert planned["memory_bytes"] == pytest.approx(document["peak_bytes"], rel=0.3)
    assert "took" in kept["sentence"]
    _, out, _ = cli("show", document["run"], "--db", db, width=80)
    assert "planned" in out

    again = json_of(*words(model, db, "--plan"))
    assert again["finished"]
    _, out, _ = cli(*words(model, db, "--plan"), width=80)
    assert "finished before" in out


@pytest.mark.parametrize(
    "wrong",
    [("--tasks", "mmmlu"), ("--system", "be kind"), ("--repeats", 3, "--tasks", "mmlu"), ("--concurrency", 4)],
)
def test_what_a_run_refuses_its_plan_refuses(wrong: tuple[object, ...], model: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    assert cli(*words(model, db, *wrong, "--plan")) == cli(*words(model, db, *wrong))
    assert not db.exists()


def test_a_backend_of_another_kind_is_asked_some_questions(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "make", lambda *needed: (Scripted(), []))
    options = RunOptions(model=str(model), data="sample", tasks="mmlu", db=str(tmp_path / "s.duckdb"))
    document = estimate(options)
    assert document["seconds"]["low"] < document["seconds"]["expected"] < document["seconds"]["high"]
    assert "answers; the time of the others is in proportion" in document["notes"][0]


def test_a_sample_is_the_same_questions_once(tmp_path: Path) -> None:
    options = RunOptions(
        model="tiny", data="sample", tasks="drop", repeats=3, temperature=0.5, limit=9, db=str(tmp_path / "s.duckdb")
    )
    (task,) = make_plan(options).tasks
    part = sample_of(task, [1, 4], 5)
    assert [item.id for item in part.items] == [task.items[1].id, task.items[4].id]
    assert part.keys == [(0, 0, 0), (1, 0, 0)]
    asked = [request for request in part.requests if isinstance(request, Generate)]
    whole = [request for request in task.requests if isinstance(request, Generate)]
    assert [request.prompt for request in asked] == [whole[n].prompt for n in (3, 12)]
    assert {request.max_tokens for request in asked} == {5}
