"""Options and printing that several commands share."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

Db = Annotated[str, typer.Option(envvar="HARNESS_DB", help="The store, one file.", rich_help_panel="Store")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
DEFAULT_DB = "harness.duckdb"


def print_json(document: Any) -> None:
    """One document; NaN and infinities become null, which JSON has no other word for."""
    document = _finite(document)
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a narrow terminal, or half of a surrogate pair from a model
        text = json.dumps(document, indent=2, default=str)
    sys.stdout.write(text + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
