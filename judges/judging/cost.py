"""What judging costs: an estimate before it starts, and a limit that is never passed.

Money is in the currency of the prices given, per million tokens. A limit holds because nothing is sent whose worst
case no longer fits: the prompt at one token a byte of UTF-8 (no byte-level tokenizer makes more), the answer at
`max_tokens`. What was sent and brought no answer counts at its worst, and what a killed session had under way too.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import IncompleteError
from harness.options import OptionError

OVERHEAD = 64  # tokens a request, at most, that a server's chat template adds around two messages
BYTES_A_TOKEN = 3.5  # of English prose under common tokenizers, cautiously; for the estimate only
WORDS_OUT = 200  # tokens of a usual verdict with its reasons; for the estimate only


class SpentError(IncompleteError):
    """The limit leaves no room for the next request."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Per million tokens."""

    tokens_in: float
    tokens_out: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


@dataclass(frozen=True, slots=True)
class Estimate:
    requests: int
    tokens_in: int
    tokens_out: int
    cost: float | None  # None without prices
    most: float | None  # the worst case of all requests together


def prices(price_in: float | None, price_out: float | None, max_cost: float | None) -> Prices | None:
    """OptionError for a limit without both prices, one price without the other, or numbers that are none."""
    options = {"max_cost": max_cost, "price_in": price_in, "price_out": price_out}
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if not (math.isfinite(value) and value >= 0):
            raise OptionError(name, value, " must be a number from 0 up.")
    if price_in is not None and price_out is not None:
        return Prices(price_in, price_out)
    for name, value in given.items():
        raise OptionError(
            name,
            value,
            ": a cost needs both of the judge's prices, `price_in` and `price_out`, per million tokens. No price list "
            "is built in, since such lists are out of date.",
        )
    return None


def worst_tokens(messages: Sequence[dict[str, str]]) -> int:
    """Tokens that a prompt cannot pass."""
    return OVERHEAD + sum(len(m["content"].encode("utf-8", "surrogatepass")) for m in messages)


def estimate(sizes: Sequence[int], max_tokens: int, rates: Prices | None) -> Estimate:
    """`sizes`: worst tokens of each prompt."""
    tokens_in = sum(OVERHEAD + round((size - OVERHEAD) / BYTES_A_TOKEN) for size in sizes)
    tokens_out = len(sizes) * min(WORDS_OUT, max_tokens)
    if rates is None:
        return Estimate(len(sizes), tokens_in, tokens_out, None, None)
    most = rates.of(sum(sizes), len(sizes) * max_tokens)
    return Estimate(len(sizes), tokens_in, tokens_out, rates.of(tokens_in, tokens_out), most)


class Budget:
    """An account that many threads spend from, each attempt of a request by itself.

    `spent`: what was spent before on the same pairs. `save(lost, reserved)` puts on the disk what this session lost
    for good and what it may have under way; it is called before anything is sent that the disk does not know of, so
    that a killed session leaves an upper bound behind."""

    def __init__(
        self, rates: Prices | None, limit: float | None, spent: float, save: Callable[[float, float], None]
    ) -> None:
        self.rates, self.limit, self._save = rates, limit, save
        self.lost = 0.0
        self._kept, self._open, self._granted, self._lost_on_disk = spent, 0.0, 0.0, 0.0
        self._under_way = 0  # attempts whose money is in _open
        self._changed = threading.Condition()
        self._here = threading.local()  # .pending: the worst case of this thread's attempt under way

    @property
    def total(self) -> float:
        """Spent, lost and under way."""
        return self._kept + self.lost + self._open

    @contextmanager
    def account(self) -> Iterator[tuple[float, float]]:
        """(lost, reserved) as the disk should hold them; nobody changes them until the block has ended."""
        with self._changed:
            yield self.lost, self._granted
            self._lost_on_disk = self.lost

    def begin(self, worst: float) -> None:
        """This thread is about to send. Waits while requests under way may still give back enough of what they hold;
        SpentError where the limit could be passed even then. Nothing may be sent after that."""
        self.fail()  # an attempt before this one of the same request brought nothing
        if self.rates is None:
            return
        with self._changed:
            while self.limit is not None and self.total + worst > self.limit:
                if self._under_way:
                    self._changed.wait()
                    continue
                raise SpentError(
                    f"max_cost = {self.limit:g} is reached: {self.total:.6g} is spent, lost or under way, and the next "
                    f"request may cost {worst:.2g}. Everything judged so far is stored; a higher max_cost goes on."
                )
            self._open += worst
            self._under_way += 1
            if self._open + self.lost - self._lost_on_disk > self._granted:
                self._granted = self._open + 4 * worst  # some ahead, so that not each request waits for the disk
                self._save(self.lost, self._granted)
                self._lost_on_disk = self.lost
        self._here.pending = worst

    def release(self) -> None:
        """The server refused this thread's attempt without working on it."""
        self._end()

    def fail(self) -> None:
        """This thread's attempt, if there is one, brought no answer; the server may have worked on it."""
        self._end(lost=True)

    def settle(self, actual: float) -> Callable[[], None]:
        """This thread's attempt cost `actual`. It stays under way until the returned function is called, when its
        comparison is on the disk."""
        with self._changed:
            self._open += actual - self._here.__dict__.pop("pending", 0.0)
            self._changed.notify_all()

        def stored() -> None:
            with self._changed:
                self._open -= actual
                self._kept += actual
                self._under_way -= 1
                self._changed.notify_all()

        return stored

    def _end(self, lost: bool = False) -> None:
        worst = self._here.__dict__.pop("pending", None)
        if worst is not None:
            with self._changed:
                self._open -= worst
                self.lost += worst if lost else 0.0
                self._under_way -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """The session ends. What is still under way (the caller did not wait for it) counts as lost."""
        with self._changed:
            self._granted = 0.0
            self._save(self.lost + self._open, 0.0)
