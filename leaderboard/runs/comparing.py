"""What the comparison page reads: runs and configurations to choose from, paired differences, agreement, flips. Plain
data. A side is a run's id, or the key of a configuration with several seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from harness.evaluation.configurations import Configuration, alone, configurations, results_of
from tuning.report.drawing import one_line

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison
    from harness.results import RunRow
    from tuning.store import Store

CLEAR = 0.05


class Compared(NamedTuple):
    """Sides against the first, in their order."""

    rows: tuple[tuple[Comparison, ...], ...] = ()
    refused: tuple[str, ...] = ()  # what cannot be compared, and why, and what is left out of a comparison
    notes: tuple[tuple[str, ...], ...] = ()  # on each side's prompts and the first's, as `harness compare` warns


def sides(store: Store) -> dict[str, Configuration]:
    """What can be compared: configurations with several seeds, then each run, the newest first."""
    with store.read():
        several = {one.key: one for one in configurations(store) if len(one.trainings) > 1}
        tags = store.tags()
        return {**several, **{run.id: alone(run, tags.get(run.id, ())) for run in store.runs()}}


def compared(store: Store, chosen: tuple[str, ...], by_group: tuple[str, ...] = ()) -> Compared:
    """The first side's tasks against those of the others, as `harness compare` has them. `by_group`: only these tasks,
    with each of their groups."""
    from harness.evaluation.compare import against
    from harness.evaluation.compare_notes import prompt_notes

    known = sides(store)
    first, *others = (results_of(store, known[side], by_group or None) for side in chosen)
    refused: list[str] = []
    rows = against(first, others, by_group=bool(by_group), refused=refused, left_out=refused)
    notes = (tuple(prompt_notes([*known[chosen[0]].runs, *known[side].runs])) for side in chosen[1:])
    return Compared(tuple(map(tuple, rows)), tuple(refused), tuple(notes))


def headlines(rows: tuple[Comparison, ...]) -> list[Comparison]:
    """Each task's first metric over all items."""
    first: dict[str, Comparison] = {}
    for row in rows:
        if row.group == "all":
            first.setdefault(row.task, row)
    return list(first.values())


def p_of(row: Comparison) -> float:
    """The p value that decides: adjusted where there are several tasks."""
    return row.p_value if row.p_holm is None else row.p_holm


def usual(store: Store) -> tuple[str, ...]:
    """Two sides to begin with: the newest whole one that is finished, against the next older one that shares a task and
    its protocol."""
    tasks: dict[str, set[tuple[str, str, str]]] = {}
    with store.read():
        for task in store.tasks():
            tasks.setdefault(task.run, set()).add((task.task, task.protocol, task.data_digest))
        every = configurations(store)
    whole = [one for one in every if not any(run.partial or run.status == "running" for run in one.runs)]
    asked = [set().union(*(tasks[run.id] for run in one.runs)) for one in whole]
    for at, newest in enumerate(whole):
        for older in range(at + 1, len(whole)):
            if asked[at] & asked[older]:
                return _side(whole[older]), _side(newest)
    return ()


def _side(configuration: Configuration) -> str:
    return configuration.key if len(configuration.trainings) > 1 else configuration.newest.id


def names(store: Store) -> dict[str, str]:
    """How the page calls each side: a configuration's name and its seeds; a run's name, the beginning of its id, and
    what it is not."""
    return {
        side: f"{one_line(one.name, 80)} · {len(one.trainings)} seeds" if len(one.trainings) > 1 else _name(one.newest)
        for side, one in sides(store).items()
    }


def seeds(store: Store, side: str, task: str) -> dict[str, str]:
    """The newest run of each seed of a side that has a task, and what the seed is called."""
    there = {known.run for known in store.tasks() if known.task == task}
    made: dict[str, str] = {}
    for training in sides(store)[side].trainings:
        made |= {run.id: training.words for run in [run for run in training.runs if run.id in there][:1]}
    return made


def _name(run: RunRow) -> str:
    marks = [
        run.id[:8],
        *(["sampled"] if run.sampled else ["partial"] if run.partial else []),
        *(["unverified"] if run.unverified else []),
    ]
    return f"{one_line(run.name, 80)} · {' · '.join(marks)}"


class Flip(NamedTuple):
    """One item that one of the two has right and the other has not; samples as `Store.page` gives them."""

    a: dict[str, Any]
    b: dict[str, Any]


def flips(
    store: Store, a: str, b: str, task: str, side: str, search: str, offset: int, limit: int
) -> tuple[int, list[Flip]]:
    """How many there are, and a part of them. "lost": a alone is right; "gained": b alone. `search` looks into a's
    texts, for "lost" into b's."""
    first, second = (b, a) if side == "lost" else (a, b)
    only_wrong = side != "flips"
    filters: dict[str, Any] = {"task": task, "wrong": only_wrong, "search": search or None, "flips": second}
    total = store.count(first, **filters)
    page = store.page(first, **filters, offset=offset, limit=limit)
    rest = store.page(second, task=task, item=[row["item"] for row in page], limit=10_000) if page else []
    others = {(row["item"], row["repeat"]): row for row in rest}
    pairs = [(row, others[row["item"], row["repeat"]]) for row in page if (row["item"], row["repeat"]) in others]
    return total, [Flip(y, x) if side == "lost" else Flip(x, y) for x, y in pairs]
