"""What the comparison page reads: runs to choose from, paired differences, agreement, flips. Plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tuning.report.drawing import one_line

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison
    from harness.results import RunRow
    from tuning.store import Store

CLEAR = 0.05


class Compared(NamedTuple):
    """Runs against the first, in their order."""

    rows: tuple[tuple[Comparison, ...], ...] = ()
    refused: tuple[str, ...] = ()  # what cannot be compared, and why
    notes: tuple[tuple[str, ...], ...] = ()  # on each run's prompts and the first's, as `harness compare` warns


def compared(store: Store, runs: tuple[str, ...], by_group: tuple[str, ...] = ()) -> Compared:
    """The first run's tasks against those of the others, as `harness compare` has them. `by_group`: only these tasks,
    with each of their groups."""
    from harness.evaluation.compare import against, results
    from harness.evaluation.compare_notes import prompt_notes

    known = {run.id: run for run in store.runs()}
    first, *others = (results(store, known[run], by_group or None) for run in runs)
    refused: list[str] = []
    rows = against(first, others, by_group=bool(by_group), refused=refused)
    notes = (tuple(prompt_notes([known[runs[0]], known[run]])) for run in runs[1:])
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
    """Two runs to begin with: the newest whole one that is finished, against the next older one that shares a task and
    its protocol."""
    tasks: dict[str, set[tuple[str, str, str]]] = {}
    with store.read():
        for task in store.tasks():
            tasks.setdefault(task.run, set()).add((task.task, task.protocol, task.data_digest))
        whole = [run for run in store.runs() if not run.partial and run.status != "running"]
    for at, newest in enumerate(whole):
        for older in whole[at + 1 :]:
            if tasks[newest.id] & tasks[older.id]:
                return older.id, newest.id
    return ()


def names(store: Store) -> dict[str, str]:
    """How the page calls each run, the newest first: its name, the beginning of its id, and what it is not."""
    return {run.id: _name(run) for run in store.runs()}


def _name(run: RunRow) -> str:
    marks = [run.id[:8], *(["partial"] if run.partial else []), *(["unverified"] if run.unverified else [])]
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
