"""Runs on the same items: is b better than a? Refuses what would not be a fair comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from harness.errors import UsageError, suggest
from harness.stats import paired

if TYPE_CHECKING:
    from harness.results import RunRow, Store

MACRO = "_macro"
SAME = {
    "the task": "task",
    "the protocol": "protocol",
    "the task's version": "version",
    "the number of shots": "shots",
    "the chat setting": "chat",
    "the system text": "system",
    "the data's digest": "data_digest",
}


class Answer(Protocol):
    """What a comparison reads of a stored sample (`harness.results.rows.SampleRow`)."""

    @property
    def item(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def cluster(self) -> str: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task of one run. `settings` holds whatever else must be equal for scores to mean the same."""

    run: str  # how people call the run
    task: str
    protocol: str
    version: str
    shots: int
    chat: bool
    system: str
    data_digest: str
    settings: Mapping[str, Any]
    metric: str  # the one a leaderboard shows first; may end in "_macro"
    partial: bool  # --limit
    samples: Sequence[Answer]


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
    method: str  # "mcnemar", "bootstrap" or "stratified"
    p_holm: float | None = None  # adjusted over the first metrics of all tasks and runs, where there are several


class _Pair(NamedTuple):
    """One item's scores under one metric: the means of its repeats."""

    group: str
    cluster: str
    a: float
    b: float


def compare(
    a: TaskResult, b: TaskResult, metrics: Sequence[str] | None = None, by_group: bool = False
) -> list[Comparison]:
    """Each metric over all items, then with `by_group` over each group. Without `metrics`, all metrics of both runs,
    the task's first metric first. `<metric>_macro` compares the means of the groups' means.

    Raises UsageError where the runs were not measured in the same way or on the same items."""
    _check_settings(a, b)
    place_of, of_a, of_b = places(a), by_item(a), by_item(b)
    _check_items(a, b, of_a.keys(), of_b.keys())
    common = {name for item in of_a for name in of_a[item].keys() & of_b[item].keys()}
    first = a.metric if _base(a.metric, common) in common else None
    names = list(metrics) if metrics else [*([first] if first else []), *sorted(common - {first})]
    comparisons = []
    for name in names:
        base = _base(name, common)
        if base not in common:
            known = ", ".join(sorted(common)) or "none"
            raise UsageError(
                f"{a.task}: the samples of {a.run} and {b.run} have no metric {name} in both."
                f"{suggest(name, common)} Known: {known}."
            )
        pairs = [
            _Pair(*place_of[item], of_a[item][base], of_b[item][base])
            for item in sorted(of_a)  # one order, so that one answer, however the rows arrived
            if base in of_a[item] and base in of_b[item]
        ]
        comparisons.append(_comparison(a.task, "all", name, pairs, macro=name != base))
        if by_group and name == base:
            comparisons += [
                _comparison(a.task, group, name, part, macro=False) for group, part in _groups(pairs).items()
            ]
    return comparisons


def compare_runs(
    a: Sequence[TaskResult], b: Sequence[TaskResult], metrics: Sequence[str] | None = None, by_group: bool = False
) -> list[Comparison]:
    """`compare` for each task of both runs, in a's order. The tasks' first rows get Holm-adjusted p values too."""
    return against(a, [b], metrics, by_group)[0]


def against(
    a: Sequence[TaskResult],
    others: Sequence[Sequence[TaskResult]],
    metrics: Sequence[str] | None = None,
    by_group: bool = False,
    refused: list[str] | None = None,
) -> list[list[Comparison]]:
    """`compare` of a with each of the other runs, for each task of both, in a's order. The first rows of all tasks and
    runs are adjusted together (Holm). What cannot be compared raises UsageError, or with `refused` is said there and
    left out."""
    compared: list[list[list[Comparison]]] = []
    for b in others:
        own = {result.task: result for result in b}
        shared = [result for result in a if result.task in own]
        compared.append([])
        complaints = [] if shared else [f"The runs share no task: {_listed(a)} against {_listed(b)}."]
        for result in shared:
            try:
                compared[-1] += filter(None, [compare(result, own[result.task], metrics, by_group)])
            except UsageError as error:
                complaints.append(str(error))
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
        )
        for t in store.tasks(run.id)
        if t.items and (tasks is None or t.task in tasks)  # a group of lm-eval's has no samples: its tasks have
    ]


def _listed(results: Iterable[TaskResult]) -> str:
    return ", ".join(result.task for result in results) or "none"


def _check_settings(a: TaskResult, b: TaskResult) -> None:
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
    """Group and cluster of each item; the first character keeps an item's own cluster apart from a named one."""
    return {row.item: (row.group, "c" + row.cluster if row.cluster else "i" + row.item) for row in result.samples}


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


def _comparison(task: str, group: str, metric: str, pairs: Sequence[_Pair], macro: bool) -> Comparison:
    a, b = [pair.a for pair in pairs], [pair.b for pair in pairs]
    lost = gained = None
    if all(value in (0, 1) for value in (*a, *b)):
        lost = sum(1 for pair in pairs if pair.a > pair.b)
        gained = sum(1 for pair in pairs if pair.b > pair.a)
    if macro:
        groups = _groups(pairs)
        a_groups = {name: [pair.a for pair in part] for name, part in groups.items()}
        b_groups = {name: [pair.b for pair in part] for name, part in groups.items()}
        own = {name: [pair.cluster for pair in part] for name, part in groups.items()}
        test = paired.paired_macro(a_groups, b_groups, own)
        mean_a, mean_b = (_mean([_mean(values) for values in side.values()]) for side in (a_groups, b_groups))
    else:
        test = paired.paired(a, b, [pair.cluster for pair in pairs])
        mean_a, mean_b = _mean(a), _mean(b)
    return Comparison(
        task,
        group,
        metric,
        len(pairs),
        mean_a,
        mean_b,
        test.difference,
        test.low,
        test.high,
        test.p,
        None if lost is None or gained is None else lost + gained,
        lost,
        gained,
        test.method,
    )


def _groups(pairs: Sequence[_Pair]) -> dict[str, list[_Pair]]:
    groups: dict[str, list[_Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.group, []).append(pair)
    return dict(sorted(groups.items()))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
