"""What a file's rows ask, in one form whatever its columns are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.tasks.file_tasks.rows import Row

Kind = Literal["choices", "blank", "answer", "continuation", "rubric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`prompt` is asked, without examples. Of the rest each kind has what it needs: choices with the right one;
    a blank's `after`, which follows the choice; accepted answers; a continuation; a rubric. `shown` is the answer as
    an example shows it. A `response` that people graded, `human`, is not asked again."""

    row: Row
    id: str
    group: str
    cluster: str
    is_shot: bool
    prompt: str
    earlier: tuple[str, ...] = ()
    system: str = ""
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    right: int = 0
    after: str = ""
    answers: tuple[str, ...] = ()
    continuation: str = ""
    shown: str = ""
    stop: tuple[str, ...] | None = None
    rubric: str = ""
    response: str = ""
    human: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """A file as it is understood: `shape` says it in words, `reading` how answers of choices are meant, `unused`
    names the columns that nothing is made of."""

    kind: Kind
    shape: str
    questions: tuple[Question, ...]
    metric: str  # shown first, where nothing is declared
    reading: str = ""
    numeric: bool = False  # answers are numbers
    is_chat: bool = False
    max_tokens: int = 64
    stop: tuple[str, ...] = ("\n",)
    unused: tuple[str, ...] = ()
    labels_file: Path | None = None  # where the answers stand, if not in the file
