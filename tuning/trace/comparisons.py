"""Differences of runs, and configurations: several trainings of the same hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.evaluation.configurations import MEMBER, Configuration, results_of
from harness.evaluation.configurations import configurations as every_configuration
from tuning.store import Store
from tuning.trace.links import Figure, Link, address, command, of_number, of_score
from tuning.trace.runs import run_link, samples_link, score_link

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison
    from harness.evaluation.task_result import TaskResult
    from harness.results import RunRow


def comparison_link(
    store: Store, baseline: Configuration, others: Sequence[Configuration], groups: bool = False
) -> Link:
    """As `harness compare` has it, for all the tasks that each side shares with the baseline. `groups`: by subject too.
    UsageError where they cannot be compared."""
    from harness.evaluation.compare import against

    first = results_of(store, baseline)
    refused: list[str] = []
    loaded = [results_of(store, other) for other in others]
    compared = against(first, loaded, by_group=False, refused=refused, left_out=refused)
    by_group = against(first, loaded, by_group=True, refused=[]) if groups else [[] for _ in others]
    if not any(compared):
        raise UsageError(" ".join(refused) or "The runs share no task.")
    figures = [
        figure
        for other, rows, parts in zip(others, compared, by_group, strict=True)
        for row in (*rows, *(part for part in parts if part.group != "all"))
        for figure in _difference(row, f" of {other.name}" if len(others) > 1 else "")
    ]
    sides = (baseline, *others)
    words = [side.key or side.newest.id[:12] for side in sides]
    shared = [result.task for result in first if any(result.task == other.task for part in loaded for other in part)]
    return Link(
        "comparison",
        f"{', '.join(other.name for other in others)} against {baseline.name}",
        {
            "baseline": baseline.key or baseline.newest.id,
            "runs": [run.id for other in others for run in other.runs],
            "tasks": list(dict.fromkeys(shared)),
        },
        figures,
        tuple(dict.fromkeys(refused)),
        command(store, "compare", *words),
        address("compare", runs=words),
        tuple(_compared(store, run, shared) for side in sides for run in side.runs),
    )


def _compared(store: Store, run: RunRow, tasks: Sequence[str]) -> Link:
    own = run_link(store, run)
    known = [task.task for task in store.tasks(run.id) if task.task in tasks]
    parts = [samples_link(store, run, task, store.samples(run.id, task)) for task in known]
    return Link(own.kind, own.name, own.facts, (), own.missing, own.command, own.page, (*parts, *own.sources))


def _difference(row: Comparison, of: str) -> list[Figure]:
    scale = 100 if all(0 <= value <= 1 for value in (row.a, row.b)) else 1
    what = f"{row.task} {row.metric}" + ("" if row.group == "all" else f" of {row.group}") + of
    made_from = f"{row.n:,} items that both answered"
    if (row.a_seeds, row.b_seeds) != (1, 1):
        made_from += f", {row.a_seeds} and {row.b_seeds} seeds"
    ends = (row.difference, row.low, row.high)
    figures = [
        of_number(f"{what}, baseline", "{:.1f}", (row.a, None, None), made_from, scale=scale),
        of_number(f"{what}, this run", "{:.1f}", (row.b, None, None), made_from, scale=scale),
        of_number(f"{what}, difference", "{:+.1f}", ends, made_from, scale=scale),
        of_number(f"{what}, p", "{:.3g}", (row.p_value, None, None), made_from),
    ]
    if row.p_holm is not None:
        figures.append(of_number(f"{what}, p (Holm)", "{:.3g}", (row.p_holm, None, None), made_from))
    return figures


def configuration_link(store: Store, name: str, runs: Sequence[RunRow], task: str | None = None) -> Link:
    """Runs of one configuration: each task's mean over seeds and items, its interval over both (harness/stats/crossed).
    A task whose items differ between the runs has no mean; `missing` says so."""
    from harness.evaluation.compare import results

    loaded = [results(store, run) for run in runs]
    seeds = len({run.model_digest or run.id for run in runs})
    tasks = [task] if task else list(dict.fromkeys(result.task for own in loaded for result in own))
    figures, missing = [], []
    for wanted in tasks:
        of_task = [result for own in loaded for result in own if result.task == wanted]
        figure = _over_seeds(of_task) if len(of_task) == seeds else None
        if figure is None:
            missing.append(f"The runs did not answer the same items of {wanted}: there is no mean over them.")
        else:
            figures.append(figure)
    return Link(
        "configuration",
        name,
        {"runs": [run.id for run in runs], "seeds": seeds},
        figures,
        missing,
        command(store, "trace", MEMBER + name) if name in configurations(store) else "",
        sources=tuple(
            score_link(store, run, task) if task else run_link(store, run, scores=True)
            for run, own in zip(runs, loaded, strict=True)
            if task is None or any(result.task == task for result in own)
        ),
    )


def _over_seeds(results: Sequence[TaskResult]) -> Figure | None:
    import numpy as np

    from harness.evaluation.compare import by_item, places
    from harness.evaluation.task_result import MACRO
    from harness.stats.crossed import crossed

    headline = results[0].metric
    macro = headline.endswith(MACRO) and not any(headline in row.metrics for row in results[0].samples)
    metric = headline.removesuffix(MACRO) if macro else headline
    values = [{item: own[metric] for item, own in by_item(result).items() if metric in own} for result in results]
    items = sorted(values[0])
    if not items or any(sorted(own) != items for own in values):
        return None
    at = places(results[0])
    table = np.asarray([[own[item] for item in items] for own in values])
    bounded = (0.0, 1.0) if table.min() >= 0 and table.max() <= 1 else None
    groups = [at[item][0] for item in items] if macro else None
    interval = crossed(table, [at[item][1] for item in items], groups, bounded)
    made_from = f"{len(values)} seeds × {len(items):,} items"
    return of_score(f"{results[0].task} {headline}", (interval.value, interval.low, interval.high), made_from=made_from)


def configurations(store: Store) -> dict[str, Configuration]:
    """By the tag's NAME: those whose runs share a tag."""
    return {one.key: one for one in every_configuration(store) if one.key}
