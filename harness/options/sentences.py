"""Keys, values and what is allowed, in a person's words: as Python, a TOML file or a command line writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import PydanticUndefined

SWITCH = "true or false (on the command line a switch without a value)"
LONGEST = 80  # characters of a value that a sentence shows


def of_python(key: str, value: Any) -> str:
    """budget="40"."""
    if value is PydanticUndefined:
        return key
    return f"{key}={json.dumps(value, ensure_ascii=False) if isinstance(value, str) else cut(_python(value))}"


def of_toml(key: str, value: Any) -> str:
    """budget = "40", [set] rank = 3, [space.rank], or [space]."""
    if value is PydanticUndefined:
        return key
    if not isinstance(value, Mapping):
        return f"{key} = {shown(value)}"
    if len(value) != 1:
        return f"[{key}]"
    ((name, inner),) = value.items()
    return f"[{key}.{name}]" if isinstance(inner, Mapping) else f"[{key}] {name} = {shown(inner)}"


def of_flag(flag: str, texts: Sequence[str]) -> str:
    """--budget 40, or each of several."""
    plain = [text if text.strip() and text.isprintable() else json.dumps(text) for text in texts]
    return " ".join(f"{flag} {cut(text)}" for text in plain) or flag


def shown(value: Any) -> str:
    """As a TOML file has it, cut where it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        return cut(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError):
        return cut(str(value))


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def allowed(kind: type, limits: Mapping[str, float]) -> str:
    """By type and limits: "a whole number from 1 to 1000000"."""
    if kind is bool:
        return SWITCH
    if kind in (int, float):
        word = "a whole number" if kind is int else "a number"
        low, above, high = (limits.get(name) for name in ("ge", "gt", "le"))
        if low is not None:
            return f"{word} from {low} to {high}" if high is not None else f"{word} from {low} up"
        bounds = [f"above {above}"] * (above is not None) + [f"at most {high}"] * (high is not None)
        return " ".join([word, " and ".join(bounds)]).strip()
    if kind is tuple:
        return "a list of texts that are not empty"
    return "text that is not empty" if kind is str else "a table"


def _python(value: Any) -> str:
    try:
        return repr(value).replace("\n", " ")
    except ValueError:  # a whole number of too many digits to be written
        return "a number of thousands of digits"
