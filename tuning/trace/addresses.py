"""What a page of the board shows, by its address: live, or of the site that `harness board --export` writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from harness.errors import UsageError
from harness.evaluation.configurations import alone
from harness.results import RunRow
from harness.store import codec
from judges.ranking.evidence import WHOSE
from tuning.store import Store, StudyRow
from tuning.trace.boards import leaderboard_link
from tuning.trace.comparisons import comparison_link, configurations
from tuning.trace.links import Link
from tuning.trace.preference import pair_link, ranking_link
from tuning.trace.runs import run_link, sample_link
from tuning.trace.studies import study_link, trial_link

PAGES = ("leaderboard", "run", "compare", "studies", "preference")  # that show numbers of the store
_STATIC = {
    "index.html": "leaderboard",
    "compare.html": "compare",
    "studies.html": "studies",
    "preference.html": "preference",
}
_STUDY = re.compile(r"study-([0-9a-f]{12})\.html")
Row = TypeVar("Row", RunRow, StudyRow)


@dataclass(frozen=True, slots=True)
class Place:
    page: str
    query: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """The last of several, as the page itself reads it; "" where there is none."""
        return self.query.get(name, [""])[-1]


def parse(word: str) -> Place | None:
    """None for a word that is no address."""
    parts = urlsplit(word)
    file = PurePosixPath(unquote(parts.path)).name
    query = {name: [codec.decode(v) for v in values] for name, values in parse_qs(parts.query).items()}
    if study := _STUDY.fullmatch(file):
        return Place("studies", {"study": [study[1]]})
    if file in _STATIC:
        return Place(_STATIC[file], query)
    remote = parts.scheme in ("http", "https")
    if remote or "?" in word or (word.startswith("/") and (file in PAGES or word == "/")):
        return Place(file or "leaderboard", query)
    return None


def link_of(store: Store, place: Place) -> Link:
    """UsageError for a page that shows no numbers, or one whose address does not say of what."""
    if place.page == "leaderboard":
        return leaderboard_link(store, place.one("protocol"))
    if place.page == "run":
        return _run(store, place)
    if place.page == "compare":
        return _compare(store, place)
    if place.page == "studies":
        return _studies(store, place)
    if place.page == "preference":
        return _preference(store, place)
    raise UsageError(f"The page {place.page} shows no number of the store. Numbers stand on {', '.join(PAGES)}.")


def _run(store: Store, place: Place) -> Link:
    run = _of(store.runs(), place.one("run")) or next(iter(store.runs()), None)
    if run is None:
        raise UsageError(f"{store.path} holds no runs yet: `harness run` makes them.")
    if place.one("view") == "samples" and place.one("item"):
        return sample_link(store, run, place.one("task"), place.one("item"))
    own = run_link(store, run, scores=True)
    baseline = _of(store.runs(), place.one("against"))
    if baseline is None:
        return own
    compared = comparison_link(store, alone(baseline), [alone(run)], groups=True)
    return _with(own, (compared,))


def _compare(store: Store, place: Place) -> Link:
    words = [word for given in place.query.get("runs", ()) for word in given.split(",")]
    known, runs = configurations(store), store.runs()
    found = (known.get(word) or (alone(run) if (run := _of(runs, word)) else None) for word in words)
    sides = [side for side in found if side is not None]
    if len(sides) < 2:
        raise UsageError(
            "This address names no two runs, so it does not say which comparison is meant. Choose them on the page: "
            "its address then names them. Or: harness trace RUN against RUN."
        )
    return comparison_link(store, sides[0], sides[1:], groups=place.one("subjects") == "1")


def _studies(store: Store, place: Place) -> Link:
    studies = store.studies()
    chosen = [row for row in (_of(studies, word) for word in place.query.get("study", ())) if row] or studies
    if not chosen:
        raise UsageError(f"{store.path} holds no studies yet: `harness tune` makes them.")
    first, *others = chosen
    trial = place.one("trial")
    if trial.isdecimal() and not others:
        return trial_link(store, first, int(trial), deep=True)
    return _with(study_link(store, first, trials=True), tuple(study_link(store, row, trials=True) for row in others))


def _preference(store: Store, place: Place) -> Link:
    compared = store.compared_prompts()
    if not compared:
        raise UsageError(f"{store.path} has no comparisons yet: `harness judge` and `harness rate` make them.")
    given = place.one("prompts")
    prompts = next((row["digest"] for row in compared if row["digest"] == given), compared[0]["digest"])
    sets = {row.id: row for row in store.answer_sets()}
    a, b = sets.get(place.one("a")), sets.get(place.one("b"))
    if place.one("view") == "pair" and a and b:
        number = place.one("question")
        asked = [row.question for row in store.questions(prompts) if str(row.place + 1) == number]
        return pair_link(store, a, b, *asked[:1])
    source = place.one("source")
    style = place.one("style") == "1"
    return ranking_link(store, prompts, source if source in WHOSE else None, style)  # type: ignore[arg-type]


def _of(rows: Sequence[Row], word: str) -> Row | None:
    """By the beginning of an id, as pages find it."""
    return next((row for row in rows if word and row.id.startswith(word)), None)


def _with(link: Link, more: Sequence[Link]) -> Link:
    return Link(
        link.kind, link.name, link.facts, link.figures, link.missing, link.command, link.page, (*more, *link.sources)
    )
