"""Answers that a judge grades by a rubric: who grades, what it is shown, and what a grade is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import registry
from harness.errors import UsageError
from harness.prompting.chat_templates import conversation
from harness.tasks.file_tasks import declaration
from harness.tasks.file_tasks.declaration import TestFile
from harness.tasks.file_tasks.questions import Contents, Question
from harness.tasks.file_tasks.scales import GRADE, GRADE_NORM, values_of
from harness.tasks.file_tasks.text_questions import GeneratedAnswers
from harness.types import Grade, Grader, GradeRequest, HumanGraded, Item, Response, Sample

OURS = "model"  # the grader that is meant where [judge] names none


def grader_of(file: Path, contents: Contents, options: TestFile) -> Grader | None:
    """The declared judge; None for a test without a rubric. UsageError where none is declared, or cannot be."""
    if contents.kind != "rubric":
        return None
    beside = declaration.path_of(file)
    if options.judge is None:
        raise UsageError(
            f"{file}: answers are graded by a rubric, and no judge is named. Write a table [judge] with model = … into "
            f'{beside} (docs/own_tests.md); rubric = "" under [columns] there leaves a column of that name out.'
        )
    settings = dict(options.judge)
    name = settings.pop("grader", OURS)
    if not isinstance(name, str):
        raise UsageError(f"{beside}: [judge] grader = {name!r} must be the name of a grader.")
    try:
        make = registry.load("graders", name)
    except UsageError as error:
        raise UsageError(f"{beside}: [judge] grader = {name!r}: {error}") from error
    grader: Grader = make(settings, f"{beside}: [judge]")
    return grader


class RubricAnswers(GeneratedAnswers):
    """Answers that are generated and not scored here."""

    def __init__(self, stop: tuple[str, ...], max_tokens: int, scale: Sequence[str]) -> None:
        super().__init__(stop, max_tokens)
        values = values_of(scale)
        self.metrics = (GRADE_NORM,) if (values[0], values[-1]) == (0, 1) else (GRADE_NORM, GRADE)

    def score(self, question: Question, item: Item, responses: Sequence[Response]) -> Sample:
        return Sample(item, {}, "", " | ".join(question.answers), "not graded")


class RubricGrading:
    """`harness.types.Grading` of a test file. `questions` are all of its rows, those that people graded among them."""

    def __init__(
        self, grader: Grader, scale: tuple[str, ...], metrics: Sequence[str], questions: Sequence[Question]
    ) -> None:
        self.grader, self._scale, self._metrics = grader, scale, metrics
        self.values = values_of(scale)
        self._questions = {question.id: question for question in questions}
        self.by_people = tuple(
            HumanGraded(self._request(question, question.response), question.human, question.cluster or question.id)
            for question in questions
            if question.human
        )

    def request(self, item: Item, answer: str) -> GradeRequest:
        return self._request(self._questions[item.id], answer)

    def _request(self, question: Question, answer: str) -> GradeRequest:
        return GradeRequest(_asked(question), answer, question.rubric, self._scale, "\n".join(question.answers))

    def sample(self, item: Item, grade: Grade) -> Sample:
        expected = " | ".join(self._questions[item.id].answers)
        if not grade.grade:
            return Sample(item, {}, "", expected, grade.error)
        return Sample(item, self._worth(self._scale.index(grade.grade)), grade.grade, expected, grade.reasons)

    def no_answer(self, item: Item, note: str) -> Sample:
        return Sample(item, self._worth(0), "", " | ".join(self._questions[item.id].answers), note)

    def _worth(self, place: int) -> dict[str, float]:
        low, value, high = self.values[0], self.values[place], self.values[-1]
        worth = {GRADE_NORM: (value - low) / (high - low), GRADE: value}
        return {metric: worth[metric] for metric in self._metrics}


def _asked(question: Question) -> str:
    """The question as its judge reads it, without the examples before it."""
    if not question.earlier and not question.system:
        return question.prompt
    turns = conversation((*question.earlier, question.prompt), question.system)
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
