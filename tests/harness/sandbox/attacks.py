"""Programs that try to forge a pass, to do harm, or to stay."""

from __future__ import annotations

FIVE = """
def check(candidate):
    assert candidate(2) == 5
"""
NEAR_FIVE = """
def check(candidate):
    assert abs(candidate(2) - 5) < 1e-6
"""
TRUE = """
def check(candidate):
    assert candidate() is True
"""

# name: the program, the check, what the verdict must say
FORGERIES = {
    "always equal": (
        """
class Equal:
    def __eq__(self, other):
        return True

def f(x):
    return Equal()
""",
        FIVE,
        "cannot cross",
    ),
    "a string that is always equal": (
        """
class Equal(str):
    __hash__ = None
    def __eq__(self, other):
        return True

def f(x):
    return Equal("a")
""",
        FIVE,
        "failed: AssertionError",
    ),
    "a number that is always near": (
        """
class Near(float):
    def __sub__(self, other):
        return 0.0

def f(x):
    return Near(0)
""",
        NEAR_FIVE,
        "failed: AssertionError",
    ),
    "exit at once": ("import os; os._exit(0)", FIVE, "ended before"),
    "exit in the call": ("import os\ndef f(x): os._exit(0)", FIVE, "ended before"),
    "quiet exit": ("import sys\ndef f(x): sys.exit(0)", FIVE, "error: SystemExit"),
    "patched builtin": (
        "import builtins\nbuiltins.abs = lambda x: 0.0\ndef f(x): return 9",
        NEAR_FIVE,
        "AssertionError",
    ),
    "frame walking": (
        """
import sys

def f(x):
    frame = sys._getframe(1)
    while frame:
        for constant in frame.f_code.co_consts:
            if type(constant) is int and constant > 2:
                return constant
        frame = frame.f_back
""",
        FIVE,
        "failed: AssertionError",
    ),
    "every descriptor": (
        """
import os

def f(x):
    for descriptor in range(1, 64):
        try:
            os.write(descriptor, b"passed")
        except OSError:
            pass
    return 0
""",
        FIVE,
        "wrote over its answers",
    ),
}

WRITES_AHEAD = """
import os
for descriptor in range(3, 64):
    try:
        os.write(descriptor, REPLIES)
    except OSError:
        pass
os._exit(0)
"""

FORKS = """
import os

def f():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return True
"""
ORPHANS = """
import os

def f():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                pass
        os._exit(0)
    return True
"""
FORK_BOMB = """
import os

def f():
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""
STARTS_THREAD = """
import threading

def f():
    threading.Thread(target=print).start()
    return True
"""
STARTS_PROGRAM = """
import subprocess, sys

def f():
    subprocess.run([sys.executable, "-c", ""])
    return True
"""

ENDLESS = {
    "plain": """
while True:
    pass
""",
    "deaf to signals": """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
""",
    "catches everything": """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
    "in one long operation": """
sum(range(10 ** 12))
""",
    "asleep": """
import time
time.sleep(1000)
""",
    "in the text of its error": """
class Slow(Exception):
    def __str__(self):
        while True:
            pass
raise Slow
""",
}

FILLS_TMP = """
def f():
    for number in range(40):
        with open(f"/tmp/{number}", "wb") as file:
            file.write(bytes(1 << 20))
    return True
"""
WRITES_AROUND = """
def f():
    done = []
    for place in PLACES:
        try:
            open(place + "/mark", "w")
        except OSError:
            continue
        done.append(place)
    return done
"""
CONNECTS = """
import socket

def f():
    socket.create_connection(("127.0.0.1", PORT), 1)
    return True
"""
GROWS = """
def f():
    held = []
    while True:
        held.append(bytearray(1 << 24))
"""
UNCOUNTED_MEMORY = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)

def f():
    if CALL == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return True
"""
PRINTS_A_GIGABYTE = """
import os

def f():
    for _ in range(512):
        os.write(1, bytes(1 << 20))
        os.write(2, bytes(1 << 20))
    return True
"""
FLOODS = """
import os

def f():
    for start in STARTS:
        for _ in range(1024):
            for descriptor in range(3, 64):
                try:
                    os.write(descriptor, start + bytes(1 << 20))
                except OSError:
                    pass
    return True
"""
