"""Finalists: who they are, their comparison over rows and seeds, and its intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import MissingError, UsageError
from harness.evaluation.leaderboard import leaderboard
from harness.progress import SILENT
from tests.harness.runs import json_of
from tests.tuning import fakes
from tuning.store import Store
from tuning.store.rows import BASE
from tuning.study import finalist_evaluation, finalists, session


def test_long_rows_are_not_spread_by_being_long() -> None:
    """A gain of exactly 2 nats a token in every row has no spread, whatever the rows' lengths."""
    tokens = np.random.default_rng(0).integers(1, 200, 50)
    values = finalists.ratio(np.tile(-2.0 * tokens, (3, 1)), tokens)
    assert values == pytest.approx(-2.0)
    uneven = np.random.default_rng(1).normal(-2, 0.3, (3, 50)) * tokens
    assert finalists.ratio(uneven, tokens).mean() == pytest.approx(uneven.sum() / (3 * tokens.sum()))


def study(folder: Path, **changes: object) -> session.Result:
    return session.run(fakes.options(folder, **changes), setup=fakes.setup())


def test_the_best_a_spread_and_the_fixed_points(tmp_path: Path) -> None:
    found = study(tmp_path, budget=9, no_rungs=True)
    chosen = finalists.choose(found.row, found.ledger, best=2, spread=3)
    ranked = found.ledger.ranked()
    assert [f.trial for f in chosen[:2]] == ranked[:2]
    whys = {f.trial: f.why for f in chosen}
    assert whys[BASE] == "base"
    for trial in found.ledger.trials[:3]:
        assert trial.label in whys[trial.number]
    assert ranked[4] in whys  # the middle of nine
    assert len(whys) == len(chosen)


def test_trials_that_were_stopped_follow_those_on_all_rows(tmp_path: Path) -> None:
    found = study(tmp_path, budget=9)
    whole = [n for n in found.ledger.ranked() if found.ledger.whole(n)]
    assert 0 < len(whole) < 9
    chosen = finalists.choose(found.row, found.ledger, best=9)
    best = [f.trial for f in chosen if f.why.startswith("best")]
    assert [f.why.split(",")[0] for f in chosen[:-1]] == [f"best {place}" for place in range(1, 10)]
    assert best[: len(whole)] == whole
    assert sorted(best) == sorted(found.ledger.ranked())


def test_top_trains_over_new_seeds_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    found = study(tmp_path, budget=5)
    other = study(tmp_path, budget=5, seed=9)
    setup = fakes.setup(str(log))

    def top() -> finalist_evaluation.Top:
        options = fakes.options(tmp_path)
        return finalist_evaluation.top(options, found.row.id, 1, 0, 2, [other.row.id], SILENT, setup)

    first = top()
    begun = fakes.begun(log)
    assert {line.rpartition(", ")[2] for line in begun} == {"1]", "2]", "10]", "11]"}  # never the search's seed
    again = top()
    assert fakes.begun(log) == begun
    assert [m.losses for m in again.measured] == [m.losses for m in first.measured]
    against = [comparison.a.why for comparison in first.compared]
    assert "base" in against
    assert f"best of {other.row.name}" in against
    base = next(c for c in first.compared if c.a.trial == BASE)
    assert base.difference.value == pytest.approx(-1.5)
    assert "better" in base.sentence


def test_no_comparison_over_other_rows(tmp_path: Path) -> None:
    found = study(tmp_path, budget=4)
    other = study(tmp_path, budget=4, data_seed=1)
    with pytest.raises(UsageError, match="other rows"):
        finalist_evaluation.top(fakes.options(tmp_path), found.row.id, 1, 0, 1, [other.row.id], SILENT, fakes.setup())


@pytest.mark.full
def test_the_whole_way_on_the_embedded_model(tmp_path: Path) -> None:
    rows = fakes.rows(tmp_path / "rows")
    words = ["--model", "tiny", "--data", rows, "--db", tmp_path / "s.duckdb"]
    held = ["--set", "epochs=1", "--set", "batch=8", "--optimizer", "nomad", "--budget", 4]
    document = json_of("tune", *words, *held)
    assert document["study"]["status"] == "finished"
    assert len(document["trials"]) == 4
    merged = Path(document["best"]["merged"])
    assert (merged / "model.safetensors").exists()
    found = json_of(
        *("tune", "top", document["study"]["id"], "--k", 1, "--seeds", 2, "--merge", "--run", "--tasks", "drop"),
        *("--bench-data", "sample", "--db", tmp_path / "s.duckdb"),
    )
    assert len(found["runs"]) == 1 + 2 * (len(found["finalists"]) - 1)
    assert all(run["scores"] for run in found["runs"])
    shown = leaderboard(Store(tmp_path / "s.duckdb"))
    assert sorted(len(row["trainings"]) for row in shown) == [1] + [2] * (len(found["finalists"]) - 1)
    assert all((Path(path) / "harness_merge.json").exists() for path in found["merged"])
    # the race reads stored answers: nothing is asked that whole runs have
    raced = json_of(
        *("tune", "top", document["study"]["id"], "--k", 1, "--seeds", 2, "--race", "--tasks", "drop"),
        *("--bench-data", "sample", "--db", tmp_path / "s.duckdb"),
    )
    assert {run["run"] for run in raced["runs"]} == {run["run"] for run in found["runs"]}
    (race,) = raced["races"]
    assert len(race["standings"]) == len(found["finalists"])
    assert race["standings"][0]["winner"]


def test_what_the_new_trainings_warned_of_is_said_once(tmp_path: Path) -> None:
    found = study(tmp_path, budget=4, no_rungs=True)
    ledger = found.ledger
    chosen = finalists.choose(found.row, ledger, best=1)
    trained = [finalist for finalist in chosen if finalist.trial != BASE]
    for finalist in trained:
        for seed in (1, 2):
            one = ledger.whole(finalist.trial)
            assert one is not None
            texts = ("every one",) if finalist is not trained[0] else ("every one", "its own")
            key = (finalist.trial, "final", ledger.fractions[-1], seed)
            ledger.attempts[key] = replace(one, purpose="final", seed=seed, warnings=texts)
    key = (trained[-1].trial, "final", ledger.fractions[-1], 2)
    ledger.attempts[key] = replace(ledger.attempts[key], failed=True, reason="out of memory")
    assert finalists.remarks(chosen, seeds=2) == [
        "every one",
        f"{trained[0].name}: its own",
        f"{trained[-1].name}: a training failed: out of memory",
    ]


def test_a_device_that_is_not_there_is_refused_before_a_study(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(MissingError, match="no cuda device"):
        study(tmp_path, device="cuda")
    assert not Store(tmp_path / "s.duckdb").exists()
