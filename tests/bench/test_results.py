"""docs/results.md says what the committed figures say, and these what the study's committed files do."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.results.__main__ import exported
from bench.results.claims import claims
from bench.results.figures import Seeds
from bench.results.page import page, summary
from bench.results.pictures import pictures
from harness.exchange import store_files
from tuning.pipeline.study_file import StudyFile
from tuning.report.documents import study_document
from tuning.store import Store
from tuning.study.definition import ledger_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "results"


def test_the_page_is_made_from_the_figures() -> None:
    assert (DOCS / "results.md").read_text(encoding="utf-8") == page(RESULTS)


def test_the_readme_quotes_what_was_found() -> None:
    known = json.loads((RESULTS / "real.json").read_text(encoding="utf-8"))
    readme = " ".join((DOCS.parent / "README.md").read_text(encoding="utf-8").split())
    assert summary(known)
    assert summary(known) in readme


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


@pytest.fixture(scope="module")
def measured(whole_study: StudyFile, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of a study that ended, from its files alone."""
    out = tmp_path_factory.mktemp("results") / "real"
    known = exported(whole_study.path, str(whole_study.tune.db), out)
    return {"at": "2026-01-01", "store_bytes": 1_000_000, **known}


def test_a_study_that_ended_has_all_parts(measured: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text(json.dumps(measured), encoding="utf-8")
    text = page(tmp_path)
    for one in measured["finalists"]["measured"]:
        assert f"| {one['title']} |" in text
    assert not [claim for claim in claims(measured) if claim.word == "open" and "rank" not in claim.claim]
    assert list(pictures(measured)) == ["searches", "finalists", "benchmarks"]
    assert all(f"(results/{name}.svg)" in text for name in pictures(measured))
    assert all(drawn.startswith("<svg") for drawn in pictures(measured).values())


def test_one_training_each_is_no_proof_where_seeds_are_as_far_apart() -> None:
    """Of an interval of rows alone that is below zero."""
    none, small, large = Seeds.of([(1.0, None)]), Seeds.of([(1.0, 1.001)]), Seeds.of([(1.0, 1.02), (1.2, 1.18)])
    assert (none.configurations, small.configurations, large.configurations) == (0, 1, 2)
    assert (small.apart, large.apart) == (pytest.approx(0.001), pytest.approx(0.02))
    assert none.widened(-0.03, -0.05, -0.01) == (-math.inf, math.inf)
    # Student's t of 1 and of 2 degrees of freedom: 12.706 and 4.303
    half = math.hypot(0.02, 12.706 * 0.001)
    assert small.widened(-0.03, -0.05, -0.01) == pytest.approx((-0.03 - half, -0.03 + half), rel=1e-3)
    assert large.widened(-0.03, -0.05, -0.02)[1] == pytest.approx(-0.03 + math.hypot(0.01, 4.303 * 0.02), rel=1e-3)


def test_a_default_that_a_rung_stopped_too_early_is_named(measured: dict[str, Any], tmp_path: Path) -> None:
    changed = json.loads(json.dumps(measured))
    entries = {one["title"]: one for one in changed["finalists"]["measured"]}
    chosen = entries[changed["finalists"]["chosen"]]
    other = next(one for one in entries.values() if one["new_validation_loss"] is not None and one is not chosen)
    for lower, is_said in ((0.1, True), (-0.1, False)):
        other |= {"validation_loss": None, "new_validation_loss": chosen["new_validation_loss"] - lower}
        (tmp_path / "real.json").write_text(json.dumps(changed), encoding="utf-8")
        assert ("lower in validation loss than the chosen one" in page(tmp_path)) == is_said


def against(low: float, high: float, one: str = "nomad trial 5", rival: str = "paper-default") -> dict[str, Any]:
    ends = {"difference": (low + high) / 2, "low": low, "high": high}
    return {"one": one, "rival": rival, "verdict": "", "rows": 300, **ends}


def known(**parts: Any) -> dict[str, Any]:
    return {"searches": [], "finalists": None, "benchmarks": None, **parts}


@pytest.mark.parametrize(
    ("low", "high", "word"), [(-0.2, -0.1, "confirmed"), (0.1, 0.2, "contradicted"), (-0.1, 0.2, "undecided")]
)
def test_an_interval_decides_a_claim(low: float, high: float, word: str) -> None:
    pair = against(low, high, "nomad trial 5", "nni-tpe trial 9")
    turned = against(-high, -low, "nni-tpe trial 9", "nomad trial 5")
    for optimizers in ([pair], [turned]):
        finalists = {"chosen": "nomad trial 5", "against": [against(low, high)], "optimizers": optimizers}
        defaults, searches, *_ = claims(known(finalists=finalists))
        assert (defaults.word, searches.word) == (word, word)
        assert "nomad" in searches.because.split(" less ")[0]


def test_without_figures_claims_are_open() -> None:
    assert {claim.word for claim in claims(known())} == {"open"}


@pytest.mark.parametrize(("sign", "word"), [(1, "confirmed"), (-1, "contradicted")])
def test_ranks_of_the_best_trials_decide_the_last(sign: int, word: str) -> None:
    ranks = [8, 16, 32, 64, 128, 256, 512, 512, 8, 16, 32, 64]
    trials = [{"value": sign * rank, "label": "", "hyperparameters": {"rank": rank}} for rank in ranks]
    claim = claims(known(searches=[{"optimizer": "random", "trials": trials}]))[-1]
    assert claim.word == word
    assert ("0 of the best 3" if sign > 0 else "3 of the best 3") in claim.because


def test_the_committed_pictures_are_those_of_the_figures() -> None:
    drawn = pictures(json.loads((RESULTS / "real.json").read_text(encoding="utf-8")))
    assert {path.stem for path in RESULTS.glob("*.svg")} == set(drawn)
