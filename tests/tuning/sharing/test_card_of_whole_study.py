"""The card of what a whole study chose, on the embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.progress import SILENT
from tests.harness.runs import cli
from tuning.pipeline import session
from tuning.pipeline.study_file import read
from tuning.pipeline.verdict import scores
from tuning.sharing import card_files
from tuning.sharing.gathering import card_of_whole_study

FILE = """
name = "whole"
model = "tiny"
data = "sample"
sizes = "24,8,8"
budget = 4
max-tokens = 96
no-rungs = true
[set]
epochs = 1
[searches]
optimizers = ["random"]
[finalists]
seeds = 2
worst = 0
[[benchmarks]]
tasks = "mmlu"
data = "sample"
limit = 2
"""


@pytest.mark.full
def test_the_chosen_one_has_the_verdict_and_numbers_that_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.toml"
    path.write_text(FILE, "utf-8")
    file = read(path, {"db": str(tmp_path / "h.duckdb")})
    outcome = session.run(file, SILENT).verdict
    assert outcome is not None
    chosen = outcome.board.chosen
    assert chosen is not None
    card, runs = card_of_whole_study(file)
    card_files.write(card, runs, tmp_path / "card")
    assert list(card.verdict) == list(outcome.sentences)
    own = next(one for one in card.figures if one.configuration == chosen.title)
    assert own.seeds == 2
    assert [100 * own.value, 100 * own.low, 100 * own.high] == pytest.approx(scores(outcome.board, chosen, "mmlu"))
    stated = {one.rival: (100 * one.difference, 100 * one.low, 100 * one.high) for one in card.differences}
    for one in outcome.against_rivals:
        assert stated[one.a.title] == pytest.approx((one.difference, one.low, one.high))
    code, out, errors = cli("verify", tmp_path / "card", "--db", tmp_path / "h.duckdb")
    assert code == 0, out + errors
    code, _, errors = cli("card", path, "--out", tmp_path / "again", "--db", tmp_path / "h.duckdb")
    assert code == 0, errors
    for name in ("README.md", "card.json"):
        assert (tmp_path / "card" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
