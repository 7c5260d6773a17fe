"""How busy the machine was with other work while this process measured."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from harness.estimate.ranges import Range

_TASKS = Path("/proc/self/task")
BUSY = 1.15  # from here on it is worth a sentence


class Contention:
    """Since it was made: how many times as long as on a quiet machine this process's threads took, as Linux's scheduler
    tells (proc_pid_schedstat(5)); 1 elsewhere."""

    def __init__(self) -> None:
        self._ran, self._waited = _schedule()

    @property
    def slowdown(self) -> float:
        ran, waited = _schedule()
        ran, waited = ran - self._ran, waited - self._waited
        return (ran + waited) / ran if ran > 0 and waited > 0 else 1.0


def widened(seconds: Range, slowdown: float) -> Range:
    """Other work may end, and more of it may come: half of it and a third, in the logarithm."""
    return Range(seconds.low / slowdown**0.5, seconds.expected, seconds.high * slowdown**0.35)


def sentence(slowdown: float) -> list[str]:
    if slowdown < BUSY:
        return []
    return [f"Other work had this machine: on a quiet one this takes about 1/{slowdown:.1f} of the time."]


def _schedule() -> tuple[float, float]:
    """Seconds that the threads ran, and that they waited for a core."""
    ran = waited = 0.0
    with suppress(OSError):
        for thread in _TASKS.iterdir():
            with suppress(OSError, ValueError, IndexError):  # it may end meanwhile
                words = (thread / "schedstat").read_text().split()
                ran += int(words[0]) / 1e9
                waited += int(words[1]) / 1e9
    return ran, waited
