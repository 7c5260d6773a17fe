"""What the server's process is told by the command that starts it. Pages read it by `current()`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

LOCAL = ("127.0.0.1", "localhost", "::1")
VARIABLE = "HARNESS_BOARD"  # settings on their way to the child


@dataclass(frozen=True, slots=True)
class Settings:
    """What the pages are told."""

    db: str  # the store, an absolute path
    pages: tuple[str, ...] = ()  # those served; () is all
    plan: str = ""  # the rating plan's id
    names: bool = False  # a rater may come by a name


def current() -> Settings:
    """In the child."""
    given = json.loads(os.environ[VARIABLE])
    return Settings(**{**given, "pages": tuple(given["pages"])})


def environment(settings: Settings) -> dict[str, str]:
    """The child's."""
    return {**os.environ, VARIABLE: json.dumps(asdict(settings))}
