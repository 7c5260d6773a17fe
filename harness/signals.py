"""The signals that end a command: Ctrl-C, SIGTERM (schedulers, containers, `kill`) and SIGHUP (a terminal that closes).

All of them end it as Ctrl-C does: as KeyboardInterrupt on the main thread, so that what is committed stays, children
are ended, and one sentence says how far it came. One that we inherit as ignored (`nohup`, `make … &`) stays ignored.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: list[int] = []
_ours: set[signal.Signals] = set()


def install() -> None:
    """End as by Ctrl-C on SIGTERM and SIGHUP."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)
            _ours.add(number)


def again() -> None:
    """Our handlers once more, after a library (Ray) has put its own there; nothing where `install` was not called."""
    for number in _ours:
        signal.signal(number, _end)


def ignore() -> None:
    """In a child whose parent ends it: a signal to the whole group is the parent's affair."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def shielded(command: Sequence[str]) -> list[str]:
    """The command of such a child, which then ignores them from its first moment, imports and all."""
    return ["/bin/sh", "-c", 'trap "" INT TERM HUP; exec "$0" "$@"', *command]


def received() -> bool:
    """Whether SIGTERM or SIGHUP has come."""
    return bool(_received)


def exit_code() -> int:
    """Of a command that a signal ended: 128 and the signal's number, as shells have it (130 for Ctrl-C)."""
    return 128 + (_received[0] if _received else int(signal.SIGINT))


def _end(number: int, frame: FrameType | None) -> None:
    if _received:
        return  # it is ending; one that comes to the group and to the process would cut the clean end short
    _received.append(number)
    raise KeyboardInterrupt
