"""One run: what it scored, against which baseline, how it was made, and every sample of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaderboard.app import state, store_cache
from leaderboard.html import empty, markup, where_from
from leaderboard.html.templates import macros
from leaderboard.pages import Page
from leaderboard.runs import comparing, run_tables

if TYPE_CHECKING:
    from harness.results import RunRow
    from tuning.store import Store

VIEWS = {"scores": "Scores", "samples": "Samples", "provenance": "Provenance"}
_NONE = "no baseline"


def page() -> None:
    import streamlit as st

    from tuning.store import Store

    store_cache.live(_seen)  # first: what changes while this page is drawn is seen
    store = store_cache.store()
    runs = {run.id: run for run in store_cache.read(Store.runs)} if store.exists() else {}
    if runs:
        _page(runs)
    else:
        st.html(macros("shared").title("Run"))
        empty.no_runs(str(store.path))


PAGE = Page("Run", page)


def _seen() -> tuple[object, ...]:
    """What this page shows of the store: the runs' names, and how far the chosen one is."""
    from tuning.store import Store

    if not store_cache.store().exists():
        return ()
    runs = store_cache.read(Store.runs)
    chosen = _chosen({run.id: run for run in runs}) if runs else ""
    going = [tuple(task.values()) for task in store_cache.read(Store.going_on) if task["run"] == chosen]
    tags = store_cache.read(Store.tags).get(chosen, [])
    return *((run.id, run.name, run.status, len(run.warnings)) for run in runs), *going, *tags


def _chosen(runs: dict[str, RunRow]) -> str:
    """By the beginning of an id; else the newest."""
    word = state.get("run")
    return next((key for key in runs if word and key.startswith(word)), next(iter(runs)))


def _page(runs: dict[str, RunRow]) -> None:
    import streamlit as st

    from tuning.store import Store

    names = store_cache.read(comparing.names)
    chosen = _chosen(runs)
    if state.get("run") not in ("", chosen):
        state.put("run", chosen)
    with st.container(key="run-choice", horizontal=True, vertical_alignment="bottom", gap="small"):
        run = runs[state.one("Run", list(runs), "run", show=names.__getitem__, width=420)]
        rivals = {key: names[key] for key in store_cache.read(rivals_of, run.id)}
        baseline = state.one("Against", ["", *rivals], "against", show=lambda key: rivals.get(key, _NONE), width=420)
    going = [task for task in store_cache.read(Store.going_on) if task["run"] == run.id]
    document = store_cache.read(document_of, run.id)
    markup.show(run_tables.head(run, document["tags"], document["warnings"], going), key="head")
    view = state.one("View", list(VIEWS), "view", show=VIEWS.__getitem__, tabs=True, label_visibility="collapsed")
    tasks = [task["task"] for task in document["tasks"]]
    task = state.get("task")
    score = (task if task in tasks else tasks[0],) if view == "scores" and document["scores"] else ()
    where_from.show("where-from", (run.id, "against", baseline) if view == "scores" and baseline else (run.id, *score))
    if view == "scores":
        _scores(run, document, baseline, names)
    elif view == "samples":
        from leaderboard.runs.sample_browser import browse

        browse(run.id, tasks, rivals)
    else:
        from leaderboard.ranking.lineage import lineages

        origin = store_cache.read(lineages).get(run.id)
        markup.show(run_tables.provenance(run, document, origin), key="provenance")


def document_of(store: Store, run: str) -> dict[str, Any]:
    from harness.evaluation.report import run_document

    with store.read():
        return run_document(store, store.resolve(run))


def rivals_of(store: Store, run: str) -> list[str]:
    """The other runs that share a task and its protocol, the newest first."""
    tasks: dict[str, set[tuple[str, str]]] = {}
    with store.read():
        for task in store.tasks():
            tasks.setdefault(task.run, set()).add((task.task, task.protocol))
        runs = store.runs()
    return [other.id for other in runs if other.id != run and tasks.get(other.id, set()) & tasks.get(run, set())]


def _scores(run: RunRow, document: dict[str, Any], baseline: str, names: dict[str, str]) -> None:
    import streamlit as st

    tasks = list(dict.fromkeys(score["task"] for score in document["scores"]))
    if not tasks:
        st.html(macros("shared").nothing("Scores come when every item is answered; samples can be read now."))
        return
    task = state.get("task")
    task = task if task in tasks else tasks[0]
    against = _against(run, baseline, task) if baseline else comparing.Compared()
    rows = against.rows[0] if against.rows else ()
    sort = state.get("sort")
    body = macros("run").view(
        run_tables.cards(document, task, lambda name: state.here("run", task=name, sort=None)),
        task,
        against.refused,
        against.notes[0] if rows else (),
        names[baseline] if rows else "",
        run_tables.overall(document, task, rows),
        run_tables.groups(document, task, rows, sort, lambda key: state.here("run", sort=key or None)),
        run_tables.throughput(document),
    )
    markup.show(body, key="scores")


def _against(run: RunRow, baseline: str, task: str) -> comparing.Compared:
    from tuning.store import Store

    status = {row.id: row.status for row in store_cache.read(Store.runs)}
    keep = store_cache.read if "running" in (status[run.id], status[baseline]) else store_cache.settled
    return keep(comparing.compared, (baseline, run.id), (task,))
