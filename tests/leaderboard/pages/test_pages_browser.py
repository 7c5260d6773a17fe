"""Every page of the board in a real Chromium: on stores of every kind, under hostile text, and while others write."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leaderboard.app import server_settings, shell, state
from tests.harness.runs import json_of
from tests.leaderboard.browser import Watched, chromium
from tests.leaderboard.hostile import SHOWN, hostile
from tests.leaderboard.judged import judged
from tests.leaderboard.make import ROOT, Serving, serving
from tests.leaderboard.searched import searched
from tests.leaderboard.shots import SHOTS
from tuning.store import Store

NAMES = tuple(shell.names())
HEADINGS = {name: shell.page(name).title for name in NAMES}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Store:
    """As `make demo` makes it, but for two of its four benchmarks."""
    path = tmp_path_factory.mktemp("demo") / "demo.duckdb"
    for seed in (0, 1):
        words = ("--tasks", "mmlu,humaneval", "--seed", seed, "--name", f"tiny-{seed}", "--db", path)
        json_of("run", "--model", "tiny", "--data", "sample", *words)
    return Store(path)


@contextmanager
def board(store: Store) -> Iterator[Serving]:
    with serving(server_settings.Settings(str(store.path), names=True)) as started:
        yield started


def fine(seen: Watched) -> str:
    """The page is complete, with no error of any kind and nothing asked of others; gives its text."""
    seen.settle()
    page = seen.page
    errors = page.locator('.stException, [data-testid="stException"], [data-testid="stAlertContentError"]')
    assert errors.count() == 0, (page.url, errors.all_inner_texts())
    assert page.get_by_text("Connection error").count() == 0
    assert not seen.complaints
    assert not seen.external()
    wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1], "the page scrolls sideways"
    text: str = page.inner_text("body")
    return text


def opened(browser: Any, store: Store, addresses: list[str], **context: Any) -> dict[str, str]:
    """Each address in turn; its text."""
    with board(store) as started:
        seen = Watched(browser, started.address, **context)
        texts = {address: fine(seen.go(f"/{address}")) for address in addresses}
        seen.context.close()
    return texts


def test_every_page_opens_without_a_store_and_says_what_to_type(tmp_path, browser):
    with board(Store(tmp_path / "none.duckdb")) as started:
        seen = Watched(browser, started.address)
        for name in NAMES:
            text = fine(seen.go(f"/{name}"))
            assert "harness " in text, name
        assert not (tmp_path / "none.duckdb").exists()


def test_every_page_opens_on_an_empty_store(tmp_path, browser):
    store = Store(tmp_path / "s.duckdb")
    with store.write():
        pass
    texts = opened(browser, store, list(NAMES))
    assert all("harness " in text for text in texts.values())


def test_a_page_below_the_root_finds_its_server_at_once(tmp_path, browser):
    with board(Store(tmp_path / "none.duckdb")) as started:
        seen = Watched(browser, started.address)
        for path in ("/", "/run?view=samples", "/leaderboard"):
            seen.asked.clear()
            fine(seen.go(path))
            assert [url for url in seen.asked if "/health" in url] == [f"{started.address}/_stcore/health"]


@pytest.mark.parametrize("kind", ["judgements", "a study"])
def test_every_page_opens_on_a_store_with_one_thing(tmp_path, browser, kind):
    if kind == "a study":
        searched(tmp_path)
    else:
        judged(tmp_path / "s.duckdb")
    texts = opened(browser, Store(tmp_path / "s.duckdb"), list(NAMES))
    assert ("No studies yet" in texts["studies"]) == (kind == "judgements")
    assert ("No comparisons yet" in texts["preference"]) == (kind == "a study")


@pytest.mark.full
def test_every_page_opens_on_the_demo_store_narrow_and_dark_too(demo, browser):
    run, other = (each.id for each in demo.runs())
    views = [state.link("run", run=run, view=view) for view in ("scores", "samples", "provenance")]
    views += [state.link("run", run=run, against=other), state.link("compare", runs=[run, other])]
    addresses = ["", *NAMES, *views]
    opened(browser, demo, addresses)
    opened(browser, demo, addresses, viewport={"width": 390, "height": 844}, color_scheme="dark")


@pytest.mark.full
def test_every_page_opens_on_the_big_store(tmp_path, browser):
    from bench.big.store import build

    store = build(tmp_path / "big.duckdb")
    texts = opened(browser, store, [shot.address(store) for shot in SHOTS])
    assert all(len(text) > 200 for text in texts.values())


# what filters, links, the sample browser and the comparison say they do


def test_the_leaderboard_filters_sorts_and_its_address_is_the_view(demo, browser):
    run = next(each for each in demo.runs() if each.name == "tiny-1")
    with board(demo) as started:
        seen = Watched(browser, started.address)
        seen.go("/")
        assert "tiny-0" in fine(seen) or "tiny-1" in seen.page.inner_text("body")
        find = seen.page.get_by_placeholder("Find a model")
        find.fill(run.name)
        find.press("Enter")
        seen.page.wait_for_url("**find=tiny-1**")
        assert run.name in fine(seen)
        find.fill("nothing is called so")
        find.press("Enter")
        seen.page.get_by_text("Nothing is left").wait_for()
        # a colleague opens the same address
        other = Watched(browser, "")
        other.page.goto(seen.page.url)
        other.page.get_by_text("Nothing is left").wait_for()
        # a heading sorts, and the address says so
        seen.go("/")
        fine(seen)
        seen.page.locator("table.board thead a", has_text="humaneval").click()
        seen.page.wait_for_url("**sort=humaneval**")
        seen.page.locator("table.board thead th[aria-sort]", has_text="humaneval").wait_for()
        seen.settle()
        # a checkpoint's name leads to its run, without loading the app anew
        before = len([url for url in seen.asked if url.endswith("/_stcore/health")])
        seen.page.locator("table.board tbody th a").first.click()
        seen.page.wait_for_url("**run?run=**")
        fine(seen)
        assert len([url for url in seen.asked if url.endswith("/_stcore/health")]) == before
        # and Back to the leaderboard as it was
        seen.page.go_back()
        seen.page.locator("table.board thead th[aria-sort]", has_text="humaneval").wait_for()
        assert "sort=humaneval" in seen.page.url
        fine(seen)


def test_the_sample_browser_finds_what_was_said(demo, browser):
    run = demo.runs()[0]
    wrong = demo.count(run.id, "mmlu", wrong=True)
    total = demo.count(run.id, "mmlu")
    a_sample = demo.page(run.id, "mmlu", limit=1)[0]
    words = a_sample["responses"][0]["own"].split("\n")[0][:30]
    found = demo.count(run.id, "mmlu", search=words)
    assert 0 < wrong < total
    assert 0 < found < total
    with board(demo) as started:
        seen = Watched(browser, started.address)
        seen.go(f"/{state.link('run', run=run.id, view='samples', task='mmlu')}")
        assert f"of {total} samples" in fine(seen)
        seen.page.get_by_text("Only wrong").click()
        seen.page.get_by_text(f"of {wrong} samples").wait_for()
        assert "wrong=1" in seen.page.url
        assert seen.page.locator("article .mark.good").count() == 0
        assert seen.page.locator("article .mark.bad").count() == min(10, wrong)
        seen.page.get_by_text("Only wrong").click()
        seen.page.get_by_text(f"of {total} samples").wait_for()
        search = seen.page.get_by_label("Search")
        search.fill(words)
        search.press("Enter")
        seen.page.get_by_text(f"of {found} samples").wait_for()
        seen.settle()
        cards = seen.page.locator("article").all_inner_texts()
        assert cards
        assert all(words.casefold() in text.casefold() for text in cards)
        # programs of HumanEval, with why they failed
        seen.go(f"/{state.link('run', run=run.id, view='samples', task='humaneval', wrong=1)}")
        fine(seen)
        failed = demo.page(run.id, "humaneval", wrong=True, limit=1)[0]
        assert failed["note"].split("\n")[0][:30] in seen.page.inner_text("body")


def test_a_comparison_has_the_figures_of_the_command_and_its_flips(demo, browser):
    runs = [each.id for each in demo.runs()]
    rows = json_of("compare", *runs, "--db", demo.path)
    first = list({row["task"]: row for row in reversed(rows)}.values())
    flips = {row["task"]: demo.flips(*runs, row["task"], row["metric"]) for row in first}
    with board(demo) as started:
        seen = Watched(browser, started.address)
        seen.go(f"/{state.link('compare', runs=runs)}")
        text = fine(seen).replace("−", "-")
        for row in first:
            assert row["task"] in text
            assert f"{100 * row['difference']:+.1f}".replace("+0.0", "0.0") in text.replace("+0.0", "0.0")
        task = next((name for name, own in flips.items() if own), None)
        if task is not None:
            seen.go(f"/{state.link('compare', runs=runs, task=task)}")
            fine(seen)
            shown = seen.page.locator("article")
            assert shown.count() == min(5, len(flips[task]))
            assert flips[task][0]["item"] in "".join(shown.all_inner_texts())


# hostile text


def test_hostile_text_is_text_on_every_page(tmp_path, browser):
    store = hostile(tmp_path / "s.duckdb")
    runs = [each.id for each in store.runs() if not each.partial]
    study = store.studies()[0].id
    addresses = ["", "studies", "preference"]
    addresses += [state.link("studies", study=study, view=view) for view in ("scores", "search", "matters", "trials")]
    addresses += [state.link("run", run=runs[0], view=view) for view in ("scores", "samples", "provenance")]
    addresses += [state.link("run", run=runs[0], against=runs[1]), state.link("compare", runs=runs[:3])]
    addresses += [state.link("preference", source="both", view="pair", question=str(n)) for n in (1, 2)]
    addresses += [state.link("preference", view="judges")]
    addresses += [state.link("run", run="<script>alert(9)</script>"), state.link("compare", runs=["<img src=x>"])]
    with board(store) as started:
        for width, scheme in ((1280, "light"), (390, "dark")):
            seen = Watched(browser, started.address, viewport={"width": width, "height": 900}, color_scheme=scheme)
            everything = ""
            for address in addresses:
                everything += fine(seen.go(f"/{address}"))
                main = seen.page.locator('[data-testid="stMain"]')
                for tag in (
                    "img",
                    "iframe",
                    "script[src]",
                    "a[href^=javascript]",
                    "a[href^=http]",
                    ".katex",
                    "svg[onload]",
                ):
                    assert main.locator(tag).count() == 0, (address, tag)
                styled = seen.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stMain]')).display")
                assert styled != "none"
            for piece in SHOWN:
                assert piece in everything, piece
            seen.context.close()


# live, and beside others


def test_a_page_follows_a_run_that_is_being_stored(tmp_path, browser):
    from tests.harness.results import make

    store = Store(tmp_path / "s.duckdb")
    make.stored(store, name="there", status="finished")
    _score(store, "there")
    with board(store) as started:
        seen = Watched(browser, started.address)
        seen.go("/")
        assert "newcomer" not in fine(seen)
        make.stored(store, name="newcomer", status="finished", model_digest="another")
        _score(store, "newcomer")
        seen.page.get_by_text("newcomer").first.wait_for(timeout=60_000)
        fine(seen)


def _score(store: Store, name: str) -> None:
    from tests.harness.results import make

    run = store.resolve(name).id
    store.save_scores(run, [make.score(run)])


class Waits:
    """How long a run and a search waited for the store, at most and in all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, name: str) -> tuple[float, float, float]:
        """(longest wait, all waits, seconds of work)."""
        longest, total, seconds = map(float, (self.folder / name).read_text().split())
        return longest, total, seconds


# In a child: commands over and over until the time is up; then what the store's lock cost.
_WORK = """
import contextlib, sys, time
from pathlib import Path
from harness.store import connection
waits, real = [], connection.locked
@contextlib.contextmanager
def counted(home, *, exclusive):
    with real(home, exclusive=exclusive) as seconds:
        waits.append(seconds)
        yield seconds
connection.locked = counted
out, end, kind, db, tasks, budget = sys.argv[1], time.time() + float(sys.argv[2]), *sys.argv[3:7]
began, rounds = time.perf_counter(), 0
while time.time() < end:
    if kind == "run":
        from harness.evaluation.planning import Options
        from harness.evaluation.run import run
        run(Options(model="tiny", tasks=tasks, db=db, data="sample", fresh=True, name=f"round {rounds}"))
    else:
        from tuning.study import session
        from tuning.study.options import Options
        given = {"model": "tiny", "data": "sample", "db": db, "budget": int(budget), "no_merge": True}
        session.run(Options(**given, optimizer="random", seed=rounds, max_tokens=64, set={"epochs": 0.5}))
    rounds += 1
spent = time.perf_counter() - began
Path(out).write_text(f"{max(waits)} {sum(waits)} {spent}")
print(rounds)
"""


def beside(tmp_path: Path, browser: Any, seconds: float, browsers: int, tasks: str, trials: int) -> None:
    """A run, a search and browsers at once on one store: no error page, no lost row, and little waiting.

    Both compute with as many threads as a user's would. With one, as tests have it, `tiny` answers a batch in so little
    time that the run is in the store for 40% of it, and waits 7% for the search alone (measured)."""
    store = judged(tmp_path / "s.duckdb")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("OMP_NUM_THREADS", None)
    children = {
        kind: subprocess.Popen(
            [
                sys.executable,
                "-c",
                _WORK,
                str(tmp_path / kind),
                str(seconds),
                kind,
                str(store.path),
                tasks,
                str(trials),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind in ("run", "search")
    }
    guards = [threading.Timer(seconds + 300, child.kill) for child in children.values()]
    for guard in guards:
        guard.start()
    said = {}
    try:
        with board(store) as started:
            seats = [Watched(browser, started.address) for _ in range(browsers)]
            visits = 0
            end = time.monotonic() + seconds
            while time.monotonic() < end or any(child.poll() is None for child in children.values()):
                for number, seat in enumerate(seats):
                    name = NAMES[(visits + number) % len(NAMES)]
                    fine(seat.go(f"/{name}"))
                visits += 1
            assert visits >= 3
    finally:
        for kind, child in children.items():
            said[kind] = child.communicate()
        for guard in guards:
            guard.cancel()
    for kind, child in children.items():
        assert child.returncode == 0, said[kind][1]
    _whole(store, int(said["run"][0]), int(said["search"][0]), trials)
    waits = {kind: Waits(tmp_path).of(kind) for kind in children}
    print(
        {kind: f"longest {w[0]:.3f} s, {100 * w[1] / w[2]:.2f}% of {w[2]:.0f} s" for kind, w in waits.items()}, visits
    )
    longest, total, spent = waits["run"]
    assert total / spent < 0.05
    assert longest < 1


def _whole(store: Store, rounds: int, searches: int, budget: int) -> None:
    """Each run has every answer and score once, each study every trial."""
    runs = store.runs()
    assert len(runs) == rounds
    for run in runs:
        assert run.status == "finished"
        for task in store.tasks(run.id):
            samples = store.samples(run.id, task.task)
            assert len({(s.item, s.repeat) for s in samples}) == len(samples) == task.items
            assert len(store.responses(run.id, task.task)) == len(samples)
            assert any(score.task == task.task for score in store.scores(run.id))
    studies = store.studies()
    assert len(studies) == searches
    for study in studies:
        assert study.status == "finished"
        trials = store.trials(study.id)
        assert [trial.number for trial in trials] == list(range(1, budget + 1))
        attempts = store.attempts(study.id)
        assert {attempt.trial for attempt in attempts} == set(range(1, budget + 1))
        for trial in trials:
            steps = {(s.fraction, s.purpose, s.step) for s in store.steps(study.id, trial.number)}
            own = [attempt for attempt in attempts if attempt.trial == trial.number]
            assert len(steps) == sum(attempt.steps for attempt in own)


@pytest.mark.full
@pytest.mark.alone
def test_a_run_a_search_and_a_browser_at_once(tmp_path, browser):
    beside(tmp_path, browser, 3, 1, "mmlu", 4)


@pytest.mark.full
@pytest.mark.alone
def test_a_run_a_search_and_three_browsers_for_five_minutes(tmp_path, browser):
    beside(tmp_path, browser, 300, 3, "mmlu,bbh", 4)
