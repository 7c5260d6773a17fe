"""What a judge that grades by a rubric is asked, and how its reply is read.

An answer is hostile: it may hold tags, grades and orders. So each request has a code of its own, made of all its texts
and in none of them, which the tags and the line with the grade carry. An answer would have to hold its own digest to
forge one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.prompting import thinking
from harness.tasks.file_tasks.scales import grade_in
from harness.types import GradeRequest
from judges.judging.prompts import JudgingPrompt
from judges.judging.verdict import UnclearError

VERSION = "1"  # changes whenever a grade may come out differently for the same request
CODE = 8  # hexadecimal digits
_OURS = Path(__file__).with_name("prompt_files")
_MARKS = str.maketrans("", "", "*`")  # of emphasis, which models put around their last line


@dataclass(frozen=True, slots=True)
class Asked:
    text: str  # one message, the user's: not every chat template takes a system text
    code: str
    request: str  # sha256, hex


def asked(request: GradeRequest) -> Asked:
    code = _code(request)
    values = {
        "code": code,
        "rubric": request.rubric,
        "question": request.question,
        "answer": request.answer,
        "reference": request.reference,
        "scale": ", ".join(request.scale),
    }
    (message,) = _prompts()[bool(request.reference)].fill(values)
    text = message["content"]
    return Asked(text, code, hashlib.sha256(text.encode()).hexdigest())


def digest() -> str:
    """Of what every judge is asked, whatever the answer."""
    templates = [prompt.template for _, prompt in sorted(_prompts().items())]
    return hashlib.sha256(json.dumps(templates).encode()).hexdigest()


def read_reply(text: str, is_cut: bool, code: str, scale: tuple[str, ...]) -> str:
    """The grade of a reply, behind its thoughts. UnclearError where it holds none."""
    if thinking.is_unfinished(text):
        raise UnclearError(f"no grade: {thinking.UNFINISHED}")
    if is_cut:  # "Grade …: 1" may be the beginning of 10
        raise UnclearError("no grade: the judge's text does not end (cut off at the limit of tokens)")
    return read_grade(thinking.answer_of(text), code, scale)


def read_grade(text: str, code: str, scale: tuple[str, ...]) -> str:
    """The grade in the last line, which has to be "Grade CODE: GRADE". UnclearError for anything else, and where an
    earlier line gives another grade with the code."""
    graded = [line for line in _lines(text) if line.casefold().startswith(f"grade {code}")]
    if not graded or graded[-1] != _lines(text)[-1]:
        raise UnclearError("no grade: the judge's text does not end with the line of its grade")
    words = [line[len(f"grade {code}") :].strip() for line in graded]
    grades = [grade_in(word.removeprefix(":").removesuffix("."), scale) if word[:1] == ":" else None for word in words]
    if grades[-1] is None:
        raise UnclearError(f"no grade: {words[-1][:40]!r} is none of {', '.join(scale[:12])}")
    if len(set(grades)) > 1:
        raise UnclearError("two grades: the judge's text gives different ones")
    return grades[-1]


def _lines(text: str) -> list[str]:
    """Those that are not empty, without marks of emphasis."""
    return [bare for line in text.splitlines() if (bare := " ".join(line.translate(_MARKS).split()))]


def _code(request: GradeRequest) -> str:
    texts = [request.question, request.answer, request.rubric, *request.scale, request.reference]
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    while any(digest[:CODE] in text for text in texts):
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return digest[:CODE]


@cache
def _prompts() -> dict[bool, JudgingPrompt]:
    """By whether there is a reference."""
    names = {False: "grade.txt", True: "grade_reference.txt"}
    return {
        reference: JudgingPrompt(name, "", (_OURS / name).read_text(encoding="utf-8").strip())
        for reference, name in names.items()
    }
