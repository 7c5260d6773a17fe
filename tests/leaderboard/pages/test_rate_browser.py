"""The rating page in a real Chromium."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from judges.people import raters as people
from judges.people import votes as human
from leaderboard.app import server, server_settings
from tests import forkserver
from tests.leaderboard.browser import Watched, chromium
from tests.leaderboard.make import ROOT, Serving, answered, free_port, serving, three
from tuning.store import Store


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@contextmanager
def rating(store: Store, names: bool = True, **plan: Any) -> Iterator[Serving]:
    made = human.make_plan(store, store.answer_sets(), **plan)
    with serving(server_settings.Settings(str(store.path), ("rate",), made.id, names)) as started:
        yield started


def go_through(seen: Watched, store: Store, count: int) -> None:
    """`count` pairs by keyboard alone, one of them undone; then close and come back."""
    seen.begin("Ada")
    for number in range(1, count + 1):
        seen.page.keyboard.press(str(number % 4 + 1))
        seen.rated(number)
        if number == count // 2:
            seen.page.keyboard.press("u")
            seen.rated(number - 1)
            seen.page.keyboard.press("4")
            seen.rated(number)
    votes = store.comparisons()
    assert len(votes) == count
    wanted = [("first", "second", "tie", "bad")[number % 4] for number in range(1, count + 1)]
    wanted[count // 2 - 1] = "bad"
    assert [vote.verdict for vote in votes] == wanted
    assert len(store.comparisons(superseded=True)) == count + 1
    shown = seen.page.locator(".answer").first.inner_text()
    seen.page.close()
    seen.page = seen.open()
    seen.begin("Ada")
    seen.rated(count)
    assert seen.page.locator(".answer").first.inner_text() == shown
    assert "Welcome back" in seen.page.locator(".stored").inner_text()


def test_by_keyboard_alone_and_back_again(tmp_path, browser):
    store = three(tmp_path / "s.duckdb")
    with rating(store, per_rater=20) as page:
        seen = Watched(browser, page.address)
        go_through(seen, store, 6)
        assert not seen.external()
        assert not seen.complaints
        # what the page was sent names no model and no answer set
        sent = b"".join(seen.sent)
        assert b"of 20 rated" in sent
        for each in store.answer_sets():
            assert each.id.encode() not in sent
        assert b"secret-model" not in sent
        # keys in the note are letters of the note
        seen.page.get_by_label("Note").fill("1 and 2")
        seen.page.get_by_label("Note").press("1")
        seen.page.get_by_role("button", name="Tie").click()
        seen.rated(7)
        last = store.comparisons()[-1]
        assert (last.verdict, last.note) == ("tie", "1 and 21")


@pytest.mark.full
def test_thirty_pairs_by_keyboard_alone(tmp_path, browser):
    store = three(tmp_path / "s.duckdb")
    with rating(store) as page:
        go_through(Watched(browser, page.address), store, 30)


def test_invitations(tmp_path, browser):
    store = three(tmp_path / "s.duckdb", questions=4)
    ((_, secret),) = people.invite(store, 1)
    with rating(store, names=False) as page:
        first = Watched(browser, page.address).go(f"/?invite={secret}")
        first.page.get_by_role("button", name="Begin").click()
        first.pair()
        first.page.keyboard.press("1")
        first.rated(1)
        # the same browser goes on, by the same link
        first.page.close()
        first.page = first.open()
        first.go(f"/?invite={secret}")
        first.rated(1)
        # another browser gets nothing; nor does a wrong link, a name, or nothing at all
        for path in (f"/?invite={secret}", "/?invite=wrong", "/?name=Ada", "/", "/rate"):
            other = Watched(browser, page.address).go(path)
            other.page.locator(".stAlert").first.wait_for()
            assert other.page.locator(".answer").count() == 0
            assert b"mill" not in b"".join(other.sent)
            other.context.close()
        # revoked while at work: the next vote is not stored, and the page says so
        people.revoke(store, "rater-1")
        first.page.keyboard.press("2")
        first.page.get_by_text("This vote is not stored").wait_for()
        assert len(store.comparisons()) == 1
        first.go(f"/?invite={secret}")
        first.page.get_by_text("opens with an invitation").wait_for()


HOSTILE = [
    '<script>window.hit=1;alert(1)</script><img src=http://hostile.test/i.png onerror="window.hit=1">',
    "![i](http://hostile.test/p.png) [l](http://hostile.test/l) [j](javascript:window.hit=1) <http://hostile.test/a>",
    "```py\nnever closed <b>\n| a |\n|-",
    "long " * 20_000,
    "שלום עולם, abc مرحبا \u202e evil",
    "null\x00byte \ud800 half \x1b[31m",
    "<style>*{display:none!important}</style></div></div><h1>out</h1>",
    "$\\href{javascript:window.hit=1}{x}$ :material/home: :red[x] <iframe src=http://hostile.test/f></iframe>",
]


def test_hostile_answers_show_as_text(tmp_path, browser):
    store = answered(
        tmp_path / "s.duckdb",
        {"a": HOSTILE, "<b>b</b>": [text[::-1] if n == 4 else text for n, text in enumerate(HOSTILE)]},
        [f"<script>window.hit=1</script> question {n} \x00" for n in range(len(HOSTILE))],
    )
    with rating(store) as page:
        seen = Watched(browser, page.address)
        seen.begin("Ada")
        texts = []
        for number in range(1, len(HOSTILE) + 1):
            texts.append(seen.page.locator(".answer").first.inner_text())
            assert "<script>" in seen.page.locator(".question").inner_text()
            for tag in ("script", "img", "iframe", "a", "style", "h1"):
                assert seen.page.locator(f".answer {tag}, .question {tag}").count() == 0
            assert seen.page.get_by_role("button", name="Tie").is_visible()
            seen.page.keyboard.press("3")
            if number < len(HOSTILE):
                seen.rated(number)
        seen.page.get_by_text("nothing is left").wait_for()
        assert seen.page.evaluate("window.hit") is None
        assert not seen.external()
        assert not seen.complaints
        everything = "\n".join(texts)
        for piece in ("window.hit=1;alert(1)", "http://hostile.test/p.png", "never closed <b>", "␀", "display:none"):
            assert piece in everything
        assert everything.count("long") == 20_000
        assert len(store.comparisons()) == len(HOSTILE)


def killed(tmp_path: Path, browser: Any, delays: Sequence[int]) -> None:
    """The server dies so many milliseconds after a key: the vote is stored once, or the page says that it is not."""
    store = three(tmp_path / "s.duckdb")
    with rating(store) as page:
        seen = Watched(browser, page.address)
        seen.begin("Ada")
        for delay in delays:
            before = len(store.comparisons())
            seen.page.keyboard.press("1")
            seen.page.wait_for_timeout(delay)
            page.kill()
            stored = len(store.comparisons())
            assert stored - before in (0, 1)
            seen.page.get_by_text("Connection error").wait_for()
            page.start()
            seen.page.reload()
            seen.pair()
            seen.page.get_by_text(f"{stored} of 36 rated").wait_for()
            assert len(store.comparisons()) == stored
            if stored:
                assert "not stored: please vote again" in seen.page.locator(".stored").inner_text()
        votes = store.comparisons()
        assert len({vote.assignment for vote in votes}) == len(votes)


def test_killed_between_click_and_reply(tmp_path, browser):
    killed(tmp_path, browser, (0, 60))


@pytest.mark.full
def test_killed_at_any_moment(tmp_path, browser):
    killed(tmp_path, browser, range(0, 200, 20))


def test_a_page_that_was_not_reloaded_says_what_is_stored(tmp_path, browser):
    store = three(tmp_path / "s.duckdb")
    with rating(store) as page:
        seen = Watched(browser, page.address)
        seen.begin("Ada")
        seen.page.keyboard.press("1")
        seen.rated(1)
        page.kill()
        page.start()
        tie = seen.page.get_by_role("button", name="Tie")
        seen.page.locator("button:not([disabled])", has_text="Tie").wait_for(timeout=60_000)
        tie.click()
        seen.page.get_by_text("A later one is not stored: please vote again").wait_for()
        assert len(store.comparisons()) == 1
        seen.page.keyboard.press("2")
        seen.rated(2)


def together(tmp_path: Path, browser: Any, raters: int, votes: int, tasks: str) -> None:
    """So many raters at once, each in a browser of their own, while a `harness run` writes to the same store."""
    store = three(tmp_path / "s.duckdb", questions=12)
    run = ["-P", "-m", "harness", "run", "--model", "tiny", "--data", "sample", "--tasks", tasks, "--db", store.path]
    with rating(store, ratings=raters) as page:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        writing = forkserver.Process(run, stdout=forkserver.DEVNULL, stderr=forkserver.PIPE, env=environment)
        try:
            seats = [Watched(browser, page.address) for _ in range(raters)]
            for number, seat in enumerate(seats):
                seat.go(f"/?name=rater{number}")
            for seat in seats:
                seat.pair()
            for number in range(1, votes + 1):
                for seat in seats:  # all press, then all wait
                    seat.page.keyboard.press(str(number % 4 + 1))
                for seat in seats:
                    seat.rated(number)
            _, errors = writing.communicate(timeout=240)
        finally:
            writing.kill()
            writing.communicate()
    assert writing.returncode == 0, errors
    stored = store.comparisons(superseded=True)
    assert len(stored) == raters * votes
    assert len({vote.assignment for vote in stored}) == len(stored)
    wanted = Counter(("first", "second", "tie", "bad")[number % 4] for number in range(1, votes + 1))
    for rater in store.judges("person"):
        assert Counter(vote.verdict for vote in stored if vote.judge == rater.id) == wanted


def test_two_raters_while_a_run_writes(tmp_path, browser):
    together(tmp_path, browser, 2, 3, "mmlu")


@pytest.mark.full
def test_ten_raters_while_a_run_writes(tmp_path, browser):
    together(tmp_path, browser, 10, 12, "mmlu,bbh,drop,humaneval")


def test_the_command_serves_and_ends_with_ctrl_c(tmp_path):
    store = three(tmp_path / "s.duckdb", questions=2)
    port = free_port()
    command = ["-P", "-m", "harness", "rate", "--db", store.path, "--port", port]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stderr": forkserver.PIPE, "stdout": forkserver.PIPE}
    started = forkserver.Process(command, env=environment, new_session=True, **pipes)
    guard = threading.Timer(90, started.kill)
    guard.start()
    try:
        assert started.stderr
        line = started.stderr.readline()
        assert f"http://127.0.0.1:{port}" in line
        assert not server.free("127.0.0.1", port)
        os.killpg(started.pid, signal.SIGINT)  # as a terminal does: the server gets it too
        assert started.wait(30) == 130
        assert started.stderr.read() == "harness: Stopped.\n"
        assert server.free("127.0.0.1", port)
    finally:
        guard.cancel()
        started.kill()
        started.communicate()


def test_the_server_ends_with_its_parent(tmp_path):
    store = three(tmp_path / "s.duckdb", questions=2)
    with rating(store) as page:
        assert page.child.stdin
        page.child.stdin.close()  # what the kernel does when the parent dies
        assert page.child.wait(20) == 0


@pytest.mark.full
def test_screenshots(tmp_path, browser):
    """Light and dark, wide and narrow; with HARNESS_SCREENSHOTS they are written to docs/images, to be looked at."""
    folder = ROOT / "docs" / "images" if os.environ.get("HARNESS_SCREENSHOTS") else tmp_path
    store = three(tmp_path / "s.duckdb")
    with rating(store, per_rater=30) as page:
        for scheme in ("light", "dark"):
            for name, width, height in (("wide", 1280, 720), ("narrow", 390, 780)):
                seen = Watched(
                    browser, page.address, viewport={"width": width, "height": height}, color_scheme=scheme
                ).begin("Ada")
                seen.page.keyboard.press("1")
                seen.page.get_by_text("Stored: A is better").wait_for()
                wide = seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
                assert wide, "the page scrolls sideways"
                bar = seen.page.locator(".st-key-bar").bounding_box()
                assert bar["y"] + bar["height"] <= height + 1, "the buttons are below the edge"
                folder.mkdir(parents=True, exist_ok=True)
                seen.page.screenshot(path=str(folder / f"rate-{scheme}-{name}.png"))
                seen.context.close()
