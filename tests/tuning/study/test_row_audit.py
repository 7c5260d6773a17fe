"""A study's rows against the items that its finalists are measured on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.tasks import load
from tests.harness.results import make
from tests.tuning import fakes
from tuning.report import audits
from tuning.report.documents import view_of
from tuning.report.page import write
from tuning.store import Store, StudyRow
from tuning.study import session
from tuning.study.definition import Study, again
from tuning.study.row_audit import audit_finalists

ANIMALS = ["otter", "heron", "lynx", "newt", "gecko", "crane", "viper", "moose", "tapir", "ibis"]
DOINGS = ["sleeps", "hunts", "swims", "hides"]
PLANTED = 6


def items() -> list[Any]:
    return list(load("mmlu", "sample", shots=0)[0].task.items())


@pytest.fixture
def made(tmp_path: Path) -> tuple[Store, StudyRow]:
    rows = [
        {"instruction": f"Say when the {a} {b}, <b>please</b>.", "output": f"At {a} hour."}
        for a in ANIMALS
        for b in DOINGS
    ]
    for item in items()[:PLANTED]:
        rows.insert(7, {"instruction": item.row["question"], "output": item.row["choices"][0]})
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    options = fakes.options(tmp_path, data=str(path), budget=4, no_rungs=True)
    return Store(tmp_path / "s.duckdb"), session.run(options, setup=fakes.setup()).row


def measured(store: Store, study: StudyRow, trial: int, right: set[int], tag: str = "") -> dict[str, Any]:
    run = make.run(status="finished")
    store.create(run, [make.task(run.id, "mmlu", metric="acc")])
    known = items()
    store.record(
        run.id,
        [make.response(run.id, item.id) for item in known],
        [make.sample(run.id, item.id, float(at in right), group=item.group) for at, item in enumerate(known)],
    )
    if tag:
        store.tag(run.id, tag)
    return {"study": study.id, "trial": trial, "name": f"run of {trial}", "run": run.id}


def splits_of(study: StudyRow) -> Any:
    return again(Study.from_dict(study.config))[1]


def test_scores_stand_with_and_without_what_was_trained_on(made: tuple[Store, StudyRow], tmp_path: Path) -> None:
    store, study = made
    splits = splits_of(study)
    rows = (*splits.train, *splits.validation)
    held = {row.instruction for row in splits.test}
    trained = {item.id for item in items()[:PLANTED] if item.row["question"] not in held}
    assert trained
    every = set(range(len(items())))
    right = {at for at, item in enumerate(items()) if item.id in trained}
    runs = [measured(store, study, 0, set()), measured(store, study, 1, right), measured(store, study, 1, right)]
    mmlu, bbh = audit_finalists(store, study, rows, "mmlu,bbh", "sample", runs)

    assert {item["item"] for item in mmlu["flagged"]} == trained
    assert mmlu["rows"] == len(set(rows))
    written = (tmp_path / "mine.jsonl").read_text("utf-8").splitlines()
    for flagged in mmlu["flagged"]:  # the number is that of the file, whatever the split's order
        line = json.loads(written[flagged["row"] - 1])
        assert line["instruction"].split()[:5] == flagged["excerpt"].split()[:5]
    assert (bbh["flagged"], bbh["scores"]) == ([], [])

    base, trial = mmlu["scores"]
    assert (base["name"], trial["name"]) == ("base", "trial 1")
    assert trial["all"]["value"] == pytest.approx(len(trained) / len(every))
    assert (trial["without"]["value"], trial["without"]["n"]) == (0, len(every) - len(trained))
    assert trial["over_base_all"]["value"] == pytest.approx(len(trained) / len(every))
    assert trial["over_base_without"]["value"] == 0
    assert base["over_base_all"] is None

    assert store.audits(study.id) == [bbh, mmlu]
    audit_finalists(store, study, rows, "mmlu", "sample", [])  # in place of the one before
    assert [audit["task"] for audit in store.audits(study.id)] == ["bbh", "mmlu"]
    assert store.audits(study.id)[1]["scores"] == []


def test_the_report_says_it_and_nothing_in_it_acts(made: tuple[Store, StudyRow], tmp_path: Path) -> None:
    store, study = made
    splits = splits_of(study)
    runs = [measured(store, study, 0, {1, 2}), measured(store, study, 1, {1, 2, 3})]
    documents = audit_finalists(store, study, (*splits.train, *splits.validation), "mmlu,bbh", "sample", runs)
    documents[0]["flagged"][0]["excerpt"] = "<script>alert(1)</script> | x"
    store.save_audits(study.id, {documents[0]["task"]: documents[0]})
    html, markdown = (path.read_text("utf-8") for path in write(view_of(store, study.id), tmp_path / "report"))
    for text in (html, markdown):
        assert "Contamination audit" in text
        assert "without flagged" in text
        assert "none is in them" in text
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert len(audits.score_rows(store.audits(study.id))) == 2


def test_a_report_without_measured_finalists_has_no_audit(made: tuple[Store, StudyRow], tmp_path: Path) -> None:
    store, study = made
    (html, _) = write(view_of(store, study.id), tmp_path / "report")
    assert "Contamination" not in html.read_text("utf-8")


def test_items_of_an_objective_are_audited_and_left_out(made: tuple[Store, StudyRow]) -> None:
    store, study = made
    splits = splits_of(study)
    config = {**study.config, "objectives": ["validation", "benchmark:mmlu@1"]}
    searched = replace(study, config=config)
    seen = make.run(status="finished", partial=True)
    store.create(seen, [make.task(seen.id, "mmlu", metric="acc")])
    first = items()[:PLANTED]
    store.record(
        seen.id, [make.response(seen.id, item.id) for item in first], [make.sample(seen.id, item.id) for item in first]
    )
    store.tag(seen.id, "objective:mmlu@1")
    runs = [measured(store, study, 0, {0}), measured(store, study, 1, {0, 1})]
    (bbh, mmlu) = audit_finalists(
        store, searched, (*splits.train, *splits.validation), "bbh", "sample", []
    )  # the objective's task is audited, whatever is measured
    assert mmlu["objectives"] == [{"word": "benchmark:mmlu@1", "items": PLANTED, "flagged": len(mmlu["flagged"])}]
    assert bbh["objectives"] == []
    (again_,) = audit_finalists(store, searched, (*splits.train, *splits.validation), "mmlu", "sample", runs)
    assert [score["all"]["n"] for score in again_["scores"]] == [len(items()) - PLANTED] * 2
    assert any("objective benchmark:mmlu@1" in sentence for sentence in audits.sentences([again_]))


def test_trials_of_another_study_stand_apart(made: tuple[Store, StudyRow], tmp_path: Path) -> None:
    store, study = made
    splits = splits_of(study)
    other = session.run(
        fakes.options(tmp_path, data=study.config["data"], budget=4, no_rungs=True, seed=9), setup=fakes.setup()
    ).row
    runs = [measured(store, study, 1, {0}), measured(store, other, 1, {0, 1, 2, 3})]
    (mmlu,) = audit_finalists(store, study, (*splits.train, *splits.validation), "mmlu", "sample", runs)
    assert [score["name"] for score in mmlu["scores"]] == ["trial 1", f"trial 1 of {other.name}"]
    assert mmlu["scores"][0]["all"]["value"] < mmlu["scores"][1]["all"]["value"]
