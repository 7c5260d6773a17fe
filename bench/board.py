"""The board's pages in real Chromium, on the big store (`bench.big.store`), against an empty Streamlit page.

    python -m bench.board [ROUNDS] [STORE] [PAGE…]

Both servers are warm, and so is the browser's cache: each page was opened before. A page is complete when its script
has ended, nothing on it is a placeholder, its charts are drawn, its own element is there and the last answer to a
request has come. The two are opened in turn. `memory_mb` is the server's resident memory at its most (VmHWM)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import common
from leaderboard.app import server, server_settings
from tests.leaderboard.browser import COMPLETE, chromium
from tests.leaderboard.make import ROOT, Serving, free_port, serving
from tests.leaderboard.shots import SHOTS
from tuning.store import Store

TIMES = 3.0
MEMORY_MB = 1024
EMPTY = 'import streamlit as st\nst.set_page_config(layout="wide")\nst.title("Empty")\n'
# what a page has and no other
MARKS = {
    "leaderboard": "table.board",
    "run": "table.board",
    "compare": ".vega-embed svg, [data-testid=stVegaLiteChart] svg",
    "studies": "table.board",
    "study": ".vega-embed svg, [data-testid=stVegaLiteChart] svg",
    "preference": "table.figures",
    "empty": "h1",
}
# (page, seconds after the last of: complete, mark visible) as a promise of milliseconds since the navigation began
_DONE = f"""(mark) => new Promise((resolve) => {{
  const complete = {COMPLETE};
  const look = () => {{
    if (complete() && document.querySelector(mark)) {{
      const ends = performance.getEntriesByType("resource").map(each => each.responseEnd);
      resolve(Math.max(performance.now(), ...ends));
    }} else requestAnimationFrame(look);
  }};
  look();
}})"""


@contextlib.contextmanager
def empty(folder: Path) -> Iterator[str]:
    """An empty page, served with the options of ours."""
    app = folder / "empty_page.py"
    app.write_text(EMPTY, encoding="utf-8")
    port = free_port()
    options = {"server.address": "127.0.0.1", "server.port": port, "server.headless": "true"}
    options |= {"server.fileWatcherType": "none", "browser.gatherUsageStats": "false", "client.toolbarMode": "minimal"}
    command = [sys.executable, "-m", "streamlit", "run", str(app), *(f"--{k}={v}" for k, v in options.items())]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        server._until_up(child, "127.0.0.1", port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        child.kill()
        child.wait()


def seconds(page: Any, address: str, mark: str) -> float:
    """Of one opening, by the browser's own clock."""
    page.goto("about:blank")
    page.goto(address, wait_until="commit")
    milliseconds: float = page.evaluate(_DONE, mark)
    return milliseconds / 1000


def peak_mb(pid: int) -> float:
    """Of the server process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def big() -> Path:
    path = common.WORK / "board.duckdb"
    if not path.exists():
        from bench.big.store import build

        common.WORK.mkdir(exist_ok=True)
        build(path)
    return path


def main(rounds: int = 5, path: Path | None = None, wanted: tuple[str, ...] = ()) -> None:
    store = Store(path or big())
    counts = store.info()
    settings = server_settings.Settings(str(store.path.resolve()), names=True)
    with chromium() as browser, empty(common.WORK) as beside, serving(settings) as ours:
        page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
        seconds(page, beside, MARKS["empty"])
        for shot in SHOTS:
            if not wanted or shot.name in wanted:
                _measure(page, shot.name, f"{ours.address}/{shot.address(store)}", beside, rounds, ours, counts)


def _measure(
    page: Any, name: str, address: str, beside: str, rounds: int, ours: Serving, counts: dict[str, Any]
) -> None:
    first = seconds(page, address, MARKS[name])
    seconds(page, address, MARKS[name])
    mine, peers = common.in_turn(
        rounds, lambda: seconds(page, address, MARKS[name]), lambda: seconds(page, beside, MARKS["empty"])
    )
    memory = peak_mb(ours.child.pid)
    common.tell(
        f"board {name}",
        at_most=TIMES,
        ours=mine,
        peer=peers,
        first=first,
        memory_mb=memory,
        memory_holds=memory < MEMORY_MB,
        **{key: counts[key] for key in ("samples", "runs", "trials", "comparisons")},
    )


if __name__ == "__main__":
    os.chdir(ROOT)
    words = sys.argv[1:]
    main(int(words[0]) if words else 5, Path(words[1]) if len(words) > 1 else None, tuple(words[2:]))
