"""What a test file holds and how it will be asked, for `harness data show`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import records
from harness.prompting.chat_templates import conversation
from harness.tasks.file_tasks.contents import contents_of
from harness.tasks.file_tasks.declaration import TestFile, declared_for
from harness.tasks.file_tasks.questions import Contents, Question
from harness.tasks.file_tasks.tasks import FileTask
from harness.types import Choice, Generate, Loglikelihood, Request

SHOWN = 3  # examples and longest prompts
MOST_COMMON = 10


@dataclass(frozen=True, slots=True)
class Explanation:
    """`answers` counts the right choice's place, or the first accepted answer where it is given more than once.
    `longest` is in characters."""

    task: FileTask
    items: int
    examples: int
    groups: dict[str, int]
    answers: dict[str, int]
    repeated_prompts: int
    longest: list[tuple[str, int]]
    asked: list[dict[str, Any]]
    grading: dict[str, Any] | None  # of a test with a rubric: scale, judge, rubrics, people's grades by grade

    @property
    def document(self) -> dict[str, Any]:
        task = self.task
        return {
            "task": task.name,
            "shape": task.contents.shape,
            "metric": task.metric,
            "digest": task.data_digest,
            "items": self.items,
            "examples": self.examples,
            "shots": task.shots,
            "groups": self.groups,
            "answers": self.answers,
            "repeated_prompts": self.repeated_prompts,
            "longest": [{"item": item, "characters": length} for item, length in self.longest],
            "settings": dict(task.settings),
            "notes": list(task.warnings),
            "asked": self.asked,
            **({"grading": self.grading} if self.grading else {}),
        }


def explain(path: str) -> Explanation:
    """The errors of `FileTask.load`."""
    file = records.existing(Path(path).expanduser())
    options = declared_for(file)
    contents = contents_of(file, options)
    task = FileTask(file, options, contents, None, chat=contents.is_chat)
    items = task.items()
    questions = [task.question(item) for item in items]
    prompts = {
        item.id: "\n".join((*question.earlier, question.prompt))
        for item, question in zip(items, questions, strict=True)
    }
    longest = sorted(prompts, key=lambda item: -len(prompts[item]))[:SHOWN]
    return Explanation(
        task,
        items=len(items),
        examples=sum(question.is_shot and not question.human for question in contents.questions),
        groups=dict(Counter(item.group for item in items)),
        answers=_answers(questions),
        repeated_prompts=len(items) - len(set(zip(prompts.values(), (q.choices for q in questions), strict=True))),
        longest=[(item, len(prompts[item])) for item in longest],
        asked=[
            {
                "item": item.id,
                "requests": [_shown(request) for request in task.requests(item)],
                "expected": _expected(question),
                **({"rubric": question.rubric} if question.rubric else {}),
            }
            for item, question in list(zip(items, questions, strict=True))[:SHOWN]
        ],
        grading=_grading(contents, options) if contents.kind == "rubric" else None,
    )


def _grading(contents: Contents, options: TestFile) -> dict[str, Any]:
    given = Counter(grade for question in contents.questions for grade in question.human)
    return {
        "scale": list(options.scale),
        "judge": None if options.judge is None else dict(options.judge),
        "rubrics": len({question.rubric for question in contents.questions}),
        "answers_by_people": sum(bool(question.human) for question in contents.questions),
        "grades_of_people": {grade: given[grade] for grade in options.scale},
    }


def _answers(questions: Sequence[Question]) -> dict[str, int]:
    if questions[0].choices:
        places = Counter(question.right for question in questions)
        return {f"choice {place + 1}": places[place] for place in sorted(places)}
    if questions[0].answers and not questions[0].rubric:
        counts = Counter(question.answers[0] for question in questions)
        return {answer: count for answer, count in counts.most_common(MOST_COMMON) if count > 1}
    return {}


def _expected(question: Question) -> str:
    if question.choices:
        return question.choices[question.right]
    return " | ".join(question.answers) or question.continuation


def _shown(request: Request) -> dict[str, Any]:
    assert isinstance(request, Choice | Loglikelihood | Generate)
    prompt = request.prompt
    if prompt.earlier or prompt.system:
        asked: dict[str, Any] = {"messages": conversation((*prompt.earlier, prompt.own), prompt.system)}
    else:
        asked = {"prompt": prompt.shared + prompt.own}
    if isinstance(request, Generate):
        return {**asked, "stop": list(request.stop), "max_tokens": request.max_tokens}
    return {**asked, "options": list(request.options)}
