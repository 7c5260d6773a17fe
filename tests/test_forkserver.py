"""A forked process is as one that is started: pipes, environment, folder, exit codes and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked_python, forkserver
from tests.forkserver import PIPE, Process

SHOW = "import os, sys; print(sys.argv[1:], os.getcwd(), os.environ['A'], sys.stdin.read()); sys.exit(7)"
WAIT = "print('waits', flush=True); import time; time.sleep(60)"


def shell(*words: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(forked_python.__file__), forkserver.address(), *words]


def test_it_has_its_own_arguments_folder_and_environment(tmp_path: Path) -> None:
    environment = {**os.environ, "A": "b"}
    expected = f"['x', 'y z'] {tmp_path} b in\n"
    with Process(["-c", SHOW, "x", "y z"], stdin=PIPE, stdout=PIPE, env=environment, cwd=tmp_path) as process:
        assert process.stdin
        process.stdin.write("in")
        assert process.communicate(60) == (expected, "")
    assert process.returncode == 7
    command = shell("-c", SHOW, "x", "y z")
    done = subprocess.run(command, input="in", stdout=PIPE, text=True, env=environment, cwd=tmp_path, check=False)
    assert (done.stdout, done.returncode) == (expected, 7)


def test_a_file_finds_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'found'")
    (tmp_path / "script.py").write_text("import beside; print(beside.WORD); raise ValueError('in the end')")
    with Process([tmp_path / "script.py"], stdout=PIPE, stderr=PIPE) as process:
        out, errors = process.communicate(60)
    assert (process.returncode, out) == (1, "found\n")
    assert errors.endswith("ValueError: in the end\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    with Process(["-c", WAIT], stdout=PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == "waits\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        os.kill(process.pid, number)
        assert process.wait(60) == process.poll() == -number


def test_a_signal_goes_through_the_shells_python() -> None:
    with subprocess.Popen(shell("-c", WAIT), stdout=PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "waits\n"
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
