"""Compare: runs, or configurations over their seeds, against a baseline on the items that both answered, and those
items themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from leaderboard.app import state, store_cache
from leaderboard.html import empty, markup, where_from
from leaderboard.html.templates import macros
from leaderboard.pages import Page
from leaderboard.runs import compare_table, comparing
from leaderboard.theme import charts
from tuning.trace.links import address

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison

FLIPS = 5  # at once
_SIDES = {"flips": "All flips", "gained": "Gained", "lost": "Lost"}


def page() -> None:
    import streamlit as st

    store_cache.live(_seen)  # first: what changes while this page is drawn is seen
    store = store_cache.store()
    names = store_cache.read(comparing.names) if store.exists() else {}
    if len(names) < 2:
        st.html(macros("shared").title("Compare"))
        if names:
            empty.state("One run so far", "A comparison takes two, on the same tasks.", ["harness run --model …"])
        else:
            empty.no_runs(str(store.path))
    else:
        _page(names)


PAGE = Page("Compare", page)


def _seen() -> tuple[object, ...]:
    """What this page shows of the store: the runs, and how far the chosen ones are."""
    from tuning.store import Store

    if not store_cache.store().exists():
        return ()
    known = store_cache.read(comparing.sides)
    chosen = {run.id for side in _asked() if side in known for run in known[side].runs}
    runs = [(run.id, run.name, run.status) for run in store_cache.read(Store.runs)]
    return *runs, *(tuple(task.values()) for task in store_cache.read(Store.going_on) if task["run"] in chosen)


def _asked() -> list[str]:
    """The address may have `runs=a&runs=b` or `runs=a,b`."""
    return [run for word in state.get_all("runs") for run in word.split(",") if run]


def _page(names: dict[str, str]) -> None:
    import streamlit as st

    asked = [key for word in _asked() for key in names if word and key.startswith(word)]
    if asked != state.get_all("runs") and asked:
        state.put("runs", list(dict.fromkeys(asked)))
    with st.container(key="compare-head"):
        st.html(
            macros("shared").title(
                "Compare", "The first is the baseline. Several seeds of one configuration count as one."
            )
        )
        runs = state.many(
            "Runs",
            list(names),
            "runs",
            default=list(store_cache.read(comparing.usual)),
            show=names.__getitem__,
            label_visibility="collapsed",
            placeholder="Choose two or more",
        )
    if len(runs) < 2:
        empty.state("Choose two runs", "The first is the baseline; each of the others is compared with it.")
        return
    known = store_cache.read(comparing.sides)
    going = any(run.status == "running" for side in runs for run in known[side].runs)
    keep = store_cache.read if going else store_cache.settled
    compared = keep(comparing.compared, tuple(runs))
    if compared.refused:
        st.html(macros("shared").warned(dict.fromkeys(compared.refused)))
    rivals = {run: rows for run, rows in zip(runs[1:], compared.rows, strict=True) if rows}
    if not rivals:
        return
    notes = dict(zip(runs[1:], compared.notes, strict=True))
    for run, rows in rivals.items():
        _rival(names[runs[0]], names[run], comparing.headlines(rows), notes[run], run)
    where_from.show("where-from", (address("compare", runs=runs),))
    _items(names, runs[0], rivals, keep)


def _rival(a: str, b: str, rows: Sequence[Comparison], notes: Sequence[str], key: str) -> None:
    """One run against the baseline, task by task."""
    import streamlit as st

    st.html(macros("compare").against(b, a, compare_table.verdict(rows), notes))
    points = [row for row in rows if compare_table.percent(row)]
    others = [row for row in rows if not compare_table.percent(row)]
    for part, scale, unit in ((points, 100.0, "points"), (others, 1.0, "as the metric is")):
        if part:
            shown = [charts.Difference(r.task, r.difference, r.low, r.high, r.n, compare_table.tested(r)) for r in part]
            chart = charts.difference_intervals(shown, f"difference, {unit}", scale)
            charts.show(chart, "Differences by task with 95% intervals.", f"difference-{key}-{unit}")
    markup.show(compare_table.table(rows), key=f"table-{key}")


# the items


def _items(
    names: dict[str, str], a: str, rivals: dict[str, tuple[Comparison, ...]], keep: Callable[..., comparing.Compared]
) -> None:
    """One task: agreement, subjects, and the flips side by side."""
    import streamlit as st

    from tuning.store import Store

    st.html(macros("shared").section("Item by item"))
    with st.container(key="items", horizontal=True, vertical_alignment="bottom", gap="small"):
        b = next(iter(rivals))
        if len(rivals) > 1:
            b = state.one("Run", list(rivals), "with", show=names.__getitem__, width=320)
        tasks = [row.task for row in comparing.headlines(rivals[b])]
        task = state.one("Task", tasks, "task", width=220)
        by_group = state.flag("By subject", "subjects")
        run_a, run_b = (
            _one_seed(side, task, label, key)
            for side, label, key in ((a, "Seed of the baseline", "seed"), (b, "Seed", "its-seed"))
        )
    agreed = store_cache.read(Store.agreement, run_a, run_b, task)
    if agreed["n"]:
        markup.show(compare_table.agreement(agreed), key="agreement")
    if by_group:
        rows = [row for row in keep(comparing.compared, (a, b), (task,)).rows[0] if row.group != "all"]
        first = [row for row in rows if row.metric == rows[0].metric]
        shown = [charts.Difference(r.group, r.difference, r.low, r.high, r.n, compare_table.tested(r)) for r in first]
        if shown:
            worst_first = sorted(shown, key=lambda difference: difference.value)
            charts.show(
                charts.difference_intervals(worst_first, "difference, points"), "Differences by subject.", "subjects"
            )
        else:
            st.html(macros("shared").nothing("This task has no subjects that could be compared."))
    if agreed["lost"] + agreed["gained"]:
        _flips((names[a], names[b]), run_a, run_b, task)


def _one_seed(side: str, task: str, label: str, key: str) -> str:
    """The run whose items are shown; of a configuration one is chosen."""
    runs = store_cache.read(comparing.seeds, side, task)
    return state.one(label, list(runs), key, show=runs.__getitem__, width=180) if len(runs) > 1 else next(iter(runs))


def _flips(names: tuple[str, str], a: str, b: str, task: str) -> None:
    import streamlit as st

    from leaderboard.runs.sample_cards import card

    with st.container(key="flips-head", horizontal=True, vertical_alignment="bottom", gap="small"):
        side = state.one(
            "Flips", list(_SIDES), "side", show=_SIDES.__getitem__, tabs=True, label_visibility="collapsed"
        )
        words = state.text(
            "Find", "find", placeholder="Find in prompts and responses", label_visibility="collapsed", width=300
        )
    place = st.container()
    at = state.get("page", "1")
    offset = FLIPS * (max(1, int(at)) - 1) if at.isascii() and at.isdecimal() and len(at) < 7 else 0
    total, flips = store_cache.read(comparing.flips, a, b, task, side, words, offset, FLIPS)
    with place:
        if flips:
            cards = [card([(names[0], flip.a), (names[1], flip.b)]) for flip in flips]
            markup.show(macros("sample_cards").cards(f"{total:,} items", cards), key="flips")
        else:
            st.html(macros("shared").nothing("Nothing of this kind."))
    state.page_number("page", -(-total // FLIPS))
