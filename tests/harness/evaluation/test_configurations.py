"""A configuration's seeds are one row and one side of a comparison, and what cannot be one is said."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from harness.cli.leaderboard_tables import print_leaderboard
from harness.errors import UsageError
from harness.evaluation.configurations import configurations, member_tags, resolve, short_names
from harness.evaluation.leaderboard import leaderboard
from harness.results import RunRow, Store
from harness.stats.crossed import crossed, crossed_difference
from harness.stats.intervals import scores
from harness.types import Item, Sample
from tests.harness.results import make
from tests.harness.runs import cli, json_of

START = datetime(2026, 1, 1, tzinfo=UTC)
ITEMS = 60
# of a run that was made before the others
TUNED: dict[str, Any] = {"member": member_tags("tuned@abc123", 4), "created": START - timedelta(hours=1)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three seeds of `tuned@abc123`, and `base`. Nothing is written to it."""
    store = Store(tmp_path_factory.mktemp("configurations") / "s.duckdb")
    seeds_of(store, "tuned@abc123", 0.7)
    measured(store, "base", answers(9))
    return store


@pytest.fixture
def store(made: Store, tmp_path: Path) -> Store:
    """A copy, to write to."""
    return Store(shutil.copyfile(made.path, tmp_path / "s.duckdb"))


def named(store: Store, name: str) -> RunRow:
    return next(run for run in store.runs() if run.name == name)


def seeds_in(store: Store) -> list[RunRow]:
    return [named(store, f"tuned@abc123 seed {seed}") for seed in (1, 2, 3)]


def answers(seed: int, share: float = 0.5, items: int = ITEMS) -> list[float]:
    return [float(right) for right in np.random.default_rng(seed).random(items) < share]


def measured(
    store: Store,
    name: str,
    values: list[float],
    member: tuple[str, ...] = (),
    metric: str = "acc",
    task: dict[str, Any] | None = None,
    **columns: Any,
) -> RunRow:
    """A finished run with these values of one task, in six groups, and its scores."""
    minutes = len(store.runs()) if store.exists() else 0
    defaults = {"model_digest": name, "status": "finished", "created": START + timedelta(minutes=minutes)}
    run = make.run(name=name, **{**defaults, **columns})
    store.create(run, [replace(make.task(run.id, metric=metric, items=len(values)), **(task or {}))])
    base = metric.removesuffix("_macro")
    rows = [
        make.sample(run.id, f"i{n}", group=f"g{n * n % 6}", metrics={base: value}) for n, value in enumerate(values)
    ]
    store.record(run.id, samples=rows)
    samples = [Sample(Item(row.item, row.group, {}), row.metrics) for row in rows]
    found = scores(samples, base, macro=metric != base, by_group=False)
    store.save_scores(
        run.id,
        [
            make.score(run.id, metric=s.metric, value=s.value, low=s.low, high=s.high, n=s.n, method=s.method)
            for s in found
        ],
    )
    for tag in member:
        store.tag(run.id, tag)
    return run


def seeds_of(store: Store, name: str, share: float = 0.5, seeds: int = 3, **columns: Any) -> list[RunRow]:
    return [
        measured(store, f"{name} seed {seed}", answers(seed, share), member_tags(name, seed), **columns)
        for seed in range(1, seeds + 1)
    ]


def scored(store: Store, tasks: list[str], member: tuple[str, ...], digest: str) -> None:
    """A finished run that has scores alone."""
    run = make.run(model_digest=digest, status="finished", created=START)
    store.create(run, [make.task(run.id, task) for task in tasks])
    store.save_scores(run.id, [make.score(run.id, task=task) for task in tasks])
    for tag in member:
        store.tag(run.id, tag)


def test_seeds_are_one_row_with_the_interval_of_items_and_seeds(made: Store) -> None:
    runs = seeds_in(made)
    first, second = leaderboard(made)
    assert (first["run"], first["name"], first["configuration"]) == (named(made, "base").id, "base", "")
    assert (second["name"], second["configuration"], second["run"]) == ("tuned", "tuned@abc123", runs[-1].id)
    expected = crossed(np.asarray([answers(seed, 0.7) for seed in (1, 2, 3)]))
    score = second["scores"]["mmlu"]
    assert (score["value"], score["low"], score["high"]) == pytest.approx(expected)
    assert (score["interval"], score["n"], score["seeds"]) == ("crossed", ITEMS, 3)
    assert [(t["seed"], t["runs"]) for t in second["trainings"]] == [(n + 1, [run.id]) for n, run in enumerate(runs)]
    assert [t["scores"]["mmlu"]["value"] for t in second["trainings"]] == [np.mean(answers(n, 0.7)) for n in (1, 2, 3)]
    assert second["tags"] == []


def test_a_macro_average_is_one_over_seeds_too(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    seeds_of(store, "tuned", seeds=2, metric="acc_macro")
    (row,) = leaderboard(store)
    groups = [f"g{n * n % 6}" for n in range(ITEMS)]
    order = sorted(range(ITEMS), key=lambda n: f"i{n}")
    values = np.asarray([answers(seed) for seed in (1, 2)])[:, order]
    expected = crossed(values, groups=[groups[n] for n in order])
    score = row["scores"]["mmlu"]
    assert (score["value"], score["low"], score["high"]) == pytest.approx(expected)


def test_a_figure_that_is_no_mean_over_items_has_no_interval(store: Store) -> None:
    for run in seeds_in(store):
        store.save_scores(run.id, [make.score(run.id, metric="acc", value=0.123)])
    row = leaderboard(store)[1]
    assert (row["scores"]["mmlu"]["value"], row["scores"]["mmlu"]["interval"]) == (pytest.approx(0.123), "none")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"task": {"shots": 0}}, "mmlu asked in another way"),
        ({"task": {"settings": {"cot": False}}}, "mmlu asked in another way"),
        ({"config": {"system": "Be brief."}}, "mmlu asked in another way"),
        ({"values": answers(7, items=40)}, "mmlu on other items"),
        ({"model_digest": "tuned@abc123 seed 1", "dtype": "bfloat16"}, "mmlu again"),
    ],
)
def test_what_was_measured_otherwise_is_a_row_of_its_own_and_said(store: Store, changes: Any, why: str) -> None:
    odd = measured(store, "odd", **{"values": answers(7), **TUNED, **changes})
    _, one, two = leaderboard(store)
    assert [run for t in one["trainings"] for run in t["runs"]] == [run.id for run in seeds_in(store)]
    assert ([t["runs"] for t in two["trainings"]], one["apart"], two["apart"]) == ([[odd.id]], "", why)
    _, out, _ = cli("show", "--db", store.path)
    assert f"! tuned: 1 run has a row of its own: {why}." in " ".join(out.split())


def test_whole_and_partial_runs_and_protocols_are_never_one_row(store: Store) -> None:
    measured(store, "some", answers(3), **TUNED, partial=True)
    measured(store, "quantised", answers(3), **TUNED, config={"load_in_4bit": True})
    other = measured(store, "other", answers(3), **TUNED, task={"protocol": "instructeval"})
    store.save_scores(other.id, [make.score(other.id, protocol="instructeval")])
    rows = [row for row in leaderboard(store) if row["configuration"]]
    assert [(row["protocol"], row["partial"], len(row["trainings"])) for row in rows] == [
        ("instructeval", False, 1),
        ("standard", False, 3),
        ("standard", False, 1),
        ("standard", True, 1),
    ]
    assert not any(row["apart"] for row in rows)


def test_a_task_that_one_seed_lacks_says_so(store: Store) -> None:
    scored(store, ["bbh"], member_tags("tuned@abc123", 1), "tuned@abc123 seed 1")
    row = leaderboard(store)[1]
    assert (row["scores"]["mmlu"]["seeds"], row["scores"]["bbh"]["seeds"], len(row["trainings"])) == (3, 1, 3)
    _, out, _ = cli("show", "--db", store.path)
    assert "1 of 3 seeds" in out


def test_a_run_that_a_fresh_one_replaced_is_no_seed(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    seeds_of(store, "tuned", seeds=2, identity="same")
    (row,) = leaderboard(store)
    assert [t["seed"] for t in row["trainings"]] == [2]


def test_names_are_short_where_that_tells_them_apart(store: Store) -> None:
    assert short_names(["a@1", "b@1", "b@2", "c"]) == {"a@1": "a", "b@1": "b@1", "b@2": "b@2", "c": "c"}
    scored(store, ["mmlu"], member_tags("tuned@def456", 1), "other")
    assert {one.name for one in configurations(store)} == {"tuned@abc123", "tuned@def456", "base"}
    with pytest.raises(UsageError, match="Did you mean tuned@abc123"):
        resolve(store, "tuned@abc12")


def test_words_for_a_configuration_and_for_its_runs(store: Store) -> None:
    runs = seeds_in(store)
    assert [run.id for run in resolve(store, "tuned").runs] == [run.id for run in reversed(runs)]
    other = measured(store, "tuned", answers(3))
    assert resolve(store, "tuned@abc123").runs == runs[::-1]
    assert resolve(store, "configuration=tuned@abc123").runs == runs[::-1]
    assert resolve(store, "tuned").runs == [other]  # a run of that name, which is none of its
    assert resolve(store, "tuned@abc123 seed 2").runs == [runs[1]]
    assert resolve(store, runs[0].id[:9]).trainings[0].seed == 1


def test_two_configurations_are_compared_over_their_seeds(made: Store) -> None:
    (found,) = json_of("compare", "base", "tuned", "--db", made.path)
    order = sorted(range(ITEMS), key=lambda n: f"i{n}")
    values = np.asarray([answers(seed, 0.7) for seed in (1, 2, 3)])[:, order]
    interval, p = crossed_difference(np.asarray([answers(9)])[:, order], values)
    assert (found["difference"], found["low"], found["high"], found["p_value"]) == pytest.approx((*interval, p))
    assert (found["a_seeds"], found["b_seeds"], found["method"], found["flips"]) == (1, 3, "crossed", None)
    assert found["runs"]["a"] == named(made, "base").id
    assert found["configurations"] == {"a": "", "b": "tuned@abc123"}
    _, out, _ = cli("compare", "base", "tuned", "--db", made.path)
    assert "b = tuned (3 seeds)" in out


def test_a_comparison_leaves_out_what_was_measured_otherwise_and_says_so(store: Store) -> None:
    odd = measured(store, "odd", answers(7), **TUNED, task={"shots": 0})
    (found,) = json_of("compare", "base", "tuned", "--db", store.path)
    assert found["b_seeds"] == 3
    assert found["warnings"] == [f"mmlu: odd ({odd.id[:12]}) was measured in another way, and is left out."]
    measured(store, "other base", answers(9), task={"shots": 2})
    code, _, err = cli("compare", "other base", "tuned", "--db", store.path)
    assert code == 2
    assert "the number of shots differs" in " ".join(err.split())


def test_show_lists_the_seeds_of_a_configuration(made: Store) -> None:
    _, out, _ = cli("show", "tuned", "--db", made.path)
    assert "3 seeds" in out
    for seed, run in enumerate(seeds_in(made), 1):
        (line,) = [line for line in out.splitlines() if run.id[:12] in line]
        assert line.split() == [str(seed), run.id[:12], f"{100 * np.mean(answers(seed, 0.7)):.1f}"]
    assert json_of("show", "tuned", "--db", made.path)["runs"] == leaderboard(made)[1:]
    code, _, err = cli("show", "tuned", "--groups", "--db", made.path)
    assert code == 2
    assert "--groups is for one run" in err


def test_long_names_are_whole_in_a_list_and_the_figures_below(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    name = "a-search-with-a-long-name-and-an-optimizer/paper-default-of-the-first-trial"
    scored(store, ["bbh", "drop", "humaneval", "mmlu"], member_tags(name, 1), "one")
    scored(store, ["bbh", "drop", "humaneval", "mmlu"], member_tags(name, 2), "two")
    scored(store, ["mmlu"], (), "another")
    console = Console(width=80, file=StringIO())
    print_leaderboard(console, leaderboard(store))
    out = console.file.getvalue()  # type: ignore[attr-defined]
    lines = out.splitlines()
    assert f"{name} · 2" in out
    assert all(len(line) <= 80 for line in lines)
    assert [sum(task in line for line in lines) for task in ("bbh", "drop", "humaneval", "mmlu")] == [1, 1, 1, 2]
    wide = Console(width=200, file=StringIO())
    print_leaderboard(wide, leaderboard(store))
    shown = wide.file.getvalue()  # type: ignore[attr-defined]
    assert sum("bbh" in line and "mmlu" in line for line in shown.splitlines()) == 1
