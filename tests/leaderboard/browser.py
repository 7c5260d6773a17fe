"""Chromium for the tests, or a reason why there is none."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

# Streamlit says of its script whether it runs; what waits for data is a skeleton, and old parts are stale
COMPLETE = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const charts = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')];
  return app && app.getAttribute("data-test-script-state") === "notRunning"
    && !document.querySelector('[data-testid="stSkeleton"], [data-testid="stSpinner"], [data-stale="true"]')
    && document.querySelector('[data-testid="stMain"] h1, [data-testid="stMain"] h2, [data-testid="stMain"] h3')
    && charts.every(chart => chart.querySelector("svg, canvas"));
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page in a browser profile of its own, and all that it asked for, was sent and complained of."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
        self.address = address
        self.asked: list[str] = []
        self.sent: list[bytes] = []
        self.complaints: list[str] = []
        self.page = self.open()

    def open(self) -> Any:
        page = self.context.new_page()
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("websocket", lambda socket: socket.on("framereceived", self._keep))
        return page

    def _dismiss(self, dialog: Any) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def _keep(self, frame: Any) -> None:
        self.sent.append(frame if isinstance(frame, bytes) else str(frame).encode())

    def go(self, path: str = "/") -> Watched:
        self.page.goto(self.address + path)
        return self

    def settle(self, seconds: float = 60) -> Watched:
        """Until the page is complete: the script has run, nothing is a placeholder, and every chart is drawn."""
        self.page.wait_for_function(COMPLETE, timeout=1000 * seconds)
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_function(COMPLETE, timeout=1000 * seconds)
        return self

    def begin(self, name: str) -> Watched:
        """By name, as far as the first pair."""
        self.go(f"/?name={name}")
        self.pair()
        return self

    def pair(self) -> None:
        self.page.locator(".answer").first.wait_for()
        self.page.get_by_text(" rated").first.wait_for()
        self.page.get_by_role("button", name="Tie").wait_for()
        # keys are bound after the first paint
        self.page.evaluate("() => new Promise(done => requestIdleCallback(() => requestIdleCallback(done)))")

    def rated(self, count: int) -> None:
        """The page counts so many; it does so when the next pair and its keys are there."""
        self.page.get_by_text(re.compile(rf"^{count} of \d+ rated")).first.wait_for()

    def external(self) -> list[str]:
        return [url for url in self.asked if not url.startswith((self.address, "data:", "blob:"))]
