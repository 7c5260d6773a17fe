"""docs/results.md says what the committed figures say, and these what the study's committed files do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.results.page import page
from harness.exchange import store_files
from tuning.report.documents import study_document
from tuning.store import Store
from tuning.study.definition import ledger_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "results"


def test_the_page_is_made_from_the_figures() -> None:
    assert (DOCS / "results.md").read_text(encoding="utf-8") == page(RESULTS)


def test_another_figure_makes_another_page(tmp_path: Path) -> None:
    known = json.loads((RESULTS / "real.json").read_text(encoding="utf-8"))
    trial = next(trial for search in known["searches"] for trial in search["trials"] if trial["loss"] is not None)
    trial["loss"] += 1
    (tmp_path / "real.json").write_text(json.dumps(known), encoding="utf-8")
    assert page(tmp_path) != page(RESULTS)


def test_the_figures_are_those_of_the_studys_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    store_files.take_in(store, RESULTS / "real")
    known = json.loads((RESULTS / "real.json").read_text(encoding="utf-8"))
    rows = {row.name: row for row in store.studies()}
    assert len(rows) == len(known["searches"])
    for search in known["searches"]:
        document = study_document(rows[search["name"]], ledger_of(store, rows[search["name"]]))
        assert document["study"]["compute_tokens"] == search["compute_tokens"]
        assert len(document["trials"]) == len(search["trials"])
        for trial, given in zip(document["trials"], search["trials"], strict=True):
            assert trial["hyperparameters"] == given["hyperparameters"]
            assert trial["value"] == pytest.approx(given["value"])
            assert (trial["values"] or [None])[0] == pytest.approx(given["loss"])
