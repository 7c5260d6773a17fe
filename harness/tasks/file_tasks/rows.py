"""A row of a test file by our names of columns, and the values in it, each checked where it is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.folder_rows import parse_json
from data.records import Record
from data.sources import DataError, near
from harness.tasks.file_tasks.scales import grade_in

ALIASES = {  # our name of a column: what files call it, the first that is there counts
    "question": ("question", "query", "goal"),
    "prompt": ("prompt", "input", "ctx"),
    "choices": ("choices", "options", "endings"),
    "answer": ("answer", "answers", "answerKey", "answer_key", "label", "target", "ref_text", "gold"),
    "context": ("context", "passage", "support"),
    "continuation": ("continuation",),
    "messages": ("messages",),
    "group": ("group", "subject", "category"),
    "cluster": ("cluster", "passage_id"),
    "id": ("id", "qID", "ind", "idx", "query_id", "question_id", "task_id"),
    "split": ("split",),
    "stop": ("stop",),
    "rubric": ("rubric",),
    "response": ("response",),
    "human": ("human",),
}
OF_RUBRICS = ("rubric", "response", "human")  # columns that mean something where answers are graded, and only there
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHOT_SPLITS, TEST_SPLITS = ("fewshot", "dev", "train"), ("", "test", "validation", "val")
_NAME = re.compile(r"\{(\w+)\}")


def names_of(records: Sequence[Record], columns: Mapping[str, str], declaration: str) -> dict[str, str]:
    """Our names of the columns that the file has: the file's. DataError for a declared one that it has not."""
    there = dict.fromkeys(name for record in records for name in record.values)
    names = {ours: next((name for name in known if name in there), "") for ours, known in ALIASES.items()}
    for ours, theirs in columns.items():
        if ours not in ALIASES:
            raise DataError(
                f"{declaration}: [columns] has {ours!r}.{near(ours, ALIASES)} Names are {', '.join(ALIASES)}."
            )
        if theirs and theirs not in there:
            raise DataError(
                f"{declaration}: [columns] {ours} = {theirs!r}, and the file has no such column.{near(theirs, there)} "
                f"It has {', '.join(there)}."
            )
        names[ours] = theirs
    return {ours: theirs for ours, theirs in names.items() if theirs}


@dataclass(frozen=True, slots=True)
class Row:
    record: Record
    names: Mapping[str, str]

    @property
    def where(self) -> str:
        return self.record.where

    def value(self, ours: str) -> Any:
        """None where the row has no such value, or an empty one."""
        value = self.record.values.get(self.names.get(ours, "") if ours in ALIASES else ours)
        return None if isinstance(value, str) and not value.strip() else value

    def text(self, ours: str) -> str:
        """DataError where it is not there, empty, or no text."""
        value = self.value(ours)
        if value is None:
            raise self.wrong(ours, "is missing or empty; it must be a text")
        if not isinstance(value, str):
            raise self.wrong(ours, f"is {kind_of(value)}; it must be a text")
        return value

    def word(self, ours: str, default: str) -> str:
        """A name: a text or a number."""
        value = self.value(ours)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.wrong(ours, f"is {kind_of(value)}; it must be a text or a whole number")
        return str(value).strip()

    def choices(self) -> tuple[list[str], list[str]]:
        """(texts, labels), as a list, as a list of {text, label}, or as {text: […], label: […]}."""
        value = self.value("choices")
        if isinstance(value, str) and value.lstrip().startswith("["):  # a cell of a table
            value = parse_json(value, f"{self.where}, column {self.names['choices']}")
        return self.choices_in(value, "choices")

    def choices_in(self, value: Any, column: str) -> tuple[list[str], list[str]]:
        labels: Any = None
        if isinstance(value, Mapping) and "text" in value:
            value, labels = value["text"], value.get("label")
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) and "text" in one for one in value):
            value, labels = [one["text"] for one in value], [one.get("label") for one in value]
        if not isinstance(value, list):
            raise self.wrong(column, f"is {kind_of(value)}; it must be a list of texts")
        texts = [str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one for one in value]
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str) or not text.strip():
                raise self.wrong(column, f"has an empty choice, or one that is no text, in place {number}")
        if len(texts) < 2:
            raise self.wrong(column, f"has {len(texts)} choices; there must be two at least")
        if len(texts) > len(LETTERS):
            raise self.wrong(column, f"has {len(texts)} choices; {len(LETTERS)} are the most")
        if not isinstance(labels, list) or None in labels or len(labels) != len(texts):
            labels = list(LETTERS[: len(texts)])
        return texts, [str(label) for label in labels]

    def answers(self) -> tuple[str, ...]:
        """The accepted texts, at least one."""
        value = self.value("answer")
        if isinstance(value, Mapping) and isinstance(value.get("text"), list):  # with the places where they begin
            value = value["text"]
        values = value if isinstance(value, list) else [value]
        texts = []
        for one in values:
            if isinstance(one, bool) or not isinstance(one, str | int | float) or not str(one).strip():
                raise self.wrong("answer", f"has {kind_of(one)}; it must be a text, a number, or a list of them")
            texts.append(str(one))
        if not texts:
            raise self.wrong("answer", "is an empty list; there must be one accepted answer at least")
        return tuple(dict.fromkeys(texts))

    def human_grades(self, scale: Sequence[str]) -> tuple[str, ...]:
        """What people gave the row's response: a grade, or a list of them, one a person; () where nobody graded it."""
        value = self.value("human")
        grades = value if isinstance(value, list) else [] if value is None else [value]
        read = [grade_in(str(grade), scale) for grade in grades if not isinstance(grade, bool)]
        if None in read or len(read) < len(grades):
            raise self.wrong("human", f"has a grade that is not one of {', '.join(scale)}: it is {value!r}")
        return tuple(grade for grade in read if grade is not None)

    def stop(self) -> tuple[str, ...] | None:
        """Of this row alone; white space may be one."""
        value = self.record.values.get(self.names.get("stop", ""))
        if value is None or value == "":
            return None
        stops = [value] if isinstance(value, str) else value
        if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
            raise self.wrong("stop", "must be a text or a list of texts, none of them empty")
        return tuple(stops)

    def is_shot(self) -> bool:
        split = self.word("split", "").lower()
        if split not in SHOT_SPLITS + TEST_SPLITS:
            raise self.wrong(
                "split",
                f"is {split!r}; it must be {', '.join(TEST_SPLITS[1:])} or empty for a question that is asked, and "
                f"{', '.join(SHOT_SPLITS)} for an example",
            )
        return split in SHOT_SPLITS

    def fill(self, template: str, fields: Mapping[str, str], called: str = "prompt") -> str:
        """The template with the row's values in its {column}s. `called`: what it is."""

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in fields:
                return fields[name]
            own = self.record.values.get(name)
            if isinstance(own, bool) or not isinstance(own, str | int | float):
                known = [key for key, held in self.record.values.items() if isinstance(held, str | int | float)]
                raise DataError(
                    f"{self.where}: the {called} has {{{name}}}, and the row has no such text."
                    f"{near(name, (*fields, *known))} It has {', '.join(dict.fromkeys((*fields, *known)))}."
                )
            return str(own)

        return _NAME.sub(value, template)

    def wrong(self, ours: str, sentence: str) -> DataError:
        column = self.names.get(ours, ours)
        return DataError(f"{self.where}, column {column}: {sentence}.")


def kind_of(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, str):
        return "an empty text" if not value.strip() else "a text"
    kinds: Iterable[tuple[type, str]] = (
        (bool, "true or false"),
        (int, "a number"),
        (float, "a number"),
        (list, "a list"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), "an object")
