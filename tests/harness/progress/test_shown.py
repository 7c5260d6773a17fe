"""A real terminal: rows that move, and the sentence of Ctrl-C behind them."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

from harness.progress import shown

ROOT = Path(__file__).resolve().parents[3]
LONG = """
import os
import signal
from harness.progress import shown

with shown() as progress:
    progress.update("mmlu", 3, 7, unit="samples")
    os.write(1, b"begun\\n")
    signal.pause()
"""


def test_a_log_where_there_is_no_terminal(capsys):
    with shown() as progress:
        progress.update("mmlu", 0, 2)
        progress.update("mmlu", 2, 2)
    assert capsys.readouterr().err == "mmlu: 0 of 2\nmmlu: 2 of 2\n"


def test_ctrl_c_leaves_the_last_row_and_a_visible_cursor():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", LONG], stdout=subprocess.PIPE, stderr=theirs, stdin=theirs, env=environment
    )
    os.close(theirs)
    guard = threading.Timer(60, process.kill)
    guard.start()
    assert process.stdout
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGINT)
    written = b""
    try:
        while more := os.read(ours, 4096):
            written += more
    except OSError:  # the other end is closed
        pass
    guard.cancel()
    process.stdout.close()
    assert process.wait() != 0
    text = written.decode()
    assert "3 of 7 samples" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "KeyboardInterrupt" in text
