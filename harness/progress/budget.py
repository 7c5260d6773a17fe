"""How many lines may be written: a few at once, then one a second."""

from __future__ import annotations

BURST = 10.0  # lines
RATE = 1.0  # a second


class LineBudget:
    def __init__(self, now: float) -> None:
        self._lines, self._at = BURST, now

    def spend(self, now: float) -> bool:
        """Whether there is one to write now."""
        self._lines = min(BURST, self._lines + RATE * (now - self._at))
        self._at = now
        if self._lines < 1:
            return False
        self._lines -= 1
        return True
