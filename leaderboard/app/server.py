"""The web server: a child process with Streamlit in it, on this machine unless asked otherwise.

`serve` starts it and waits. The child ends with its parent, however that ends: it reads its standard input, which the
parent holds open and never writes to."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable

from harness.errors import HarnessError, UsageError
from leaderboard.app.server_settings import Settings, current, environment

_START = 60  # seconds


def command(host: str, port: int) -> list[str]:
    return [sys.executable, "-P", "-m", "leaderboard.app.server", host, str(port)]


def free(host: str, port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def serve(settings: Settings, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is called once the pages answer. UsageError when the port is taken."""
    if not free(host, port):
        raise UsageError(f"Port {port} of {host} is in use: choose another with --port.")
    child = subprocess.Popen(
        command(host, port),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment(settings),
        start_new_session=True,  # a signal to the whole group is for us, and we end it
    )
    try:
        _until_up(child, host, port)
        ready()
        code = child.wait()
    finally:
        if child.stdin:
            child.stdin.close()  # the child ends
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if code:
        raise HarnessError(f"The web server ended with exit code {code}; what it said stands above.")


def _until_up(child: subprocess.Popen[bytes], host: str, port: int) -> None:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/_stcore/health"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _START
    while True:
        if child.poll() is not None or time.monotonic() > end:
            raise HarnessError("The web server does not start; what it said stands above.")
        try:
            with direct.open(address, timeout=2) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.05)


def _child(host: str, port: str) -> None:
    import streamlit as st

    from leaderboard import compat
    from leaderboard.app import shell
    from leaderboard.theme import theme

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if current().pages != ("rate",):
        threading.Thread(target=_ahead, daemon=True).start()
    options = {
        "server.address": host,
        "server.port": int(port),
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": False,
        "server.websocketPingInterval": 20,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "global.disableWidgetStateDuplicationWarning": True,  # widgets show the address (state.py)
        "logger.level": "warning",
    }
    names = shell.names(current().pages)
    st.App(shell.__file__, routes=compat.index_routes(names)).run(config={**options, **theme.options()})


def _ahead() -> None:
    """What pages import when opened, and what the leaderboard reads: the first visitor need not wait for it."""
    from leaderboard.pages import leaderboard

    for name in (
        "duckdb",
        "numpy",
        "scipy.special",
        "scipy.optimize",
        "harness.evaluation.compare",
        "judges.ranking.report",
    ):
        importlib.import_module(name)
    with contextlib.suppress(HarnessError):  # the page says it
        leaderboard.ahead()


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    _child(*sys.argv[1:])
