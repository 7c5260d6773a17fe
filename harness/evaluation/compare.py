"""Runs, or configurations of several seeds, on the same items: is b better than a? Refuses what would not be a fair
comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import UsageError, suggest
from harness.evaluation.compare_values import Item, Tested, grouped, tested
from harness.evaluation.sampling.compare_sampled import Read, in_part
from harness.evaluation.task_result import MACRO, TaskResult
from harness.stats import paired
from harness.stats.drawing import unit_key

if TYPE_CHECKING:
    from harness.results import RunRow, Store

SAME = {
    "the task": "task",
    "the protocol": "protocol",
    "the task's version": "version",
    "the number of shots": "shots",
    "the chat setting": "chat",
    "the system text": "system",
    "the data's digest": "data_digest",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """b - a on the items of both, its 95% interval and two-sided p. Flips are counted for right/wrong metrics."""

    task: str
    group: str  # "all", or one group
    metric: str
    n: int  # items
    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value: float
    flips: int | None  # lost + gained
    lost: int | None  # a right, b wrong
    gained: int | None  # a wrong, b right
    method: str  # "mcnemar", "bootstrap", "stratified", over several seeds "crossed", of items read in part "sequence"
    p_holm: float | None = None  # adjusted over the first metrics of all tasks and runs, where there are several
    a_seeds: int = 1
    b_seeds: int = 1
    of: int | None = None  # all items, where a run has read `n` of them: the figures are those of all


Side = TaskResult | Sequence[TaskResult]  # one run's, or one of each seed


def compare(a: Side, b: Side, metrics: Sequence[str] | None = None, by_group: bool = False) -> list[Comparison]:
    """Each metric over all items, then with `by_group` over each group. Without `metrics`, all metrics of both sides,
    the task's first metric first. `<metric>_macro` compares the means of the groups' means. Of several seeds the means
    are compared, and the interval counts the spread of seeds too.

    Raises UsageError where not all were measured in the same way and on the same items."""
    return [comparison for comparison, _ in compare_read(a, b, metrics, by_group)]


def compare_read(
    a: Side, b: Side, metrics: Sequence[str] | None = None, by_group: bool = False
) -> list[tuple[Comparison, Read | None]]:
    """`compare`, each beside what it rests on where a run has read a part of its items."""
    sides = _seeds(a), _seeds(b)
    every = [result for side in sides for result in side]
    first = every[0]
    for other in every[1:]:
        check_settings(first, other)
    values = [by_item(result) for result in every]
    is_part = any(result.read is not None for result in every)
    if not is_part:
        for other, own in zip(every[1:], values[1:], strict=True):
            _check_items(first, other, values[0].keys(), own.keys())
    place_of = places(first)
    common = set.intersection(*({name for own in of_one.values() for name in own} for of_one in values))
    headline = first.metric if _base(first.metric, common) in common else None
    names = list(metrics) if metrics else [*([headline] if headline else []), *sorted(common - {headline})]
    comparisons: list[tuple[Comparison, Read | None]] = []
    for name in names:
        base = _base(name, common)
        if base not in common:
            known = ", ".join(sorted(common)) or "none"
            raise UsageError(
                f"{first.task}: the samples of {first.run} and {sides[1][0].run} have no metric {name} in both."
                f"{suggest(name, common)} Known: {known}."
            )
        if is_part:
            drawn_for_macro = first.metric.endswith(MACRO)
            reads = in_part(every, [_of_metric(own, base) for own in values], drawn_for_macro, name != base, by_group)
            comparisons += [
                (_of_test(first.task, group, name, read.n, read.test, read.of), read) for group, read in reads
            ]
            continue
        items = []
        for item in sorted(values[0]):  # one order, so that one answer, however the rows arrived
            if all(base in own[item] for own in values):
                scores = [own[item][base] for own in values]
                items.append(Item(*place_of[item], tuple(scores[: len(sides[0])]), tuple(scores[len(sides[0]) :])))
        comparisons.append((_comparison(first.task, "all", name, items, macro=name != base), None))
        if by_group and name == base:
            comparisons += [
                (_comparison(first.task, group, name, part, macro=False), None)
                for group, part in grouped(items).items()
            ]
    return comparisons


def _of_metric(own: Mapping[str, Mapping[str, float]], metric: str) -> dict[str, float]:
    return {item: values[metric] for item, values in own.items() if metric in values}


def _seeds(side: Side) -> list[TaskResult]:
    return [side] if isinstance(side, TaskResult) else list(side)


def compare_runs(
    a: Sequence[TaskResult], b: Sequence[TaskResult], metrics: Sequence[str] | None = None, by_group: bool = False
) -> list[Comparison]:
    """`compare` for each task of both, in a's order; of several seeds, one result each. The tasks' first rows get
    Holm-adjusted p values too."""
    return against(a, [b], metrics, by_group)[0]


def against(
    a: Sequence[TaskResult],
    others: Sequence[Sequence[TaskResult]],
    metrics: Sequence[str] | None = None,
    by_group: bool = False,
    refused: list[str] | None = None,
    left_out: list[str] | None = None,
) -> list[list[Comparison]]:
    """`compare` of a with each of the others, for each task of both, in a's order. The first rows of all tasks and
    others are adjusted together (Holm). What cannot be compared raises UsageError, or with `refused` is said there and
    left out. Results of one side that were not measured as most of both sides are, are said in `left_out`."""
    compared: list[list[list[Comparison]]] = []
    ours = _by_task(a)
    for b in others:
        theirs = _by_task(b)
        shared = [task for task in ours if task in theirs]
        compared.append([])
        complaints = [] if shared else [f"The runs share no task: {_listed(ours)} against {_listed(theirs)}."]
        for task in shared:
            try:
                one, other, rest = _alike(ours[task], theirs[task])
                compared[-1] += filter(None, [compare(one, other, metrics, by_group)])
            except UsageError as error:
                complaints.append(str(error))
                continue
            if left_out is not None:
                left_out += [f"{task}: {result.run} was measured in another way, and is left out." for result in rest]
        if not compared[-1] and not complaints:
            complaints.append(f"No metric of {_listed(shared)} is a mean over items, so there is nothing to pair.")
        if refused is None and complaints:
            raise UsageError(complaints[0])
        if refused is not None:
            refused += complaints
    firsts = [rows for tasks in compared for rows in tasks]
    if len(firsts) > 1:
        for rows, p in zip(firsts, paired.holm([rows[0].p_value for rows in firsts]), strict=True):
            rows[0] = replace(rows[0], p_holm=p)
    return [[row for rows in tasks for row in rows] for tasks in compared]


def _by_task(results: Iterable[TaskResult]) -> dict[str, list[TaskResult]]:
    by_task: dict[str, list[TaskResult]] = {}
    for result in results:
        by_task.setdefault(result.task, []).append(result)
    return by_task


def _alike(
    a: Sequence[TaskResult], b: Sequence[TaskResult]
) -> tuple[list[TaskResult], list[TaskResult], list[TaskResult]]:
    """Of both sides those that were measured in one way and on the same items, as many as there are, and the rest.
    Where no two of them can be compared, the first of each side are given, for `compare` to say why."""
    if len(a) == len(b) == 1:
        return list(a), list(b), []
    best: tuple[list[TaskResult], list[TaskResult]] = ([], [])
    for first in a:
        one, other = ([result for result in side if _is_alike(first, result)] for side in (a, b))
        if other and len(one) + len(other) > sum(map(len, best)):
            best = one, other
    if not best[0]:
        return list(a[:1]), list(b[:1]), []
    kept = {id(result) for side in best for result in side}
    return *best, [result for result in (*a, *b) if id(result) not in kept]


def _is_alike(a: TaskResult, b: TaskResult) -> bool:
    try:
        check_settings(a, b)
    except UsageError:
        return False
    return {row.item for row in a.samples} == {row.item for row in b.samples}


def results(store: Store, run: RunRow, tasks: Sequence[str] | None = None) -> list[TaskResult]:
    """A run's tasks (or some of them) with their samples."""
    return [
        TaskResult(
            run=f"{run.name} ({run.id[:12]})",
            task=t.task,
            protocol=t.protocol,
            version=t.version,
            shots=t.shots,
            chat=t.chat,
            system=run.config.get("system") or "",
            data_digest=t.data_digest,
            settings=t.settings,
            metric=t.metric,
            partial=run.partial,
            samples=store.samples(run.id, t.task),
            read=run.sampled[t.task]["items"] if t.task in run.sampled else None,
            items=run.sampled[t.task]["of"] if t.task in run.sampled else 0,
            seed=run.seed,
        )
        for t in store.tasks(run.id)
        if t.items and (tasks is None or t.task in tasks)  # a group of lm-eval's has no samples: its tasks have
    ]


def _listed(tasks: Iterable[str]) -> str:
    return ", ".join(tasks) or "none"


def check_settings(a: TaskResult, b: TaskResult) -> None:
    pairs = [(name, getattr(a, field), getattr(b, field)) for name, field in SAME.items()]
    keys = sorted({*a.settings, *b.settings})
    pairs += [(f"the setting {key}", a.settings.get(key), b.settings.get(key)) for key in keys]
    for name, left, right in pairs:
        if left != right:
            raise UsageError(
                f"{a.task}: {a.run} and {b.run} cannot be compared, because {name} differs: "
                f"{_shown(left)} in {a.run}, {_shown(right)} in {b.run}."
            )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return "none" if text in ("", "None") else text if len(text) <= 80 else text[:77] + "..."


def _check_items(a: TaskResult, b: TaskResult, of_a: Iterable[str], of_b: Iterable[str]) -> None:
    left, right = set(of_a), set(of_b)
    for result, items in ((a, left), (b, right)):
        if not items:
            raise UsageError(f"{result.task}: {result.run} has no scored answer yet, so there is nothing to compare.")
    if left != right:
        counts = [
            f"{len(items):,} in {result.run}{' (a partial run)' if result.partial else ''}"
            for result, items in ((a, left), (b, right))
        ]
        raise UsageError(
            f"{a.task}: {a.run} and {b.run} cannot be compared, because their items differ: {counts[0]}, {counts[1]}, "
            f"{len(left & right):,} in both. Finish both runs, with the same groups and limit."
        )


def places(result: TaskResult) -> dict[str, tuple[str, str]]:
    """Group and cluster of each item."""
    return {row.item: (row.group, unit_key(row.item, row.cluster)) for row in result.samples}


def by_item(result: TaskResult) -> dict[str, dict[str, float]]:
    """Each item's metrics, averaged over its repeats."""
    values: dict[str, dict[str, list[float]]] = {}
    for row in result.samples:
        own = values.setdefault(row.item, {})
        for name, value in row.metrics.items():
            own.setdefault(name, []).append(float(value))
    return {
        item: {name: sum(sorted(repeats)) / len(repeats) for name, repeats in own.items()}
        for item, own in values.items()
    }


def _base(name: str, known: Iterable[str]) -> str:
    """The samples' metric behind a name: a macro average is made of its items' metric."""
    return name if name in known else name.removesuffix(MACRO)


def _comparison(task: str, group: str, metric: str, items: Sequence[Item], macro: bool) -> Comparison:
    row = _of_test(task, group, metric, len(items), tested(items, macro))
    return replace(row, a_seeds=len(items[0].a), b_seeds=len(items[0].b))


def _of_test(task: str, group: str, metric: str, n: int, test: Tested, of: int | None = None) -> Comparison:
    return Comparison(
        task,
        group,
        metric,
        n,
        test.a,
        test.b,
        test.difference,
        test.low,
        test.high,
        test.p,
        None if test.lost is None or test.gained is None else test.lost + test.gained,
        test.lost,
        test.gained,
        test.method,
        of=of,
    )
