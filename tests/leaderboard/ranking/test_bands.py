"""Rank bands: equals share one, and the tests behind them are those of `harness compare`."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from harness.evaluation.compare import compare, results
from leaderboard.ranking.bands import Band, bands, differences, pairs, placed
from tests.harness.results import make
from tuning.store import Store


def measured(
    store: Store, name: str, values, metric: str = "acc", clusters: int = 0, groups: int = 1, **columns
) -> str:
    """A whole run with these values, one an item; `clusters` and `groups` share the items among so many."""
    run = make.run(name=name, status="finished", **columns)
    store.create(run, [make.task(run.id, metric=metric, items=len(values))])
    base = metric.removesuffix("_macro")
    samples = [
        make.sample(
            run.id,
            f"i{n}",
            group=f"g{n % groups}",
            cluster=f"c{n % clusters}" if clusters else "",
            metrics={base: float(value)},
        )
        for n, value in enumerate(values)
    ]
    store.record(run.id, samples=samples)
    return run.id


def right(share: float, items: int, seed: int) -> list[int]:
    return list((np.random.default_rng(seed).random(items) < share).astype(int))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


def of_runs(found: dict[tuple[str, ...], Band]) -> dict[str, Band]:
    return {run: band for (run,), band in found.items()}


def test_equals_share_a_band_and_others_do_not(store):
    runs = [measured(store, f"m{n}", right(share, 400, n)) for n, share in enumerate((0.9, 0.9, 0.6, 0.6, 0.2))]
    found = of_runs(bands(store, tuple((run,) for run in runs), "mmlu", "acc"))
    assert [found[run] for run in runs] == [Band(1, 2, 5), Band(1, 2, 5), Band(3, 4, 5), Band(3, 4, 5), Band(5, 5, 5)]
    assert [str(found[run]) for run in runs] == ["1–2", "1–2", "3–4", "3–4", "5"]


def test_p_values_are_those_of_compare(store):
    a, b = (measured(store, f"m{n}", right(share, 300, n)) for n, share in enumerate((0.7, 0.62)))
    matrix = store.matrix([a, b], "mmlu", "acc")
    (found,) = differences(matrix, macro=False)
    (expected,) = compare(*(results(store, store.resolve(run))[0] for run in matrix.runs))
    assert found == pytest.approx((expected.difference, expected.p_value))
    assert expected.method == "mcnemar"


def test_macro_p_values_are_those_of_compare(store):
    a, b = (measured(store, f"m{n}", right(share, 90, n), "acc_macro", groups=7) for n, share in enumerate((0.7, 0.5)))
    matrix = store.matrix([a, b], "mmlu", "acc")
    (found,) = differences(matrix, macro=True)
    expected = compare(*(results(store, store.resolve(run))[0] for run in matrix.runs))[0]
    assert expected.metric == "acc_macro"
    assert found == pytest.approx((expected.difference, expected.p_value))


@pytest.mark.parametrize("clusters", [0, 30])
def test_graded_scores_are_tested_by_their_means(store, clusters):
    """Near the bootstrap's p where it has one, for each pair of three."""
    rng = np.random.default_rng(1)
    base = rng.random(300)
    runs = [
        measured(store, f"m{n}", np.clip(base + shift + rng.normal(0, 0.2, 300), 0, 1), "f1", clusters)
        for n, shift in enumerate((0.0, 0.02, 0.05))
    ]
    matrix = store.matrix(runs, "mmlu", "f1")
    found = differences(matrix, macro=False)
    for (a, b), (difference, p) in zip(combinations(matrix.runs, 2), found, strict=True):
        (expected,) = compare(*(results(store, store.resolve(run))[0] for run in (a, b)))
        assert difference == pytest.approx(expected.difference)
        assert expected.method == "bootstrap"
        assert p == pytest.approx(expected.p_value, abs=0.03)


def test_many_graded_models_can_be_told_apart(store):
    """With 40 models Holm asks the first pair for p below 0.05 / 780: less than 10,000 resamples can give."""
    rng = np.random.default_rng(2)
    base = rng.random(200)
    runs = [measured(store, f"m{n}", np.clip(base * 0.5 + n * 0.0125, 0, 1), "f1") for n in range(40)]
    found = of_runs(bands(store, tuple((run,) for run in runs), "mmlu", "f1"))
    assert found[runs[-1]].best == 1
    assert found[runs[0]].worst == 40
    assert found[runs[0]].best > 10


def test_holm_is_over_all_pairs():
    """One p of 0.02 is clear alone, and not as the least of three."""
    assert placed(2, [(0.1, 0.02)]) == [Band(2, 2, 2), Band(1, 1, 2)]
    assert placed(3, [(0.1, 0.02), (0.0, 1.0), (0.0, 1.0)]) == [Band(1, 3, 3)] * 3


def test_a_run_on_other_items_has_no_band(store):
    a, b = (measured(store, f"m{n}", right(0.5, 50, n)) for n in range(2))
    short = measured(store, "short", right(0.5, 40, 2))
    assert set(bands(store, ((a,), (b,), (short,)), "mmlu", "acc")) == {(a,), (b,)}


def test_equal_answers_are_one_band(store):
    same = right(0.5, 50, 0)
    runs = [measured(store, f"m{n}", same) for n in range(3)]
    assert set(bands(store, tuple((run,) for run in runs), "mmlu", "acc").values()) == {Band(1, 3, 3)}


def test_without_the_metric_there_are_no_bands(store):
    run = measured(store, "m", right(0.5, 10, 0))
    assert bands(store, ((run,),), "mmlu", "f1") == {}
    assert bands(store, (), "mmlu", "acc") == {}
    assert bands(store, ((run,),), "mmlu", "acc") == {(run,): Band(1, 1, 1)}


def test_an_items_repeats_are_one_value_of_the_matrix(store):
    """Also where another run, asked once, stored its items in another order."""
    twice, once = (make.run(name=name, status="finished") for name in ("twice", "once"))
    for run in (twice, once):
        store.create(run, [make.task(run.id, items=3)])
    values = {"i0": (1.0, 0.0), "i1": (1.0, 1.0), "i2": (0.0, 0.0)}
    store.record(
        twice.id,
        samples=[
            make.sample(twice.id, item, repeat=repeat, metrics={"acc": own[repeat]})
            for repeat in (0, 1)
            for item, own in values.items()
        ],
    )
    alone = [make.sample(once.id, item, metrics={"acc": values[item][0]}) for item in ("i2", "i0", "i1")]
    store.record(once.id, samples=alone)
    expected = {twice.id: [0.5, 1.0, 0.0], once.id: [1.0, 1.0, 0.0]}
    for runs in ([twice.id, once.id], [once.id]):
        matrix = store.matrix(runs, "mmlu", "acc")
        assert {run: list(row) for run, row in zip(matrix.runs, matrix.values, strict=True)} == {
            run: expected[run] for run in runs
        }


@pytest.mark.parametrize("metric", ["acc", "acc_macro"])
def test_seeds_are_one_model_and_tested_as_compare_tests_them(store, metric):
    """Two of three seeds each and a single run: each pair's p is that of `harness compare`."""
    models = [
        tuple(measured(store, f"m{n} {s}", right(share, 90, 10 * n + s), metric, groups=7) for s in range(3))
        for n, share in enumerate((0.8, 0.5))
    ]
    models.append((measured(store, "alone", right(0.6, 90, 99), metric, groups=7),))
    runs = [run for model in models for run in model]
    matrix = store.matrix(runs, "mmlu", "acc")
    found = pairs(matrix, models, macro=metric != "acc")
    for (a, b), (difference, p) in zip(combinations(models, 2), found, strict=True):
        sides = ([results(store, store.resolve(run))[0] for run in model] for model in (a, b))
        expected = compare(*sides, [metric])[0]
        assert (difference, p) == pytest.approx((expected.difference, expected.p_value))
        assert expected.method == "crossed"
    ranked = bands(store, tuple(models), "mmlu", metric)
    assert (ranked[models[0]].best, ranked[models[1]].worst) == (1, 3)


def test_a_configuration_of_which_one_seed_has_other_items_has_no_band(store):
    a, b = (measured(store, f"m{n}", right(0.5, 50, n)) for n in range(2))
    short = measured(store, "short", right(0.5, 40, 2))
    assert set(bands(store, ((a,), (b, short)), "mmlu", "acc")) == {(a,)}
