"""A file as questions: its shape found, every row checked, prompts put together. Whatever is wrong is refused here,
with file and line, before anything is asked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data import records
from data.folder_rows import load_text
from data.sources import DataError
from harness.errors import UsageError
from harness.tasks.file_tasks import answer_readings, declaration, shapes
from harness.tasks.file_tasks.declaration import TestFile
from harness.tasks.file_tasks.questions import Contents, Question
from harness.tasks.file_tasks.rows import LETTERS, OF_RUBRICS, Row, names_of
from harness.tasks.file_tasks.shapes import Parts, Shape
from harness.tasks.file_tasks.text_scores import number_in


def contents_of(file: Path, options: TestFile) -> Contents:
    beside = str(declaration.path_of(file))
    raw = records.read(file)
    names = names_of(raw, options.columns, beside)
    rows = [Row(record, names) for record in raw]
    labels_file = _labels_file(file, options, names)
    shape = shapes.recognise(rows, labels_file is not None, _is_rubric(names, options))
    labels = _labels(labels_file, rows) if labels_file else None
    parts = [shape.parts(row) for row in rows]
    if labels is not None:
        for one, label in zip(parts, labels, strict=True):
            one.answer = label
    rights, reading = (
        _rights(rows, parts, options, beside) if shape.kind in ("choices", "blank") else ([0] * len(rows), "")
    )
    _check_declared(shape, options, beside)
    if shape.kind == "rubric":
        _check_rubric(names, options, beside)
    questions = [
        _question(number, row, one, right, shape, options)
        for number, (row, one, right) in enumerate(zip(rows, parts, rights, strict=True), 1)
    ]
    _check_ids(questions, beside)
    numeric = shape.numeric or options.metric == "numeric" or options.tolerance is not None
    if numeric and shape.kind == "answer":
        _check_numbers(questions)
    if all(question.is_shot or question.human for question in questions):
        graded = " or graded by people (column human)" if any(question.human for question in questions) else ""
        raise DataError(f"{file}: every row is an example (column split){graded}, and none is left to ask.")
    return Contents(
        kind=shape.kind,
        shape=shape.words,
        questions=tuple(_clustered(questions, parts)),
        metric=options.metric or ("numeric" if numeric else shape.metric),
        reading=reading,
        numeric=numeric,
        is_chat=shape.is_chat,
        max_tokens=shape.max_tokens,
        stop=shape.stop,
        unused=_unused(rows, shape, options),
        labels_file=labels_file,
    )


def _is_rubric(names: dict[str, str], options: TestFile) -> bool:
    """Where it is declared, or rows have a rubric and nothing else that answers are scored by but an answer."""
    declared = options.rubric is not None or options.judge is not None
    return declared or ("rubric" in names and not {"choices", "continuation"} & names.keys())


def _check_rubric(names: dict[str, str], options: TestFile, beside: str) -> None:
    if options.rubric is None and "rubric" not in names:
        raise UsageError(f"{beside}: [judge] grades by a rubric: write rubric = …, or give the rows a column rubric.")


def _labels_file(file: Path, options: TestFile, names: dict[str, str]) -> Path | None:
    """The file with the answers: the declared one, or STEM-labels.lst beside, as PIQA has it."""
    if options.labels is not None:
        path = file.with_name(options.labels)
        if not path.is_file():
            raise DataError(f"{declaration.path_of(file)}: labels = {options.labels!r}, and there is no file {path}.")
        return path
    path = file.with_name(f"{records.stem_of(file)}-labels.lst")
    return path if "answer" not in names and path.is_file() else None


def _labels(path: Path, rows: Sequence[Row]) -> list[str]:
    labels = load_text(path).split()
    if len(labels) != len(rows):
        raise DataError(f"{path} has {len(labels):,} answers, and {len(rows):,} rows need one each.")
    return labels


def _rights(rows: Sequence[Row], parts: Sequence[Parts], options: TestFile, beside: str) -> tuple[list[int], str]:
    choices = [
        answer_readings.Choices(row, one.choices, one.labels, one.answer) for row, one in zip(rows, parts, strict=True)
    ]
    return answer_readings.settle(choices, options.answers, beside)


def _check_declared(shape: Shape, options: TestFile, beside: str) -> None:
    """What is declared has to mean something for this shape."""
    metrics = {
        "choices": ("acc", "acc_norm") if options.scoring == "texts" else ("acc",),
        "blank": ("acc",),
        "continuation": ("acc",),
        "answer": ("exact_match", "f1", "contains", "numeric"),
        "rubric": (),
    }[shape.kind]
    if options.metric is not None and options.metric not in metrics:
        has = ", ".join(metrics) or "no metric to choose"
        raise UsageError(f"{beside}: metric = {options.metric!r}, and {shape.words} has {has}.")
    of_answers = {"extract", "tolerance"} if shape.kind != "answer" else set()
    of_texts = {"stop", "max_tokens"} if shape.kind not in ("answer", "rubric") else set()
    of_rubrics = {"scale"} if shape.kind != "rubric" else set()
    of_choices = {"scoring"} if shape.kind != "choices" else set()
    of_both = {"answers"} if shape.kind not in ("choices", "blank") else set()
    of_prompts = {"prompt"} if shape.kind == "blank" or shape.is_chat else set()
    given = options.model_fields_set
    for key in sorted(given & (of_answers | of_texts | of_rubrics | of_choices | of_both | of_prompts)):
        raise UsageError(f"{beside}: {key} has no meaning for {shape.words}. Remove it.")
    if options.prompt is not None and options.scoring == "letters" and "{choices}" not in options.prompt:
        raise UsageError(f'{beside}: scoring = "letters" wants {{choices}} in prompt, where they are listed.')


def _question(number: int, row: Row, parts: Parts, right: int, shape: Shape, options: TestFile) -> Question:
    fields = dict(parts.fields)
    if parts.choices and shape.kind == "choices":
        listed = zip(LETTERS, parts.choices, strict=False)
        fields["choices"] = "\n".join(f"{letter}. {text}" for letter, text in listed)
    template = options.prompt or parts.template
    if options.scoring == "letters" and options.prompt is None:
        template = ("{context}\n" if fields.get("context") else "") + shapes.LISTED
    group = row.word("group", "")
    if group == "all":
        raise row.wrong("group", "is 'all', which is the name of the figure over all groups")
    prompt = row.fill(template, fields)
    if not prompt.strip():
        raise DataError(f"{row.where}: the prompt is empty.")
    return Question(
        row=row,
        id=row.word("id", str(number)),
        group=group,
        cluster=row.word("cluster", ""),
        is_shot=row.is_shot(),
        prompt=prompt,
        earlier=parts.earlier,
        system=parts.system,
        choices=tuple(parts.choices),
        labels=tuple(parts.labels),
        right=right,
        after=parts.after,
        answers=parts.answers,
        continuation=parts.continuation,
        shown=parts.shown or _shown(parts, right, options),
        stop=row.stop() if shape.kind in ("answer", "rubric") else None,
        **(_of_rubric(row, fields, options) if shape.kind == "rubric" else {}),
    )


def _of_rubric(row: Row, fields: Mapping[str, str], options: TestFile) -> dict[str, Any]:
    """The rubric that counts for a row, and what people said of its response."""
    if row.value("rubric") is not None:
        rubric = row.text("rubric")
    elif options.rubric is not None:
        rubric = row.fill(options.rubric, fields, "rubric")
    else:
        raise row.wrong("rubric", "is missing or empty, and the declaration has none for all rows")
    human = row.human_grades(options.scale)
    if row.is_shot() and not human and row.value("answer") is None and row.value("messages") is None:
        raise row.wrong("answer", "is missing, and the row is an example (column split), which shows its answer")
    if "human" in row.names and "response" not in row.names:
        raise row.wrong("human", "has people's grades, and there is no column response with what they graded")
    if not human and "human" in row.names and row.value("response") is not None:
        raise row.wrong(
            "human", "is empty, and the row has a response: a row with a response is one that people graded"
        )
    return {"rubric": rubric, "human": human, "response": row.text("response") if human else ""}


def _shown(parts: Parts, right: int, options: TestFile) -> str:
    if not parts.choices:
        return ""
    return LETTERS[right] if options.scoring == "letters" else parts.choices[right] + parts.after


def _check_ids(questions: Sequence[Question], beside: str) -> None:
    first: dict[str, Question] = {}
    for question in questions:
        earlier = first.setdefault(question.id, question)
        if earlier is not question:
            row = question.row
            raise row.wrong(
                "id",
                f"is {question.id!r}, as in {earlier.row.where.rpartition(', ')[2]}; each row has its own. Where "
                f'the column is no id, write id = "" under [columns] in {beside}',
            )


def _check_numbers(questions: Sequence[Question]) -> None:
    for question in questions:
        for answer in question.answers:
            if number_in(answer) is None:
                raise question.row.wrong("answer", f"is {answer!r}, which has no number; the metric numeric needs one")


def _clustered(questions: Sequence[Question], parts: Sequence[Parts]) -> list[Question]:
    """Questions on one context are not independent, whether the file says so or not."""
    shared = Counter(one.cluster for one in parts)
    return [
        replace(question, cluster=hashlib.sha256(one.cluster.encode()).hexdigest()[:12])
        if one.cluster and not question.cluster and shared[one.cluster] > 1
        else question
        for question, one in zip(questions, parts, strict=True)
    ]


def _unused(rows: Sequence[Row], shape: Shape, options: TestFile) -> tuple[str, ...]:
    names = rows[0].names
    known = {theirs for ours, theirs in names.items() if shape.kind == "rubric" or ours not in OF_RUBRICS}
    if "human" not in names:
        known.discard(names.get("response", ""))
    used: set[Any] = {*known, *shape.needs, *shapes.lettered_columns(rows[0])}
    return tuple(
        column
        for column in rows[0].record.values
        if column not in used and f"{{{column}}}" not in (options.prompt or "") + (options.rubric or "")
    )
