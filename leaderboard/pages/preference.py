"""Preference: who is liked better, by people or by judges, how good those judges are, and what stood side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from leaderboard.app import state, store_cache
from leaderboard.html import empty, sanitize, where_from
from leaderboard.html.templates import macros, visible
from leaderboard.pages import Page
from leaderboard.theme import charts
from tuning.trace.links import address

if TYPE_CHECKING:
    from markupsafe import Markup

    from judges.ranking.evidence import Evidence
    from tuning.store import Store

VIEWS = {"ranking": "Ranking", "judges": "Judges and people", "pair": "One pair"}
_SOURCES = {
    "people": "People",
    "judges": "Judges",
    "both": "Both together",
    "people+judges": "Judges, corrected by people",
}
_VERDICTS = {"tie": "tie", "bad": "both bad", "skip": "skipped", "error": "no verdict"}
_LONGEST = 70  # letters of a question where it is chosen


def page() -> None:
    import streamlit as st

    from tuning.store import Store

    store_cache.live(_seen)  # first: what changes while this page is drawn is seen
    store = store_cache.store()
    prompts = store_cache.read(Store.compared_prompts) if store.exists() else []
    if not prompts:
        st.html(macros("shared").title("Preference"))
        empty.no_comparisons(str(store.path))
    else:
        _preference({prompt_set["digest"]: prompt_set["name"] for prompt_set in prompts})


PAGE = Page("Preference", page)


def _seen() -> tuple[object, ...]:
    from tuning.store import Store

    return tuple(store_cache.read(Store.verdicts)) if store_cache.store().exists() else ()


# what is read: once for each version of the comparisons


def evidence_of(store: Store, version: object, prompts: str) -> Evidence:
    from judges.ranking.evidence import gather

    return gather(store, prompts)


def report_of(store: Store, version: object, prompts: str, source: str, style: bool) -> dict[str, Any]:
    """`judges.ranking.report.ranking_report`; without a source, `quality` alone."""
    from judges.ranking.report import quality_report, ranking_report

    evidence = store_cache.settled(evidence_of, version, prompts)
    return ranking_report(evidence, source, style) if source else {"quality": quality_report(evidence)}  # type: ignore[arg-type]


def counts_of(store: Store, version: object, prompts: str) -> dict[str, int]:
    evidence = store_cache.settled(evidence_of, version, prompts)
    return {"people": len(evidence.of("people")), "judges": len(evidence.of("judges"))}


def sets_of(store: Store, version: object, prompts: str, players: tuple[str, ...]) -> dict[str, str]:
    """What each answer set is called, in the order of their players."""
    evidence = store_cache.settled(evidence_of, version, prompts)
    place = {name: n for n, name in enumerate(players)}
    there = [key for key, name in evidence.players.items() if name in place]
    return {key: evidence.sets[key] for key in sorted(there, key=lambda key: place[evidence.players[key]])}


def pair_of(store: Store, version: object, prompts: str, a: str, b: str) -> dict[str, dict[str, Any]]:
    """`judges.ranking.pair_report.pair_report` by the questions' places in the prompt set, with their first words."""
    from judges.ranking.pair_report import pair_report

    questions = {row.question: row for row in store.questions(prompts)}
    games = pair_report(store_cache.settled(evidence_of, version, prompts), a, b)
    placed = [(questions[of_one["question"]], of_one) for of_one in games if of_one["question"] in questions]
    return {str(q.place + 1): {**of_one, "words": q.turns[0] if q.turns else ""} for q, of_one in placed}


def question_of(store: Store, version: object, prompts: str, a: str, b: str, question: str) -> dict[str, Any]:
    from judges.ranking.pair_report import question_report

    return question_report(store, store_cache.settled(evidence_of, version, prompts), a, b, question)


# what is shown


def _preference(names: Mapping[str, str]) -> None:
    import streamlit as st

    from leaderboard.ranking import preference_view as view
    from tuning.store import Store

    version = store_cache.read(Store.verdicts)
    with st.container(key="preference-head", horizontal=True, vertical_alignment="bottom", gap="medium"):
        title = st.empty()
        digest = next(iter(names))
        if len(names) > 1:
            digest = state.one("Prompts", list(names), "prompts", show=lambda key: _short(names[key]), width=220)
        counts = store_cache.settled(counts_of, version, digest)
        there = [source for source in ("people", "judges") if counts[source]]
        there += ["both", "people+judges"] if len(there) == 2 else []
        source = (
            state.one("Ranked by", there, "source", show=_SOURCES.__getitem__, tabs=True, width="content")
            if there
            else ""
        )
        style = source not in ("", "people+judges") and state.flag(
            "Hold style equal", "style", help="Length and formatting as covariates (harness ranking --style-control)."
        )
    try:
        report = store_cache.settled(report_of, version, digest, source, style)
    except UsageError as error:  # too few votes to correct judges by
        title.html(macros("shared").title("Preference"))
        st.html(macros("shared").remark(str(error)))
        return
    under = f"Ranked {view.heading(report)}" if source else "No game has a score yet, so there is no ranking."
    title.html(macros("shared").title("Preference", under))
    shown = state.one(
        "View",
        list(VIEWS) if source else ["judges"],
        "view",
        show=VIEWS.__getitem__,
        tabs=True,
        label_visibility="collapsed",
    )
    if shown == "pair":
        _pair(version, digest, [model["name"] for model in report["models"]])
        return
    if shown == "ranking":
        _ranking(report)
    else:
        _quality(report["quality"])
    where_from.show("where-from", (address("preference", prompts=digest, source=source, style="1" if style else ""),))


def _ranking(report: Mapping[str, Any]) -> None:
    import streamlit as st

    from leaderboard.ranking import preference_view as view

    shared = macros("shared")
    for note in report["notes"]:
        st.html(shared.remark(note))
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.html(shared.section("Strength"))
        if any(math.isfinite(model["strength"]) for model in report["models"]):
            charts.show(view.strengths(report), "Strengths of the models with their intervals.", key="strengths")
        st.html(view.ranking_table(report))
        if style := view.style_table(report):
            st.html(style)
        st.html(
            shared.sentence(
                "Bradley–Terry strengths, natural log-odds about their mean. Models that share a rank cannot be told "
                "apart. Intervals are at 95%, clustered by prompt."
            )
        )
    with right:
        st.html(shared.section("Who wins against whom"))
        charts.show(
            view.win_matrix(report), "How often the model of the row wins against that of the column.", key="wins"
        )
        st.html(shared.sentence("Percent of games that the row wins against the column; a tie is half a win."))


def _quality(quality: Mapping[str, Any]) -> None:
    import streamlit as st

    from leaderboard.ranking import preference_view as view

    part = macros("preference").part
    if judged := view.quality_table(quality):
        st.html(part("How good the judges are", judged, "In percent, with 95% intervals."))
    if agreed := view.agreement_table(quality):
        below = "Over the pairs that both judged; 1 is full agreement, 0 what chance gives."
        st.html(part("How far they agree", agreed, below))


def _pair(version: object, digest: str, names: Sequence[str]) -> None:
    """`names` in the order of rank. The address has ids and places, which are short and never change."""
    import streamlit as st

    called = store_cache.settled(sets_of, version, digest, tuple(names))
    with st.container(key="pair-bar", horizontal=True, vertical_alignment="bottom", gap="small"):
        a = state.one("Model A", list(called), "a", show=lambda key: _short(called[key]), width=240)
        others = [key for key in called if key != a]
        b = state.one("Model B", others, "b", show=lambda key: _short(called[key]), width=240)
        disagree = state.flag("Only where a judge and a person disagree", "disagree")
    games = store_cache.settled(pair_of, version, digest, a, b)
    shown = {place: of_one for place, of_one in games.items() if of_one["disagree"] or not disagree}
    if not shown:
        st.html(macros("shared").remark("These two were not compared on such a prompt."))
        return

    def label(place: str) -> str:
        own = shown[place]
        counts = [
            f"{whose} {own[whose]['a']}–{own[whose]['tie']}–{own[whose]['b']}"
            for whose in ("people", "judges")
            if any(own[whose].values())
        ]
        return f"{_short(own['question'])} · {_short(own['words'])} · {', '.join(counts) or 'no game'}"

    place = state.one("Prompt (games that A won, ties, games that B won)", list(shown), "question", show=label)
    question = shown[place]["question"]
    _answers(store_cache.settled(question_of, version, digest, a, b, question), called[a], called[b])
    where_from.show("where-from-pair", (a, "against", b, question))


def _answers(compared: Mapping[str, Any], a: str, b: str) -> None:
    import streamlit as st

    answered = macros("preference").answered
    with st.container(key="question"):
        st.html(sanitize.question_html(compared["turns"]))
    for column, side, name in zip(st.columns(2), "ab", (a, b), strict=True):
        with column.container(border=True):
            st.html(answered(f"{side.upper()}: {name}", sanitize.answer_html(tuple(compared["answers"][side]))))
    if any(compared["reference"]):
        with st.expander("Reference answer"):
            st.html(sanitize.answer_html(tuple(compared["reference"])))
    st.html(_verdicts(compared["verdicts"], a, b))
    written = [verdict for verdict in compared["verdicts"] if verdict["text"]]
    if written:
        with st.expander(f"What the judges wrote ({len(written)})"):
            for verdict in written:
                who = f"{verdict['judge']}, {verdict['shown_first'].upper()} shown first: {_verdict(verdict, a, b)}"
                st.html(answered(who, sanitize.answer_html((verdict["text"],))))


def _verdicts(verdicts: Sequence[Mapping[str, Any]], a: str, b: str) -> Markup:
    from leaderboard.ranking.preference_view import table

    rows = [
        [
            verdict["judge"],
            "person" if verdict["kind"] == "person" else "judge",
            _verdict(verdict, a, b),
            f"{verdict['shown_first'].upper()} first",
            f"{verdict['turn']}" if verdict["turn"] else "whole",
            f"{verdict['repeat'] + 1}",
            verdict["note"] or verdict["error"],
        ]
        for verdict in verdicts
    ]
    return table(("who", "", "better", "shown", "turn", "asked", "note"), rows, names=range(7))


def _verdict(verdict: Mapping[str, Any], a: str, b: str) -> str:
    return {"a": f"A: {a}", "b": f"B: {b}", **_VERDICTS}[verdict["verdict"]]


def _short(text: str) -> str:
    words = " ".join(visible(text).split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
