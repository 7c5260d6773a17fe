"""Which shape a file has, by its columns, and the parts of a question that each shape has. A shape is one line of
`SHAPES`; the first that fits counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.sources import DataError
from harness.tasks import declared
from harness.tasks.file_tasks.questions import Kind
from harness.tasks.file_tasks.rows import ALIASES, LETTERS, Row
from harness.tasks.file_tasks.scales import GRADE_NORM
from harness.tasks.file_tasks.text_scores import number_in

ASKED = "Question: {question}\nAnswer:"
WITH_CONTEXT = "{context}\n" + ASKED
LISTED = "{question}\n{choices}\nAnswer:"
PROGRAMS = {"entry_point", "test_list"}  # columns of programming problems
FINAL = "#### "  # what stands before the result, behind the working


@dataclass(slots=True)
class Parts:
    """What a row says. `fields` are what a template is filled with."""

    fields: dict[str, str]
    template: str = ""
    choices: Sequence[str] = ()
    labels: Sequence[str] = ()
    answer: Any = None  # which choice is right, as the file writes it
    after: str = ""
    answers: tuple[str, ...] = ()
    continuation: str = ""
    shown: str = ""
    earlier: tuple[str, ...] = ()
    system: str = ""
    cluster: str = ""  # a text that rows of one cluster share


@dataclass(frozen=True, slots=True)
class Shape:
    words: str
    kind: Kind
    needs: tuple[str, ...]  # our names of columns, or the file's own
    parts: Callable[[Row], Parts]
    holds: Callable[[Sequence[Row]], bool] = lambda rows: True  # what else must be so for it to be this shape
    metric: str = "acc"
    numeric: bool = False
    is_chat: bool = False
    max_tokens: int = 64
    stop: tuple[str, ...] = ("\n",)


def recognise(rows: Sequence[Row], has_labels: bool, has_rubric: bool) -> Shape:
    """DataError, which says what is allowed, where no shape fits."""
    there = {*rows[0].names, *(column for column in rows[0].record.values if column not in ALIASES)}
    if has_labels:
        there.add("answer")
    for shape in RUBRIC_SHAPES if has_rubric else SHAPES:
        if there.issuperset(shape.needs) and shape.holds(rows):
            return shape
    own = ", ".join(rows[0].record.values)
    if has_rubric:
        raise DataError(
            f"{rows[0].where}: the columns {own} make no test with a rubric. Such a test has question, prompt or "
            "messages; [columns] in the file's .toml gives other names (docs/own_tests.md)."
        )
    lacking = " It has no answers." if "answer" not in there and "continuation" not in there else ""
    if PROGRAMS & there:
        running = " and ".join(declared.running_programs())
        lacking = f" Its answers are programs, which no test file runs; the task {running} runs programs."
    raise DataError(
        f"{rows[0].where}: the columns {own} make no test.{lacking} A test has {ALLOWED}; [columns] in the file's "
        ".toml gives other names (docs/own_tests.md)."
    )


ALLOWED = (
    "question, choices and answer; question (or prompt) and answer; prompt (or context) and continuation; messages "
    "and answer; or a rubric and what is asked"
)


def _question(row: Row) -> Parts:
    """A question or a prompt, with a context where there is one."""
    context = row.value("context")
    if "question" not in row.names:
        prompt = row.text("prompt") if "prompt" in row.names else row.text("context")
        return Parts({"prompt": prompt, "question": prompt}, "{prompt}")
    fields = {"question": row.text("question").strip()}
    if context is None:
        return Parts({**fields, "context": ""}, ASKED)
    return Parts({**fields, "context": row.text("context").strip()}, WITH_CONTEXT, cluster=row.text("context"))


def _choices(row: Row) -> Parts:
    parts = _question(row)
    parts.choices, parts.labels = row.choices()
    parts.answer = row.value("answer")
    return parts


def _stem(row: Row) -> Parts:
    """ARC's and OpenBookQA's own form: the question holds its choices."""
    question = row.record.values.get(row.names["question"])
    if not isinstance(question, Mapping) or not isinstance(question.get("stem"), str):
        raise row.wrong("question", "must be an object with stem, a text, and choices")
    choices, labels = row.choices_in(question.get("choices"), "question")
    return Parts({"question": question["stem"].strip(), "context": ""}, ASKED, choices, labels, row.value("answer"))


def _solutions(row: Row) -> Parts:
    choices, labels = row.choices_in([row.text("sol1"), row.text("sol2")], "sol1")
    return Parts({"question": row.text("question"), "context": ""}, ASKED, choices, labels, row.value("answer"))


def _targets(row: Row) -> Parts:
    """TruthfulQA's own form: an object of choices, 1 for the right one."""
    targets = row.record.values["mc1_targets"]
    if not isinstance(targets, Mapping) or sum(value == 1 for value in targets.values()) != 1:
        raise row.wrong("mc1_targets", "must be an object of choices, one of them with 1")
    choices, labels = row.choices_in(list(targets), "mc1_targets")
    return Parts(
        {"question": row.text("question"), "context": ""}, ASKED, choices, labels, list(targets.values()).index(1)
    )


def _lettered(row: Row) -> Parts:
    """A column a choice; the last ones may be empty."""
    parts = _question(row)
    columns = lettered_columns(row)
    texts = [row.record.values.get(column) for column in columns]
    while texts and (texts[-1] is None or not str(texts[-1]).strip()):
        texts.pop()
    parts.choices, parts.labels = row.choices_in(texts, columns[min(len(texts), len(columns) - 1)])
    parts.answer = row.value("answer")
    return parts


def lettered_columns(row: Row) -> list[str]:
    for series in (tuple(LETTERS), *([f"choice{n}" for n in range(first, 26)] for first in (0, 1))):
        columns = [name for name in series if name in row.record.values]
        if columns == list(series[: len(columns)]) and len(columns) > 1:
            return columns
    return []


def _yes_no(row: Row) -> Parts:
    parts = _question(row)
    if not parts.fields["question"].endswith("?"):
        parts.fields["question"] += "?"
    parts.choices, parts.labels = ("no", "yes"), ("false", "true")
    parts.answer = str(row.value("answer")).lower()
    return parts


def _is_boolean(rows: Sequence[Row]) -> bool:
    return str(rows[0].value("answer")).lower() in ("true", "false")


def _blank(row: Row) -> Parts:
    """WinoGrande's own form: which of two words stands in the sentence's _."""
    sentence = row.text("sentence")
    if sentence.count("_") != 1:
        raise row.wrong("sentence", f"has {sentence.count('_')} blanks (_); it must have one")
    before, after = sentence.split("_")
    if not after.strip():
        raise row.wrong("sentence", "ends with its blank: what follows it is what is weighed")
    choices, _ = row.choices_in([row.text("option1"), row.text("option2")], "option1")
    return Parts({"prompt": before}, "{prompt}", choices, ("1", "2"), row.value("answer"), after)


def _continuation(row: Row) -> Parts:
    parts = _question(row)
    parts.continuation = parts.shown = row.text("continuation")
    return parts


def _answer(row: Row) -> Parts:
    parts = _question(row)
    parts.answers = row.answers()
    parts.shown = parts.answers[0]
    return parts


def _passage_and_question(row: Row) -> Parts:
    """simple-evals' form of reading questions: the prompt whole, accepted answers joined by "|"."""
    prompt, answer = row.text("context"), row.text("answer")
    accepted = tuple(dict.fromkeys(text.strip() for text in answer.split("|") if text.strip()))
    if not accepted:
        raise row.wrong("answer", "has no accepted answer between its |")
    passage = prompt.rpartition("\nQuestion:")[0]
    return Parts({"prompt": prompt}, "{prompt}", answers=accepted, shown=accepted[0], cluster=passage)


def _worked(row: Row) -> Parts:
    """GSM8K's own form: the working, then the number behind ####."""
    parts, (answer, *_) = _question(row), row.answers()
    result = answer.rpartition(FINAL)[2].strip()
    if FINAL not in answer or number_in(result) is None:
        raise row.wrong("answer", f"has no number behind {FINAL}as other rows have")
    parts.answers, parts.shown = (result,), answer
    return parts


def _is_worked(rows: Sequence[Row]) -> bool:
    return any(isinstance(answer := row.value("answer"), str) and FINAL in answer for row in rows)


def _messages(row: Row) -> Parts:
    parts = _conversation(row)
    if not parts.answers:
        raise row.wrong("messages", "has no answer: add a column answer, or the assistant's last turn")
    return parts


def _graded(row: Row) -> Parts:
    """A question whose answer is graded; one that is right may stand beside it."""
    parts = _question(row)
    parts.answers = row.answers() if row.value("answer") is not None else ()
    parts.shown = parts.answers[0] if parts.answers else ""
    return parts


def _conversation(row: Row) -> Parts:
    """What ends with the user's turn. Without an answer column, an assistant's last turn is the answer."""
    turns = row.value("messages")
    if not isinstance(turns, list) or not turns:
        raise row.wrong("messages", "must be a list of objects with role and content")
    for turn in turns:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str) or not turn["content"].strip():
            raise row.wrong("messages", "has a turn without content; each is an object with role and content, texts")
    system = turns[0]["content"] if turns[0].get("role") == "system" else ""
    turns = turns[1:] if system else turns
    roles = [turn.get("role") for turn in turns]
    answers = row.answers() if row.value("answer") is not None else ()
    if not answers and roles[-1:] == ["assistant"]:
        answers, turns, roles = (turns[-1]["content"],), turns[:-1], roles[:-1]
    if len(roles) % 2 == 0 or roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
        raise row.wrong(
            "messages", "must be turns of user and assistant, one after the other, up to the user's question"
        )
    *earlier, last = (turn["content"] for turn in turns)
    return Parts(
        {"prompt": last},
        "{prompt}",
        answers=answers,
        shown=answers[0] if answers else "",
        earlier=tuple(earlier),
        system=system,
    )


def _question_is_object(rows: Sequence[Row]) -> bool:
    return isinstance(rows[0].record.values.get(rows[0].names["question"]), Mapping)


def _has_letters(rows: Sequence[Row]) -> bool:
    return bool(lettered_columns(rows[0]))


SHAPES = (
    Shape("messages + answer", "answer", ("messages",), _messages, metric="exact_match", is_chat=True, max_tokens=256),
    Shape("question + mc1_targets", "choices", ("question", "mc1_targets"), _targets),
    Shape("question.stem + question.choices", "choices", ("question", "answer"), _stem, _question_is_object),
    Shape("goal + sol1, sol2", "choices", ("question", "sol1", "sol2", "answer"), _solutions),
    Shape("sentence + option1, option2", "blank", ("sentence", "option1", "option2", "answer"), _blank),
    Shape("question + choices", "choices", ("question", "choices", "answer"), _choices),
    Shape("prompt + choices", "choices", ("prompt", "choices", "answer"), _choices),
    Shape("question + a column a choice", "choices", ("question", "answer"), _lettered, _has_letters),
    Shape("passage + question, yes or no", "choices", ("question", "context", "answer"), _yes_no, _is_boolean),
    Shape("context + ref_text", "answer", ("context", "completion", "ref_text"), _passage_and_question, metric="f1"),
    Shape("prompt + continuation", "continuation", ("prompt", "continuation"), _continuation),
    Shape("context + continuation", "continuation", ("context", "continuation"), _continuation),
    Shape(
        "question + answer behind ####",
        "answer",
        ("question", "answer"),
        _worked,
        _is_worked,
        "numeric",
        numeric=True,
        max_tokens=512,
        stop=("\nQuestion:",),
    ),
    Shape("question + answer", "answer", ("question", "answer"), _answer, metric="exact_match"),
    Shape("prompt + answer", "answer", ("prompt", "answer"), _answer, metric="exact_match"),
)
_GRADED: dict[str, Any] = {"kind": "rubric", "metric": GRADE_NORM, "max_tokens": 512}  # more than a word
RUBRIC_SHAPES = (
    Shape("messages + rubric", needs=("messages",), parts=_conversation, is_chat=True, stop=(), **_GRADED),
    Shape("question + rubric", needs=("question",), parts=_graded, stop=("\nQuestion:",), **_GRADED),
    Shape("prompt + rubric", needs=("prompt",), parts=_graded, stop=(), **_GRADED),
)
