"""What an option may be: one rule for a value from the command line and from a study file, and the sentence where it is
none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field
from typing import Any

from harness.errors import UsageError, suggest

COUNT = 1_000_000  # the most that a number of trials, workers or rows can be: more is a slip of the hand
SEED = 2**31 - 1  # what every generator of random numbers takes


@dataclass(frozen=True, slots=True)
class Rule:
    """`allowed` ends the sentence "KEY = VALUE must be …"."""

    allowed: str
    fits: Callable[[Any], bool]
    read: Callable[[Any], object] = lambda value: None  # UsageError where a value of the right kind makes no sense
    names: tuple[str, ...] = ()  # of which one may have been meant

    def check(self, label: str, value: Any) -> None:
        """UsageError that begins with `label`, which names the option and its value."""
        if not self.fits(value):
            near = suggest(value, self.names) if isinstance(value, str) else ""
            raise UsageError(f"{label} must be {self.allowed}.{near}")
        try:
            self.read(value)
        except UsageError as error:
            raise UsageError(f"{label}: {error}") from error


def whole(low: int, high: int = COUNT) -> Rule:
    fits = lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high  # noqa: E731
    return Rule(f"a whole number from {low} to {high}", fits)


def yes_or_no() -> Rule:
    return Rule("true or false, without quotes", lambda value: isinstance(value, bool))


def text(allowed: str = "text that is not empty", read: Callable[[Any], object] = lambda value: None) -> Rule:
    return Rule(allowed, lambda value: isinstance(value, str) and bool(value.strip()), read)


def one_of(names: Iterable[str]) -> Rule:
    known = tuple(names)
    return Rule(f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known, names=known)


def form(pattern: str, allowed: str) -> Rule:
    fits = lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None  # noqa: E731
    return Rule(allowed, fits)


def texts(allowed: str, read: Callable[[Any], object]) -> Rule:
    def fits(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(isinstance(word, str) and word.strip() for word in value)

    return Rule(allowed, fits, lambda value: [read(word) for word in value])


def table(allowed: str, read: Callable[[Any], object]) -> Rule:
    return Rule(allowed, lambda value: isinstance(value, Mapping), read)


def option(default: Any, rule: Rule) -> Any:
    """A field of a dataclass that `check` knows. A default of its own is always allowed: None, or an empty table."""
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def check(option: Field[Any], label: str, value: Any) -> None:
    """UsageError where the value is none of the option's."""
    default = {} if option.default is MISSING else option.default
    if type(value) is not type(default) or value != default:
        option.metadata["rule"].check(label, value)


def shown(value: Any) -> str:
    """As a person would write it, cut where it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        written = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        written = str(value)
    return written if len(written) <= 80 else f"{written[:79]}…"
