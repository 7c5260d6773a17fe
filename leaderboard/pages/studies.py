"""Studies: what the searches found, live, and whether the loss they followed says what benchmarks and people will."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.app import state, store_cache
from leaderboard.html import empty, markup
from leaderboard.pages import Page
from leaderboard.theme import charts

if TYPE_CHECKING:
    from tuning.report.views import StudyView
    from tuning.store import StudyRow

VIEWS = {"scores": "Loss and scores", "search": "Search", "matters": "What matters", "trials": "Trials"}


def page() -> None:
    import streamlit as st

    from tuning.store import Store

    store_cache.live(_seen)  # first: what changes while this page is drawn is seen
    store = store_cache.store()
    rows = {row.id: row for row in store_cache.read(Store.studies)} if store.exists() else {}
    chosen = [key for key in dict.fromkeys(state.get_all("study")) if key in rows]
    if not rows:
        st.html('<h1 class="page-title">Studies</h1>')
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
    shown = [(key, *(found if not chosen or key in chosen else ())) for key, found in pulse.items()]
    measured = [(run.id, run.status) for run in store_cache.read(Store.runs)]
    return *shown, *measured, store_cache.read(Store.verdicts)


def _all() -> None:
    import streamlit as st

    from tuning.report.documents import listed

    found = store_cache.read(listed)
    st.html(
        '<h1 class="page-title">Studies</h1><p class="page-under">'
        f"{len(found)} {'study' if len(found) == 1 else 'studies'} · open one, or lay several side by side</p>"
    )
    body = []
    for row, started, best in found:
        share = 100 * min(1.0, started / max(1, row.budget))
        cells = (
            f'<th scope="row" class="name">{markup.link(row.name, "studies", title=row.name, study=row.id)}'
            f'<div class="under">{markup.text(row.model, 120)}</div></th>',
            f"<td>{markup.text(row.optimizer)}, seed {row.seed}</td>",
            f"<td>{markup.text(', '.join(row.config['objectives']), 80)}</td>",
            f'<td class="n">{started} of {row.budget}<div class="track"><i style="width:{share:.0f}%"></i></div></td>',
            f'<td class="n">{"" if best is None else f"{best:.4f}"}</td>',
            f'<td><span class="state {markup.text(row.status)}">{markup.text(row.status)}</span></td>',
            f"<td>{row.created:%Y-%m-%d %H:%M}</td>",
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    head = ("Study", "Search", "Objective", "Trials", "Best", "Status", "Begun")
    heads = "".join(f'<th scope="col"{" class=n" if t in ("Trials", "Best") else ""}>{t}</th>' for t in head)
    markup.show(
        f'<div class="board-scroll" tabindex="0"><table class="board"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>",
        key="studies",
    )
    if len(found) > 1:
        ids = [each.row.id for each in found]
        both = markup.link("Lay all of them side by side", "studies", study=ids[:8])
        markup.show(f'<p class="after">{both}</p>', key="several")


def _some(rows: Sequence[StudyRow], known: Sequence[StudyRow]) -> None:
    import streamlit as st

    from leaderboard.studies import study_charts, study_heading
    from tuning.report.documents import view_of

    names = {row.id: f"{charts.one_line(row.name, 60)} · {row.id[:6]}" for row in known}
    with st.container(key="study-head", horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.html(study_heading.title(rows))
        state.many("Studies", list(names), "study", show=names.__getitem__, label_visibility="collapsed", width=420)
    views = [store_cache.read(view_of, row.id) for row in rows]
    markup.show(study_heading.cards(rows, views), key="cards")
    _notes(views)
    scored = any(trial.scores for view in views for trial in view.ranked)
    usual = "scores" if scored else "search"
    view = state.one(
        "View", list(VIEWS), "view", default=usual, show=VIEWS.__getitem__, tabs=True, label_visibility="collapsed"
    )
    if view == "scores":
        study_charts.prediction(rows, views)
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
    said = [note if len(names) == len(views) else f"{', '.join(names)}: {note}" for note, names in whose.items()]
    if said:
        st.html("".join(f'<p class="warned">{markup.text(note)}</p>' for note in said))


def _trials(views: Sequence[StudyView]) -> None:
    """The table, sorted as the address says."""
    import streamlit as st

    from leaderboard.studies import trials_table as tables

    rows = [tables.Row(view, trial) for view in views for trial in view.trials]
    if not rows:
        return
    columns = {column.key: column for column in tables.columns(views)}
    usual = views[0].objectives[0]
    sort = state.get("sort", usual)
    sort = sort if sort in columns else usual
    down = state.get("down", "0") == "1"
    shown = tables.ordered(rows, columns[sort], down)
    pages = -(-len(shown) // tables.PAGE)

    def sorter(key: str) -> str:
        turned = "1" if key == sort and not down else None
        return state.here("studies", sort=None if key == usual else key, down=turned, page=None)

    best = {(view.name, view.ranked[0].number) for view in views if view.ranked}
    st.html(
        f'<h2 class="section">Trials</h2><p class="said">{len(rows)} trials; a number that is a link was measured.</p>'
    )
    place = st.container()
    at = state.page_number("page", pages)
    with place:
        part = shown[(at - 1) * tables.PAGE : at * tables.PAGE]
        markup.show(tables.table(part, list(columns.values()), sort, down, sorter, best), key="trials")
