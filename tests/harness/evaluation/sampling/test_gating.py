"""Early verdicts: what the whole run's is going to be."""

from __future__ import annotations

import numpy as np
import pytest

from harness.evaluation.compare import compare
from harness.evaluation.sampling.gating import NOT_YET, distance_told, early_verdict, gated, verdict
from harness.evaluation.task_result import TaskResult
from harness.results import SampleRow
from harness.stats.intervals import wilson
from harness.stats.sequences import MeanSequence
from tests.harness.evaluation.sampling.test_compare_sampled import read

ITEMS, BATCH, MAX_DROP = 600, 60, 1.0


def result(name: str, right: np.ndarray) -> TaskResult:
    rows = [SampleRow(name, "mmlu", f"q{n}", 0, "g", "", {"acc": float(value)}) for n, value in enumerate(right)]
    return TaskResult(name, "mmlu", "standard", "1", 0, False, "", "d", {}, "acc", False, rows)


def pair(rng: np.random.Generator, drop: float) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong of a baseline and of a candidate whose answers change in one of ten."""
    baseline = (rng.random(ITEMS) < 0.6).astype(float)
    changes = rng.random(ITEMS)
    lost = (baseline == 1) & (changes < (0.1 + drop) / 2 / 0.6)
    gained = (baseline == 0) & (changes < (0.1 - drop) / 2 / 0.4)
    return baseline, np.where(lost, 0.0, np.where(gained, 1.0, baseline))


def early(baseline: np.ndarray, candidate: np.ndarray) -> tuple[str, int]:
    """The first verdict at a look after each batch, of items in random order, and the items that were read."""
    sequence = MeanSequence([1.0] * ITEMS, known=baseline.tolist())
    for start in range(0, ITEMS - BATCH, BATCH):
        sequence.add(candidate[start : start + BATCH].tolist())
        if (outcome := early_verdict(sequence, MAX_DROP)) != NOT_YET:
            return outcome, sequence.n
    return NOT_YET, ITEMS


def test_an_early_verdict_is_seldom_another_than_that_of_the_whole_run() -> None:
    rng = np.random.default_rng(11)
    wrong, verdicts, items = 0, set(), []
    for drop in (-0.04, -0.01, 0.0, 0.01, 0.03, 0.06, 0.09):
        for _ in range(20):
            baseline, candidate = pair(rng, drop)
            outcome, count = early(baseline, candidate)
            items.append(count)
            if outcome != NOT_YET:
                verdicts.add(outcome)
                (row,) = compare(result("base", baseline), result("new", candidate), ["acc"])
                wrong += outcome != verdict(row, MAX_DROP)
    assert wilson(wrong, len(items)).low <= 0.05
    assert {"pass", "fail"} <= verdicts
    assert float(np.mean(items)) < 0.85 * ITEMS


def test_a_verdict_that_is_early_and_wrong_would_be_seen() -> None:
    """The same measure of a rule that looks at the difference so far alone."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(60):
        baseline, candidate = pair(rng, 0.01)
        so_far = float((candidate - baseline)[:BATCH].mean())
        (row,) = compare(result("base", baseline), result("new", candidate), ["acc"])
        wrong += ("pass" if so_far > -MAX_DROP / 100 else "fail") != verdict(row, MAX_DROP)
    assert wilson(wrong, 60).low > 0.05


def test_a_part_gives_the_verdict_of_the_whole_where_it_is_clear() -> None:
    baseline, worse = pair(np.random.default_rng(1), 0.095)
    base, new = result("base", baseline), result("new", worse)
    assert gated(base, new, MAX_DROP).verdict == "fail"
    part = gated(base, read(new, 400), MAX_DROP)
    assert part.verdict == "fail"
    assert (part.comparison.n, part.comparison.of) == (400, ITEMS)
    assert gated(base, read(new, 40), MAX_DROP).verdict == NOT_YET
    assert gated(base, read(new, 40), MAX_DROP).distance_told > part.distance_told > 0
    assert gated(read(base, 400), new, MAX_DROP).verdict == "fail"
    # the other way round nothing has dropped
    assert gated(new, read(base, 400), MAX_DROP).verdict == "pass"


def test_of_a_whole_run_the_power_is_that_of_its_interval() -> None:
    rng = np.random.default_rng(4)
    distance = distance_told(ITEMS, ITEMS, 0.1)
    count = 0
    for _ in range(200):
        values = rng.choice([-1.0, 0.0, 1.0], ITEMS, p=[0.05 + distance / 200, 0.9, 0.05 - distance / 200])
        count += values.mean() + 1.96 * values.std() / ITEMS**0.5 < 0
    assert count / 200 == pytest.approx(0.8, abs=0.09)
