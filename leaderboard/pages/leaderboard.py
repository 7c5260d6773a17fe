"""The leaderboard: who is better, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from leaderboard.app import state, store_cache
from leaderboard.html import empty, markup
from leaderboard.html.templates import macros
from leaderboard.pages import Page
from leaderboard.ranking import bands

if TYPE_CHECKING:
    from leaderboard.ranking.board import Board, Column, Row
    from leaderboard.ranking.board_table import View
    from leaderboard.ranking.preferences import Preferences


def page() -> None:
    import streamlit as st

    from leaderboard.ranking.board import boards
    from tuning.store import Store

    store_cache.live(_seen)  # first: what changes while this page is drawn is seen
    store = store_cache.store()
    by_protocol = {board.protocol: board for board in store_cache.read(boards)} if store.exists() else {}
    going = store_cache.read(Store.going_on) if store.exists() else []
    if by_protocol:
        _board(by_protocol, going)
    else:
        st.html(macros("shared").title("Leaderboard"))
        _going_on(going)
        if not going:
            empty.no_runs(str(store.path))


PAGE = Page("Leaderboard", page)


def ahead() -> None:
    """Read what this page shows at first, so that its first visitor need not wait."""
    from leaderboard.ranking.board import boards
    from tuning.store import Store

    if store_cache.store().exists():
        for board in store_cache.read(boards)[:1]:
            _ranks(board, board.columns)
        store_cache.read(Store.going_on)
        _preference("")


def _seen() -> tuple[object, ...]:
    """What this page shows of the store."""
    from leaderboard.ranking.board import boards
    from tuning.store import Store

    if not store_cache.store().exists():
        return ()
    rows = [(row.key, row.name, *row.runs, *row.tags) for board in store_cache.read(boards) for row in board.rows]
    going = [tuple(task.values()) for task in store_cache.read(Store.going_on)]
    return *rows, *going, store_cache.read(Store.verdicts)


def _board(by_protocol: dict[str, Board], going: Sequence[dict[str, object]]) -> None:
    import streamlit as st

    from leaderboard.ranking import board_table

    with st.container(key="board-head", horizontal=True, vertical_alignment="bottom", gap="medium"):
        title = st.empty()
        protocol = next(iter(by_protocol))
        if len(by_protocol) > 1:
            protocol = state.one("Protocol", list(by_protocol), "protocol", tabs=True, width="content")
    board = by_protocol[protocol]
    title.html(macros("shared").title("Leaderboard", _summary(board)))
    _going_on(going)
    preference = _preference(state.get("prompts"))
    rows, columns, extras = _filters(board, preference)
    view = _view(board, columns, extras, preference)
    if not rows or not columns:
        empty.state("Nothing is left", "No configuration passes these filters.")
        return
    markup.show(board_table.table(view.ordered(rows), view, _sorter(view)), key="table")
    _legend(view, preference)


def _summary(board: Board) -> str:
    partial = sum(row.partial for row in board.rows)
    parts = [f"{len(board.rows) - partial} configurations", f"protocol {board.protocol}"]
    return " · ".join([*parts, f"{partial} partial"] if partial else parts)


def _going_on(going: Sequence[dict[str, object]]) -> None:
    """A line a run that is being computed, or was broken off."""
    if not going:
        return
    from tuning.store import Store

    names = {run.id: run.name for run in store_cache.read(Store.runs)}
    lines = []
    for run in dict.fromkeys(str(task["run"]) for task in going):
        own = [task for task in going if task["run"] == run]
        done, items = (sum(int(str(task[key])) for task in own) for key in ("done", "items"))
        words = f"{done:,} of {items:,} items scored"
        lines.append((names.get(run, run), state.link("run", run=run), 100 * done / max(1, items), words))
    markup.show(macros("shared").going_on(lines), key="going")


def _preference(prompts: str) -> Preferences | None:
    from leaderboard.ranking.preferences import preferences
    from tuning.store import Store

    return store_cache.settled(preferences, store_cache.read(Store.verdicts), prompts)


def _filters(board: Board, preference: Preferences | None) -> tuple[list[Row], list[Column], list[str]]:
    """The widgets, and what they leave."""
    import streamlit as st

    from leaderboard.ranking import board_table

    keys = {column.key: column for column in board.columns}
    there = [extra for extra in board_table.EXTRAS if _has(board, extra, preference)]
    usual = [extra for extra in board_table.USUAL if extra in there]
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom", gap="small"):
        words = state.text(
            "Find", "find", placeholder="Find a model, run, tag or study", label_visibility="collapsed", width=300
        )
        with st.popover("Benchmarks and columns"):
            chosen = state.many("Benchmarks", list(keys), "benchmarks", placeholder="All")
            extras = state.many(
                "Columns", there, "columns", default=usual, show=board_table.EXTRAS.__getitem__, placeholder="None"
            )
            if preference and len(preference.names) > 1:
                state.one(
                    "Prompt set",
                    list(preference.names),
                    "prompts",
                    default=preference.prompts,
                    show=preference.names.__getitem__,
                )
        no_partial = no_unverified = False
        if any(row.partial for row in board.rows):
            no_partial = state.flag(
                "Hide partial",
                "whole",
                help="Partial (--limit) and sampled (--until) runs are never ranked with whole ones.",
            )
        if any(row.unverified for row in board.rows):
            no_unverified = state.flag("Hide unverified", "verified")
    columns = [keys[key] for key in keys if not chosen or key in chosen]
    rows = [
        row
        for row in board.rows
        if not (no_partial and row.partial)
        and not (no_unverified and row.unverified)
        and any(column.key in row.cells for column in columns)
        and _matches(row, words)
    ]
    return rows, columns, [extra for extra in board_table.EXTRAS if extra in extras]


def _has(board: Board, extra: str, preference: Preferences | None) -> bool:
    if extra in ("people", "judges"):
        strengths = (preference.people if extra == "people" else preference.judges) if preference else {}
        return any(digest in strengths for row in board.rows for digest in row.digests)
    if extra == "lineage":
        return any(row.lineage for row in board.rows)
    if extra == "hyper":
        return any(row.lineage and row.lineage.hyperparameters for row in board.rows)
    return extra != "tags" or any(row.tags for row in board.rows)


def _matches(row: Row, words: str) -> bool:
    """Every word stands somewhere in what is known of the configuration."""
    lineage = [row.lineage.name, row.lineage.words] if row.lineage else []
    text = " ".join([row.name, row.model, row.base, *row.digests, *row.tags, *row.runs, *lineage]).casefold()
    return all(word in text for word in words.casefold().split())


def _view(board: Board, columns: Sequence[Column], extras: Sequence[str], preference: Preferences | None) -> View:
    from leaderboard.ranking.board_table import PREFERENCE, View

    sortable = [*(column.key for column in columns), *(e for e in extras if e in (*PREFERENCE, "date")), "name"]
    given = state.get("sort", sortable[0])
    sort = given if given in sortable else sortable[0]
    return View(
        columns,
        extras,
        _ranks(board, columns),
        preference.people if preference else {},
        preference.judges if preference else {},
        sort,
        state.get("up", "1" if sort == "name" else "0") == "1",
    )


def _ranks(board: Board, columns: Sequence[Column]) -> dict[str, dict[bands.Runs, bands.Band]]:
    """By column, by configuration."""
    return {c.key: store_cache.settled(bands.bands, board.ranked(c), c.task, c.metric) for c in columns}


def _sorter(view: View) -> Callable[[str], str]:
    def address(key: str) -> str:
        usual = key == "name"
        up = not view.up if key == view.sort else usual
        return state.here("leaderboard", sort=key, up=None if up == usual else str(int(up)))

    return address


def _legend(view: View, preference: Preferences | None) -> None:
    import streamlit as st

    paragraphs = {
        "Scores": "in points of a hundred, with 95% intervals; the bars of a column share one axis, whose ends stand "
        "under its name.",
        "Ranks": f"{bands.RULE} Lines part the bands of the column that sorts; partial and sampled runs have no rank.",
    }
    if preference and {"people", "judges"} & set(view.extras):
        paragraphs["People and judges"] = (
            f"Bradley-Terry strengths on the prompts “{preference.names[preference.prompts]}”, in log-odds about the "
            "mean of the models compared: +0.69 wins two games of three. Two rankings, never mixed."
        )
    st.html(macros("leaderboard").legend(paragraphs))
