"""Errors that people read. Each says what was wrong, where, and what to do; none shows a traceback.

Exit codes (also in docs/exit_codes.md): 0 done, 1 a defect of this program, 2 usage, 3 data, 4 model,
5 store, 6 something missing on this machine, 7 the run ended but some answers are missing,
8 a judge failed too often to be believed, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (IPython asks for it): the sentence, as on the command line."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(HarnessError):
    exit_code = 2


class ModelError(HarnessError):
    exit_code = 4


class StoreError(HarnessError):
    exit_code = 5


class MissingError(HarnessError):
    """A program or package that this machine lacks; the message says how to get it."""

    exit_code = 6


class IncompleteError(HarnessError):
    exit_code = 7


class UnreliableError(HarnessError):
    """A judge gave no verdict so often that what it did say should not be believed either."""

    exit_code = 8


def suggest(word: str, known: Iterable[str]) -> str:
    """' Did you mean X?' for the nearest known name, or ''."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""
