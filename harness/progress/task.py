"""How far a task is, how quickly it goes, and both in words."""

from __future__ import annotations

from dataclasses import dataclass

SOON = 2.0  # seconds before a speed is believed


@dataclass(slots=True)
class Task:
    """What was told last of a task, and where its phase began."""

    name: str
    began: float  # moments of one clock, in seconds
    at: float = 0.0  # of what was told last
    done: float = 0.0
    total: int = 0
    phase: str = ""
    unit: str = ""
    detail: str = ""
    tokens: int = 0
    left: str | None = None
    _known: bool = False  # something was told
    _first: float = 0.0  # done when the phase began: of an earlier session
    _first_tokens: int = 0

    def take(
        self,
        at: float,
        done: float,
        total: int,
        phase: str = "",
        unit: str = "",
        detail: str = "",
        tokens: int = 0,
        left: str | None = None,
    ) -> None:
        """What is told at a moment. Another phase, or a task that begins anew, has its speed from there on."""
        if not self._known or phase != self.phase or done < self.done or tokens < self.tokens:
            self.began, self._first, self._first_tokens = at, done, tokens
        self._known = True
        self.at, self.done, self.total, self.phase = at, done, total, phase
        self.unit, self.detail, self.tokens, self.left = unit, detail, tokens, left

    @property
    def finished(self) -> bool:
        """Whether all is done that can be counted."""
        return 0 < self.total <= self.done

    @property
    def summary(self) -> bool:
        """Whether it sums up other tasks, whose caller says what is left."""
        return self.left is not None

    @property
    def title(self) -> str:
        return f"{self.name}: {self.phase}" if self.phase else self.name

    def figures(self, now: float) -> str:
        """ "12 of 40 steps, loss 1.234, 812 tokens/s, about 2 min left"."""
        if not self.total:
            lasting = now - self.began
            return ", ".join(filter(None, (self.detail, f"{span(lasting)} so far" if lasting >= SOON else "")))
        count = f"{int(self.done):,} of {self.total:,}{self.unit and ' '}{self.unit}"
        return ", ".join(filter(None, (count, self.detail, self._speed(), self._left(now))))

    def _speed(self) -> str:
        tokens, seconds = self.tokens - self._first_tokens, self.at - self.began
        if not tokens or seconds < SOON:
            return ""
        speed = tokens / seconds
        return f"{speed:,.0f} tokens/s" if speed >= 10 else f"{speed:.1f} tokens/s"

    def _left(self, now: float) -> str:
        if self.left is not None:
            return self.left
        done, seconds = self.done - self._first, self.at - self.began
        if self.finished or done <= 0 or seconds < SOON:
            return ""
        left = (self.total - self.done) * seconds / done - (now - self.at)
        return f"about {span(max(1.0, left) if left < 120 else 60 * round(left / 60))} left"


def span(seconds: float) -> str:
    """ "40 s", "3 min 20 s", "12 min", "2 h 5 min", "30 h"."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    if round(seconds) < 600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest and hours < 24 else f"{hours:,} h"


def about(low: float, high: float) -> str:
    """ "about 9 to 15 min left", rounded, as an estimate is."""
    size, unit = next((s, u) for s, u in ((3600, "h"), (60, "min"), (1, "s")) if high >= 2 * s or s == 1)
    first, last = (_rounded(seconds / size) for seconds in (low, high))
    return f"about {first:,g} {unit} left" if first == last else f"about {first:,g} to {last:,g} {unit} left"


def _rounded(number: float) -> float:
    """To about two figures, so that what is shown does not change with each look."""
    steps = (50.0, 10.0), (20.0, 5.0), (3.0, 1.0)
    step = next((step for least, step in steps if number >= least), 0.5)
    return max(0.5, round(number / step) * step)
