"""Every result that five pages show leads through `harness trace` of the page's address to stored samples, trials and
verdicts, which give it again."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.evaluation.configurations import configurations
from judges.store.rows import ComparisonRow
from leaderboard.html import where_from
from leaderboard.testing import HOSTILE
from tests.harness.runs import json_of
from tests.leaderboard.page_runner import Drawn, draw
from tests.tuning.trace.filled import FLIP, METRICS
from tuning.pipeline.study_file import StudyFile
from tuning.store import Store
from tuning.trace.links import Figure, Link, address

Document = dict[str, Any]
_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:e-\d+)?")
_SCORE = re.compile(
    r'<div class="score"[^>]*><span class="value[^"]*">([^<]*)</span>.*?<span class="ends">([^<]*)</span></div>',
    re.DOTALL,
)
_FIGURE = re.compile(r'<td[^>]*>([^<]*) <span class="ends">([^<]*)</span>')
_CARD = re.compile(r'<div class="value">([^<]*)</div><div class="under">([^<]* – [^<]*?) ·')
# columns of which each cell is a result by itself
_RESULTS = (
    "Baseline",
    "This run",
    "Difference",
    "p",
    "p (Holm)",
    "validation",
    "Best",
    "mmlu",
    "bbh",
    "Best validation",
)


class Shown(NamedTuple):
    """A number as it is written, and the ends of its interval."""

    texts: tuple[str, ...]


def numbers(*parts: str) -> Shown | None:
    found = [text for part in parts for text in _NUMBER.findall(html.unescape(part))]
    return Shown(tuple(text.replace("−", "-").replace(",", "") for text in found)) if found else None


def shown(page: Drawn) -> set[Shown]:
    """Every result on a page: scores and differences with their intervals, losses, win rates, p values."""
    scored = [match for pattern in (_SCORE, _FIGURE, _CARD) for match in pattern.findall(page.html)]
    found = [numbers(value, "" if "no interval" in ends else ends) for value, ends in scored]
    heads: list[str] = []
    for row in page.rows():
        names = [re.sub(r"[▴▾]", "", cell).strip() for cell in row]
        if len(set(names) & set(_RESULTS)) > 1 or "Trial" in names:
            heads = names
        elif heads and len(row) == len(heads):
            own = [cell for head, cell in zip(heads, row, strict=True) if head in _RESULTS and " – " not in cell]
            found += [numbers(cell) for cell in own if "to" not in cell]
    for text, ends in page.data("shown", "interval"):
        found.append(numbers(str(text), str(ends)))
    return {one for one in found if one is not None}


def written(value: float | None, text: str) -> bool:
    """Whether a number, or a hundred times it, is written so."""
    if value is None:
        return False
    decimals = len(text.partition("e")[0].partition(".")[2])
    forms = (f".{decimals}f", ".3g", ".5g")
    return any(
        f"{scale * value:{form}}".lstrip("+")
        in (text.lstrip("+"), "-" + text.lstrip("+") if float(text) == 0 else text)
        for scale in (1, 100)
        for form in forms
    )


def explained(one: Shown, figures: Iterable[Document]) -> bool:
    return any(
        len(one.texts) <= 3
        and all(written(figure[key], text) for key, text in zip(("value", "low", "high"), one.texts, strict=False))
        for figure in figures
    )


def links(document: Document) -> Iterator[Document]:
    yield document
    for source in document["sources"]:
        yield from links(source)


def unexplained(page: Drawn, documents: Sequence[Document]) -> list[Shown]:
    """Results of a page that nothing in the store gives. What cannot be computed anew explains nothing."""
    figures = [f for document in documents for link in links(document) for f in link["figures"] if f["made_from"]]
    return sorted(one for one in shown(page) if not explained(one, figures))


@pytest.fixture(scope="module")
def store(whole_study: StudyFile) -> Store:
    return Store(whole_study.tune.db)


def traced(store: Store, *words: str) -> Document:
    document = json_of("trace", *words, "--db", store.path)
    assert isinstance(document, dict)
    return document


def check_by_hand(store: Store, document: Document) -> int:
    """Means of samples, losses of tokens and win rates of votes, by other formulas than the program's; how many."""
    checked = 0
    for link in links(document):
        samples = next((s["facts"] for s in link["sources"] if s["kind"] == "samples"), None)
        if link["kind"] == "score" and samples:
            own = store.samples(samples["run"], samples["task"])
            values = [sample.metrics[METRICS[samples["task"]]] for sample in own]
            figure = next(f for f in link["figures"] if f["name"] == METRICS[samples["task"]])
            assert figure["value"] == pytest.approx(sum(values) / len(values))
            checked += 1
        if link["kind"] == "trial" and link["facts"]["number"]:
            attempts = store.attempts(link["facts"]["study"])
            found = next(a for a in attempts if (a.trial, a.purpose) == (link["facts"]["number"], "search"))
            loss = found.validation_nats / found.validation_tokens
            assert link["figures"][0]["value"] == pytest.approx(loss)
            checked += 1
        if link["kind"] == "ranking" and link["name"].endswith("by people"):
            votes = [c for c in store.comparisons() if c.turn == 0 and c.verdict != "skip"]
            for row in store.answer_sets():
                own_votes = [_score(vote, row.id) for vote in votes if row.id in (vote.first, vote.second)]
                figure = next(f for f in link["figures"] if f["name"] == f"win rate of {row.name}")
                assert figure["value"] == pytest.approx(sum(own_votes) / len(own_votes))
                checked += 1
    return checked


def _score(vote: ComparisonRow, side: str) -> float:
    if vote.verdict not in ("first", "second"):
        return 0.5
    return float((vote.verdict == "first") == (vote.first == side))


def pages(store: Store) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Of each page: addresses, as a page and its query."""
    runs = {run.name: run.id for run in store.runs()}
    base, one, two = runs["whole base"], runs["whole common seed 1"], runs["whole common seed 2"]
    keys = {each.name: each.key for each in configurations(store)}
    common, paper = (keys[f"whole-random-0/{label}"] for label in ("common", "paper-default"))
    study = store.studies()[0].id
    prompts = store.compared_prompts()[0]["digest"]
    return {
        "leaderboard": [("leaderboard", {})],
        "run": [("run", {"run": one, "against": base}), ("run", {"run": one, "task": "bbh"})],
        "compare": [("compare", {"runs": [base, one, two]}), ("compare", {"runs": [common, paper]})],
        "studies": [("studies", {"study": study, "view": view}) for view in ("trials", "scores")],
        "preference": [
            ("preference", {"prompts": prompts, "source": source, "view": view})
            for source, view in (
                ("people", "ranking"),
                ("judges", "ranking"),
                ("people+judges", "ranking"),
                ("both", "judges"),
            )
        ],
    }


@pytest.mark.parametrize("name", ["leaderboard", "run", "compare", "studies", "preference"])
def test_every_result_leads_to_what_gives_it(store: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = checked = 0
    for page, query in pages(store)[name]:
        drawn = draw(page, store.path, monkeypatch, **query)
        document = traced(store, address(page, **query))
        assert unexplained(drawn, [document]) == []
        counted += len(shown(drawn))
        checked += check_by_hand(store, document)
    assert counted > 15, "the collector sees the page"
    assert checked or name == "compare"
    if name == "compare":
        kinds = {link["kind"] for link in links(document)}
        assert {"samples", "run", "checkpoint", "trial", "study"} <= kinds


def test_a_sample_or_a_loss_that_was_altered_is_found(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof that the test above can fail."""
    shutil.copy(store.path, tmp_path / "s.duckdb")
    other = Store(tmp_path / "s.duckdb")
    run = next(run for run in other.runs() if run.name == "whole common seed 1")
    with other.write() as connection:
        connection.execute(FLIP, [run.id])
        connection.execute("UPDATE attempts SET validation_nats = 2 * validation_nats")
    study = other.studies()[0].id
    for altered, query in (("run", {"run": run.id}), ("studies", {"study": study, "view": "trials"})):
        drawn = draw(altered, other.path, monkeypatch, **query)
        assert unexplained(drawn, [traced(other, address(altered, **query))])


@pytest.mark.parametrize("name", ["run", "compare", "studies", "preference"])
def test_the_chain_opens_on_the_page(store: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is read when somebody opens it."""
    page, query = pages(store)[name][0]
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(where_from, "show", lambda key, words, opened=False: asked.append(words))
    draw(page, store.path, monkeypatch, **query)
    (words,) = asked
    tree = str(where_from.tree(where_from.trace_of(store, *words)))
    for kind in {"run": ("comparison", "samples", "study"), "preference": ("ranking", "verdicts", "answers")}.get(
        name, ("rows", "base")
    ):
        assert f'<span class="kind">{kind}</span>' in tree
    assert "<script" not in tree


def test_names_in_a_chain_are_text() -> None:
    inner = Link("checkpoint", HOSTILE, {HOSTILE: [HOSTILE]}, missing=[HOSTILE], command=HOSTILE)
    figure = Figure(HOSTILE, HOSTILE, made_from=HOSTILE, stored="another")
    tree = str(where_from.tree(Link("run", HOSTILE, figures=[figure], page=f"/run?run={HOSTILE}", sources=[inner])))
    assert set(re.findall(r"<(\w+)", tree)) == {
        "ul",
        "li",
        "span",
        "a",
        "b",
        "p",
        "div",
        "details",
        "summary",
        "dl",
        "dt",
        "dd",
    }
    assert "&lt;script&gt;" in tree
    assert "is not what the stored samples give" in tree
