"""What a space is made of: one parameter, its values as people write them and as optimizers code them.

A code is an integer for everything that has a next value, and a real number only for `Real`: float noise in a
mesh then never makes two trials of one point. `size` is how many codes there are (None for `Real`), `count` how many
values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError
from tuning.study.digits import DIGITS, nearest, rounded
from tuning.types import Value

LARGEST = 1e300  # whole numbers can be larger than any float


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values. Numbers have an order, and the code is the index; words and yes/no have none."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not all(_is_number(value) or isinstance(value, str | bool) for value in self.values):
            raise UsageError(f"{self.name}: values are numbers, words or true and false, not {_listed(self.values)}.")
        if not self.values or len(set(map(_kind_and_value, self.values))) != len(self.values):
            raise UsageError(f"{self.name}: a choice needs values that differ, not {_listed(self.values)}.")
        if self.ordered and list(self.values) != sorted(self.values, key=float):
            raise UsageError(f"{self.name}: numbers to choose from go in rising order, not {_listed(self.values)}.")

    @property
    def ordered(self) -> bool:
        return all(_is_number(value) for value in self.values)

    @property
    def size(self) -> int | None:
        return len(self.values)

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the code."""
        return 0, len(self.values) - 1

    def check(self, value: Any) -> Value:
        """The value as the space writes it; UsageError when it is none of them."""
        for known in self.values:
            if value == known and isinstance(value, bool) == isinstance(known, bool):
                return known
        raise UsageError(f"{self.name} = {value!r} is not one of {_listed(self.values)}.")

    def encode(self, value: Value) -> float:
        return self.values.index(self.check(value))

    def decode(self, code: float) -> Value:
        return self.values[_whole(code, self.bounds)]

    def all_values(self) -> list[Value]:
        return list(self.values)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "choice", "values": list(self.values)}


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from low to high, both included."""

    name: str
    low: int
    high: int

    def __post_init__(self) -> None:
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in (self.low, self.high)):
            raise UsageError(f"{self.name}: an integer's bounds are whole numbers, not {self.low!r} and {self.high!r}.")
        _rising(self.name, self.low, self.high)

    ordered = property(lambda self: True)

    @property
    def size(self) -> int | None:
        return self.count

    @property
    def count(self) -> int:
        return self.high - self.low + 1

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def check(self, value: Any) -> Value:
        number = _number(self.name, value)
        if number != int(number) or not self.low <= number <= self.high:
            raise UsageError(f"{self.name} = {value!r} is not a whole number from {self.low} to {self.high}.")
        return int(number)

    def encode(self, value: Value) -> float:
        return int(self.check(value))

    def decode(self, code: float) -> Value:
        return _whole(code, self.bounds)

    def all_values(self) -> list[Value]:
        return [self.decode(code) for code in range(int(self.bounds[0]), int(self.bounds[1]) + 1)]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "integer", "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Stepped:
    """low, low + step, … up to high. The code counts the steps."""

    name: str
    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        _rising(self.name, self.low, self.high)
        if not self.step > 0 or not math.isfinite(self.step):
            raise UsageError(f"{self.name}: a step is above zero, not {self.step!r}.")
        if self.low < self.high and self.step > (self.high - self.low) * (1 + 1e-9) + 1e-12:
            raise UsageError(
                f"{self.name}: a step of {self.step!r} is larger than its range, from {self.low!r} to {self.high!r}."
            )

    ordered = property(lambda self: True)

    @property
    def size(self) -> int | None:
        return self.count

    @property
    def count(self) -> int:
        return int((self.high - self.low) / self.step + 1e-9) + 1

    @property
    def bounds(self) -> tuple[float, float]:
        return 0, self.count - 1

    def check(self, value: Any) -> Value:
        number = _number(self.name, value)
        steps = round((number - self.low) / self.step)
        if not 0 <= steps <= self.bounds[1] or not math.isclose(self._at(steps), number, rel_tol=1e-9, abs_tol=1e-12):
            raise UsageError(
                f"{self.name} = {value!r} is not on the steps of {self.step} from {self.low} to {self.high}."
            )
        return self._at(steps)

    def _at(self, steps: int) -> float:
        return float(f"{self.low + steps * self.step:.12g}")

    def encode(self, value: Value) -> float:
        return round((float(self.check(value)) - self.low) / self.step)

    def decode(self, code: float) -> Value:
        return self._at(_whole(code, self.bounds))

    def all_values(self) -> list[Value]:
        return [self.decode(code) for code in range(int(self.bounds[0]), int(self.bounds[1]) + 1)]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "stepped", "low": self.low, "high": self.high, "step": self.step}


@dataclass(frozen=True, slots=True)
class Real:
    """A number between low and high, of four significant digits; with `log`, the code is its decimal logarithm."""

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _rising(self.name, self.low, self.high)
        if self.log and not self.low > 0:
            raise UsageError(f"{self.name}: a logarithmic range begins above zero, not at {self.low!r}.")

    ordered = property(lambda self: True)
    size = property(lambda self: None)

    @property
    def bounds(self) -> tuple[float, float]:
        return (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)

    def check(self, value: Any) -> Value:
        number = _number(self.name, value)
        if not self.low <= number <= self.high:
            raise UsageError(f"{self.name} = {value!r} is not between {self.low} and {self.high}.")
        return min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high)

    def encode(self, value: Value) -> float:
        low, high = self.bounds
        number = float(self.check(value))
        return min(max(math.log10(number) if self.log else number, low), high)

    def decode(self, code: float) -> Value:
        low, high = self.bounds
        code = min(max(float(code), low), high)
        return self.check(min(max(10**code if self.log else code, self.low), self.high))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "log" if self.log else "real", "low": self.low, "high": self.high}

    @property
    def count(self) -> int:
        return len(self._grid) + len(self._ends)

    def all_values(self) -> list[Value]:
        """As many as `count`, which is 9000 for each power of ten."""
        return [*self._ends, *map(rounded, self._grid)]

    @property
    def _grid(self) -> range:
        """Numbers of the values of four digits (`rounded`) that it holds; no hyperparameter is below zero."""
        if self.high <= 0:
            return range(0)
        low, high = max(self.low, math.ulp(0.0)), self.high
        first, last = nearest(low), nearest(high)
        return range(first + (rounded(first) < low), last + (rounded(last) <= high))

    @property
    def _ends(self) -> list[Value]:
        """Its values that are no such number: its ends, where they have more digits, and zero."""
        grid = self._grid
        ends = {float(self.check(end)) for end in (self.low, self.high)}
        return [end for end in sorted(ends) if end <= 0 or nearest(end) not in grid or rounded(nearest(end)) != end]


Parameter = Choice | Integer | Stepped | Real
FIELDS: dict[str, tuple[str, ...]] = {
    "choice": ("values",),
    "integer": ("low", "high"),
    "real": ("low", "high"),
    "log": ("low", "high"),
    "stepped": ("low", "high", "step"),
}


def from_dict(name: str, written: Mapping[str, Any]) -> Parameter:
    """A parameter as `to_dict` and a study file write it. UsageError where that makes no sense."""
    kind = written.get("kind")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise UsageError(f"{name}: a parameter's kind is {', '.join(FIELDS)}, not {kind!r}.")
    if set(written) - {"kind"} != set(FIELDS[kind]):
        given = ", ".join(sorted(set(written) - {"kind"})) or "nothing"
        raise UsageError(f"{name}: a {kind} parameter has {', '.join(FIELDS[kind])}, not {given}.")
    if kind == "choice":
        values = written["values"]
        if not isinstance(values, list | tuple) or not all(isinstance(v, int | float | str | bool) for v in values):
            raise UsageError(f"{name}: values is a list of numbers, words or true and false, not {values!r}.")
        return Choice(name, tuple(values))
    if kind == "integer":
        return Integer(name, written["low"], written["high"])
    low, high = (_number(f"{name}.{end}", written[end]) for end in ("low", "high"))
    if kind == "stepped":
        return Stepped(name, low, high, _number(f"{name}.step", written["step"]))
    return Real(name, low, high, log=kind == "log")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _number(name: str, value: Any) -> float:
    if not _is_number(value):
        raise UsageError(f"{name} = {value!r} is not a number.")
    return value


def _rising(name: str, low: float, high: float) -> None:
    if not (_is_number(low) and _is_number(high) and low <= high):
        raise UsageError(f"{name}: the range from {low!r} to {high!r} is empty.")


def _whole(code: float, bounds: tuple[float, float]) -> int:
    return int(min(max(round(code), bounds[0]), bounds[1]))


def _kind_and_value(value: Value) -> tuple[bool, Value]:
    return isinstance(value, bool), value  # True == 1, and they are two values


def _listed(values: tuple[Value, ...]) -> str:
    return ", ".join(map(str, values)) or "nothing"
