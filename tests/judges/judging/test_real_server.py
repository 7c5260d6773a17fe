"""The 80 Vicuna prompts, two small checkpoints, and `transformers serve` as a judge: a real server, not a scripted one.

It needs fastapi beside transformers (`pip install "transformers[serving]"`)."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.tiny import __file__ as tiny
from judges.store import Store
from tests.harness.runs import child, json_of
from tests.judges.scripted_server import longer_wins, scripted_server
from tests.models import make_model

pytestmark = pytest.mark.full
TINY = Path(tiny).parent


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if importlib.util.find_spec("fastapi") is None:
        pytest.skip("transformers serve needs fastapi, which is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-P", "-m", "transformers.cli.transformers", "serve", str(TINY), "--device", "cpu"]
    log = (tmp_path_factory.mktemp("serve") / "log").open("w")
    server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 180
    while True:
        assert server.poll() is None, "the server has ended"
        assert time.monotonic() < end, "the server does not come up"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)


def test_the_vicuna_prompts_with_a_real_server_as_judge(real_server: str, shared_data: Path, tmp_path: Path) -> None:
    db = tmp_path / "preference.duckdb"
    other = make_model(tmp_path / "random", window=2048)
    options = ("--prompts", shared_data / "vicuna", "--max-new-tokens", 32, "--db", db)
    for model in ("tiny", other):
        made = json_of("answer", "--model", model, *options)["answers"][0]
        assert made["answers"] == 80
    words = ["judge", "--models", "tiny", "random", "--judge", str(TINY), "--base-url", real_server]
    words += ["--max-tokens", "16", "--concurrency", "4", "--db", str(db)]
    killed_at = []
    for _ in range(3):  # killed three times on the way
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = count(db)
        while count(db) < before + 20:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed_at.append(count(db))
    ended = child(*words)
    assert ended.returncode == 8, ended.stderr  # a toy model judges nothing: that is seen and said
    assert "gave no verdict" in ended.stderr
    rows = Store(db).comparisons()
    keys = Counter((row.judge, row.question, row.turn, row.first, row.second, row.repeat) for row in rows)
    assert len(keys) == len(rows) == 160
    assert len({row.question for row in rows}) == 80
    assert all(row.text and row.tokens_in and row.tokens_out for row in rows if not row.note)
    assert killed_at == sorted(killed_at)
    assert 20 <= killed_at[0] < killed_at[-1] < 160
    again = child(*words)
    assert again.returncode == 8
    assert Store(db).comparisons() == rows  # nothing was asked again

    with scripted_server(longer_wins) as (server, judge):  # a second judge, whose verdicts are valid
        found = json_of(
            "judge", "--models", "tiny", "random", "--judge", "scripted", "--base-url", server.url, "--db", db
        )
    (outcome,) = found["judges"]
    assert outcome["asked"] == sum(outcome["verdicts"].values()) == 160
    assert outcome["errors"] == {}
    assert set(judge.answered.values()) == {1}
    print(json.dumps({"killed at": killed_at, "verdicts": outcome["verdicts"]}))


def count(db: Path) -> int:
    return len(Store(db).comparisons())
