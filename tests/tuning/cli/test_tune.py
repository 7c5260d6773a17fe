"""`harness tune` as people type it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.runs import cli, json_of
from tests.tuning import fakes
from tuning.store import Store
from tuning.study import session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows, where trainings are fakes."""
    fakes.rows(tmp_path / "rows")
    real = session.run
    monkeypatch.setattr(session, "run", lambda *a, **k: real(*a, **{**k, "setup": fakes.setup()}))
    return tmp_path


def tune(folder: Path, *words: object) -> list[object]:
    usual = ["--model", "tiny", "--data", folder / "rows", "--optimizer", "random", "--no-merge"]
    return ["tune", *usual, "--db", folder / "s.duckdb", *words]


def test_a_study_and_what_is_asked_of_it(folder: Path) -> None:
    document = json_of(*tune(folder, "--budget", 6, "--name", "mine"))
    assert [trial["number"] for trial in document["trials"]] == [1, 2, 3, 4, 5, 6]
    for trial in document["trials"]:
        assert {"optimizer", "hyperparameters", "state", "values", "rung", "seconds"} <= set(trial)
    best = document["best"]
    assert Path(best["adapter"]).is_dir()
    assert best["value"] == min(t["value"] for t in document["trials"] if not t["estimated"])

    db = ["--db", folder / "s.duckdb"]
    assert json_of("tune", "list", *db)["studies"][0]["name"] == "mine"
    assert json_of("tune", "show", "mine", *db)["trials"] == document["trials"]
    assert json_of("show", "mine", *db)["trials"] == document["trials"]
    code, _, errors = cli("show", "other", *db)
    assert (code, "no run 'other'" in errors) == (2, True)
    code, out, _ = cli("tune", "show", "mine", *db)
    assert code == 0
    assert "paper-default" in out
    assert "best: trial" in out
    code, out, _ = cli(*tune(folder, "--budget", 6), width=80)
    assert "finished before" in out
    assert "…" not in out  # the table fits
    assert max(len(line) for line in out.splitlines()[:12]) <= 80

    code, out, _ = cli("tune", "enqueue", "mine", "rank=32", "alpha_over_rank=1", "dropout=0.0", "lr=0.001", *db)
    assert code == 0
    assert "--budget 7" in out
    code, _, errors = cli("tune", "enqueue", "mine", "rank=33", *db)
    assert code == 2
    assert "lr" in errors
    assert json_of(*tune(folder, "--budget", 7))["trials"][6]["optimizer"] == "enqueued"
    code, _, errors = cli("tune", "stop", "mine", *db)
    assert (code, "not running" in errors) == (2, True)


def test_a_file_and_flags_over_it(folder: Path) -> None:
    (folder / "s.toml").write_text(
        f'model = "tiny"\ndata = "{folder}/rows"\nbudget = 4\noptimizer = "list"\nno-merge = true\n'
    )
    words = ["--study", folder / "s.toml", "--db", folder / "s.duckdb", "--set", "batch=4"]
    document = json_of("tune", *words, "--no-rungs")
    assert document["study"]["rungs"] == [1.0]
    assert {trial["hyperparameters"]["batch"] for trial in document["trials"]} == {4}


def test_a_sweep_of_validation_sizes_is_a_study_each(folder: Path) -> None:
    words = tune(folder, "--budget", 4, "--no-rungs", "--sizes", "20,5,5", "--sweep-validation", "4,8")
    studies = json_of(*words)["studies"]
    digests = [study["study"]["data_digests"] for study in studies]
    assert digests[0]["validation"] != digests[1]["validation"]
    assert digests[0]["test"] == digests[1]["test"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--optimizer", "nomat"], 2, "Did you mean nomad"),
        (["--budget", 1], 2, "come first"),
        (["--set", "batch"], 2, "NAME=VALUE"),
        (["--timeout", "soon"], 2, "1h30m"),
        (["--warm-start", "none"], 2, "no study"),
        (["--ray", "127.0.0.1:1"], 2, "no Ray cluster"),
    ],
)
def test_mistakes_are_sentences(words: list[object], code: int, says: str, folder: Path) -> None:
    Store(folder / "s.duckdb").create_study(_study())
    found, _, errors = cli(*tune(folder, "--budget", 4, *words))
    assert found == code, errors
    assert says in errors
    assert "Traceback" not in errors


def _study() -> Any:
    from datetime import UTC, datetime

    from tuning.store import StudyRow

    config = {"fractions": [1.0], "start": [], "objectives": ["validation"], "constraints": []}
    return StudyRow(
        "a" * 32, "b" * 64, "empty", "running", "tiny", "", "", "nomad", 0, 9, datetime.now(UTC), config=config
    )


def test_rm_gc_and_merge_know_studies(folder: Path) -> None:
    first = json_of(*tune(folder, "--budget", 4))
    other = folder / "other.duckdb"
    words = tune(folder, "--budget", 4, "--seed", 3)
    words[words.index("--db") + 1] = other
    second = json_of(*words)
    store = Store(folder / "s.duckdb")
    counts = store.merge(other)
    assert (counts["studies"], counts["trials"]) == (1, 4)
    assert {study.id for study in store.studies()} == {first["study"]["id"], second["study"]["id"]}
    assert store.merge(other)["studies"] == 0
    assert len(store.steps(second["study"]["id"], 1)) > 0
    code, _, errors = cli("rm", second["study"]["id"][:12], "--yes", "--db", store.path)
    assert code == 0, errors
    assert [study.id for study in store.studies()] == [first["study"]["id"]]
    assert store.attempts(second["study"]["id"]) == []
    assert not store.study_folder(second["study"]["id"]).exists()
    store.gc()
    assert len(store.trials(first["study"]["id"])) == 4
    assert json.loads(json.dumps(store.info()))["studies"] == 1
