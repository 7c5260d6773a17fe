"""Studies: what the searches found, live, and whether the loss they followed says what benchmarks and people will."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from leaderboard.app import state, store_cache
from leaderboard.html import empty, markup, tables, where_from
from leaderboard.html.tables import Head
from leaderboard.html.templates import macros
from leaderboard.pages import Page
from leaderboard.theme import charts
from tuning.trace.links import address

if TYPE_CHECKING:
    from tuning.report.views import StudyView
    from tuning.store import StudyRow

VIEWS = {"scores": "Loss and scores", "search": "Search", "matters": "What matters", "trials": "Trials"}
_COLUMNS = {"Study": "", "Search": "", "Objective": "", "Trials": "n", "Best": "n", "Status": "", "Begun": ""}
TOGETHER = 8  # studies side by side, by the link below the list


def page() -> None:
    import streamlit as st

    from tuning.store import Store

    store_cache.live(_seen)  # first: what changes while this page is drawn is seen
    store = store_cache.store()
    rows = {row.id: row for row in store_cache.read(Store.studies)} if store.exists() else {}
    chosen = _chosen(rows)
    if not rows:
        st.html(macros("shared").title("Studies"))
        empty.no_studies(str(store.path))
    elif not chosen:
        _all()
    else:
        _some([rows[key] for key in chosen], list(rows.values()))


PAGE = Page("Studies", page)


def _seen() -> tuple[object, ...]:
    """What this page shows of the store: trials and trainings, and the runs that measure them."""
    from tuning.store import Store

    if not store_cache.store().exists():
        return ()
    pulse = store_cache.read(Store.pulse)
    chosen = set(state.get_all("study"))
    shown = [(key, *(counts if not chosen or key in chosen else ())) for key, counts in pulse.items()]
    measured = [(run.id, run.status) for run in store_cache.read(Store.runs)]
    return *shown, *measured, store_cache.read(Store.verdicts)


def _chosen(known: Iterable[str]) -> list[str]:
    """By the beginning of an id; the address then has the whole."""
    asked = dict.fromkeys(key for word in state.get_all("study") for key in known if word and key.startswith(word))
    chosen = list(asked)
    if chosen and chosen != state.get_all("study"):
        state.put("study", chosen)
    return chosen


def _all() -> None:
    import streamlit as st

    from tuning.report.documents import listed

    listing = store_cache.read(listed)
    count = f"{len(listing)} {'study' if len(listing) == 1 else 'studies'}"
    st.html(macros("shared").title("Studies", f"{count} · open one, or lay several side by side"))
    heads = [Head(words, css) for words, css in _COLUMNS.items()]
    lines = []
    for row, started, best in listing:
        percent = 100 * min(1.0, started / max(1, row.budget))
        cells = [
            tables.name(row.name, address=state.link("studies", study=row.id), under=row.model, most=2000),
            tables.words(f"{row.optimizer}, seed {row.seed}", most=2000),
            tables.words(", ".join(row.config["objectives"]), most=80),
            tables.track(f"{started} of {row.budget}", percent, "n"),
            tables.number("" if best is None else f"{best:.4f}"),
            tables.toned(row.status, f"state {row.status}"),
            tables.words(f"{row.created:%Y-%m-%d %H:%M}"),
        ]
        lines.append(("", cells))
    markup.show(tables.table("", heads, lines), key="studies")
    if len(listing) > 1:
        ids = [row.id for row, _, _ in listing]
        markup.show(macros("studies").together(state.link("studies", study=ids[:TOGETHER])), key="several")


def _some(rows: Sequence[StudyRow], known: Sequence[StudyRow]) -> None:
    import streamlit as st

    from leaderboard.studies import audit_table, study_charts, study_heading
    from tuning.report.documents import view_of

    names = {row.id: f"{charts.one_line(row.name, 60)} · {row.id[:6]}" for row in known}
    with st.container(key="study-head", horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.html(study_heading.title(rows))
        state.many("Studies", list(names), "study", show=names.__getitem__, label_visibility="collapsed", width=420)
    views = [store_cache.read(view_of, row.id) for row in rows]
    markup.show(study_heading.cards(rows, views), key="cards")
    trial = state.get("trial")
    one = trial if len(rows) == 1 and trial in {str(seen.number) for seen in views[0].trials} else ""
    words = (rows[0].id, one) if one else (address("studies", study=[row.id for row in rows]),)
    where_from.show(f"where-from-{one}", words, opened=bool(one))
    _notes(views)
    scored = any(trial.scores for view in views for trial in view.ranked)
    usual = "scores" if scored else "search"
    view = state.one(
        "View", list(VIEWS), "view", default=usual, show=VIEWS.__getitem__, tabs=True, label_visibility="collapsed"
    )
    if view == "scores":
        study_charts.prediction(rows, views)
        for study in views:
            audit_table.show(study)
    elif view == "search":
        study_charts.search(rows, views)
        study_charts.every(rows, views)
    elif view == "matters":
        study_charts.mattered(rows, views)
    else:
        _trials(views)


def _notes(views: Sequence[StudyView]) -> None:
    import streamlit as st

    whose: dict[str, list[str]] = {}
    for view in views:
        for note in view.notes:
            whose.setdefault(note, []).append(view.name)
    notes = [note if len(names) == len(views) else f"{', '.join(names)}: {note}" for note, names in whose.items()]
    if notes:
        st.html(macros("shared").warned(notes))


def _trials(views: Sequence[StudyView]) -> None:
    """The table, sorted as the address says."""
    import streamlit as st

    from leaderboard.studies import trials_table

    rows = [trials_table.Row(view, trial) for view in views for trial in view.trials]
    if not rows:
        return
    columns = {column.key: column for column in trials_table.columns(views)}
    usual = views[0].objectives[0]
    sort = state.get("sort", usual)
    sort = sort if sort in columns else usual
    down = state.get("down", "0") == "1"
    shown = trials_table.ordered(rows, columns[sort], down)
    pages = -(-len(shown) // trials_table.PAGE)

    def sorter(key: str) -> str:
        turned = "1" if key == sort and not down else None
        return state.here("studies", sort=None if key == usual else key, down=turned, page=None)

    best = {(view.name, view.ranked[0].number) for view in views if view.ranked}
    st.html(macros("shared").section("Trials", f"{len(rows)} trials; a number that is a link was measured."))
    place = st.container()
    at = state.page_number("page", pages)
    with place:
        part = shown[(at - 1) * trials_table.PAGE : at * trials_table.PAGE]
        markup.show(trials_table.table(part, list(columns.values()), sort, down, sorter, best), key="trials")
