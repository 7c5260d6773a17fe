"""`harness board --export`: whole in itself, all text, and the figures of the commands."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, StoreError
from judges.ranking.evidence import WHOSE
from leaderboard import site
from tests.harness.cli.test_gate import answers, measured
from tests.harness.runs import json_of
from tests.leaderboard.browser import Watched, chromium
from tests.leaderboard.hostile import SHOWN, hostile
from tests.leaderboard.judged import judged
from tests.leaderboard.searched import searched
from tuning.store import Store

_TAG = re.compile(r"<[^>]+>")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Store, Path]:
    folder = tmp_path_factory.mktemp("site")
    store = judged(folder / "s.duckdb")
    for name, right in (("base", 600), ("better", 660), ("same", 605)):
        measured(store, name, {"mmlu": answers(right, 1000 - right), "bbh": answers(500, 500)}, model_digest=name)
    for run in store.runs():
        store.save_scores(run.id, [*_scores(store, run.id)])
    site.write(store, folder / "out")
    return store, folder / "out"


def _scores(store: Store, run: str) -> Any:
    from harness.results import ScoreRow
    from harness.stats import intervals
    from harness.types import Item, Sample

    for task in store.tasks(run):
        samples = [Sample(Item(s.item, s.group, {}, s.cluster), s.metrics) for s in store.samples(run, task.task)]
        for s in intervals.scores(samples, "acc", by_group=False):
            yield ScoreRow(run, task.task, s.group, "standard", s.metric, s.value, s.low, s.high, s.n, s.method)


def text_of(path: Path) -> str:
    """What a reader sees, in one line."""
    body = path.read_text("utf-8").partition("</head>")[2]
    return " ".join(html.unescape(_TAG.sub(" ", body)).split())


def test_there_is_a_page_for_each_part(made):
    _, folder = made
    assert {path.name for path in folder.iterdir()} == {
        "index.html",
        "compare.html",
        "studies.html",
        "preference.html",
    }
    for path in folder.glob("*.html"):
        text = path.read_text("utf-8")
        assert "Content-Security-Policy\" content=\"default-src 'none'" in text
        assert "<script" not in text
        led = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]*)""", text)
        assert set(led) == {"index.html", "compare.html", "studies.html", "preference.html"}
        assert not re.search(r"url\(|@import|xlink:href=\"http", text)


def test_scores_and_comparisons_are_those_of_the_commands(made):
    store, folder = made
    board, compared = text_of(folder / "index.html"), text_of(folder / "compare.html")
    for run in json_of("show", "--db", store.path)["runs"]:
        assert run["name"] in board
        for score in run["scores"].values():
            assert f"{100 * score['value']:.1f}" in board
            assert f"{100 * score['low']:.1f} – {100 * score['high']:.1f}" in board
    assert "better against base" in compared
    for row in json_of("compare", "base", "better", "--db", store.path):
        said = f"{100 * row['difference']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
        assert f"{said} {row['p_value']:.3g} {row['p_holm']:.3g} {row['lost']} / {row['gained']}" in compared


def test_what_prompts_differ_in_is_noted_beside_the_comparison(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    for name, config in (("a", {}), ("b", {"add_bos": True})):
        measured(store, name, {"mmlu": answers(6, 4)}, model_digest=name, config=config)
    for run in store.runs():
        store.save_scores(run.id, [*_scores(store, run.id)])
    site.write(store, tmp_path / "out")
    (note,) = json_of("compare", "a", "b", "--db", store.path)[0]["warnings"]
    assert note.startswith("The prompts differ by --add-bos")
    assert "The prompts differ by --add-bos" in text_of(tmp_path / "out" / "compare.html")


def test_people_and_judges_are_ranked_apart_and_judges_corrected_by_people(made):
    store, folder = made
    rankings = text_of(folder / "preference.html").split("Ranked ")[1:]
    assert len(rankings) == 3
    for source, text in zip(("people", "judges", "people+judges"), rankings, strict=True):
        report = json_of("ranking", "--by", source, "--db", store.path)
        assert text.startswith(f"by {WHOSE[source]}: {report['games']} games")
        for note in report["notes"]:
            assert note in text
        for model in report["models"]:
            assert f"{model['name']} {model['strength']:+.2f} [{model['low']:+.2f}, {model['high']:+.2f}]" in text


def test_too_few_votes_to_correct_judges_by_are_said(tmp_path):
    store = judged(tmp_path / "s.duckdb")
    with store.write() as connection:  # a vote is left
        connection.execute(
            "DELETE FROM comparisons WHERE judge IN (SELECT id FROM judges WHERE kind = 'person') AND id <> "
            "(SELECT min(c.id) FROM comparisons c JOIN judges j ON j.id = c.judge WHERE j.kind = 'person')"
        )
    site.write(store, tmp_path / "out")
    text = text_of(tmp_path / "out" / "preference.html")
    assert "Ranked by judges:" in text
    assert "too few to correct judges by" in text


def test_an_empty_store_has_a_site_and_a_missing_one_does_not(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    with pytest.raises(StoreError, match="no store"):
        site.write(store, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with store.write():
        pass
    site.write(store, tmp_path / "out")
    for name, said in (
        ("index", "no scores"),
        ("compare", "not two"),
        ("studies", "no studies"),
        ("preference", "Nobody"),
    ):
        assert said in text_of(tmp_path / "out" / f"{name}.html")


def test_a_second_export_replaces_the_first(tmp_path):
    searched(tmp_path)
    store, out = Store(tmp_path / "s.duckdb"), tmp_path / "out"
    site.write(store, out)
    (study,) = out.glob("study-*.html")
    (out / "mine.html").write_text("stays")
    store.remove_studies([each.id for each in store.studies()])
    site.write(store, out)
    assert not study.exists()
    assert (out / "mine.html").exists()
    assert not list(out.glob(".*"))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    with store.write():
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot be written"):
        site.write(store, tmp_path / "file" / "out")


def test_hostile_names_are_text_in_a_browser_and_nothing_is_asked_for(tmp_path):
    store = hostile(tmp_path / "s.duckdb")
    site.write(store, tmp_path / "out")
    with chromium() as browser:
        for scheme, width in (("light", 1280), ("dark", 390)):
            seen = Watched(browser, "", viewport={"width": width, "height": 800}, color_scheme=scheme)
            everything = ""
            for path in sorted((tmp_path / "out").glob("*.html")):
                seen.page.goto(path.as_uri())
                seen.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
                everything += seen.page.inner_text("body")
                assert seen.page.locator("img, script, iframe, a[href^=javascript], a[href^=http]").count() == 0
                assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path.name
                background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 23, 29)")
            assert not seen.complaints
            assert all(url.startswith("file:") for url in seen.asked)
            for piece in SHOWN:
                assert piece in everything
            seen.context.close()
