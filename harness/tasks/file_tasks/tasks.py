"""`file:PATH`: a user's own test file as a task. docs/own_tests.md has the shapes, and what is declared beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data import records
from harness.options import OptionError, not_given
from harness.stats.perplexity import perplexity
from harness.tasks.file_tasks.choice_questions import ChoiceQuestions, joined
from harness.tasks.file_tasks.contents import contents_of
from harness.tasks.file_tasks.declaration import TestFile, declared_for
from harness.tasks.file_tasks.questions import Contents, Question
from harness.tasks.file_tasks.rows import SHOT_SPLITS
from harness.tasks.file_tasks.rubrics import RubricAnswers, RubricGrading, grader_of
from harness.tasks.file_tasks.text_questions import Continuations, WrittenAnswers
from harness.tasks.protocol import check_shots, few_shot
from harness.types import Grader, Grading, Item, Request, Response, Sample, Score

PREFIX = "file:"
SHOTS = 5  # where the file has as many examples
CHAT_TOKENS = 256  # a chat model says more than the answer, and ends its turn itself


class FileTask:
    """The rows of one file, asked and scored as its shape and its declaration say."""

    protocol = "standard"
    version = "1"
    slow_scoring = False

    @classmethod
    def load(
        cls, path: str | None, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> FileTask:
        """UsageError for a declaration, shots or a protocol that cannot be, DataError for rows that are not right."""
        file = records.existing(Path(path or "").expanduser())
        if protocol != cls.protocol:
            text = f": {PREFIX}{file.name} is asked as its file says, and has no such protocol."
            raise OptionError("protocol", protocol, text)
        options = declared_for(file)
        contents = contents_of(file, options)
        task = cls(file, options, contents, shots, chat, grader_of(file, contents, options))
        if task.contents.is_chat and not chat:
            raise not_given("chat", f"{PREFIX}{file.name} has messages, which are asked in a chat template")
        return task

    def __init__(
        self,
        file: Path,
        options: TestFile,
        contents: Contents,
        shots: int | None,
        chat: bool,
        grader: Grader | None = None,
    ) -> None:
        self.contents = contents
        # a name is a word of --tasks, and a part of a file's name in exports
        self.name = PREFIX + re.sub(r"[\s,:/]", "_", options.name or records.stem_of(file))
        self.data_source = f"{PREFIX}{file}"
        self.data_digest = records.digest_of(file, *([contents.labels_file] if contents.labels_file else []))
        self.metric = contents.metric
        self._delimiter = "" if chat else options.delimiter  # behind a chat template's header the answer comes first
        self._asking, asked_how = _asking(contents, options, self._delimiter, chat)

        rows = [question for question in contents.questions if not question.human]
        pool = [question for question in rows if question.is_shot]
        asked = [question for question in rows if not question.is_shot]
        examples = {
            group: [shot for shot in pool if shot.group in ("", group)]
            for group in dict.fromkeys(question.group for question in asked)
        }
        available = min(map(len, examples.values()))
        default = min(SHOTS, available) if options.shots is None else options.shots
        place = f"each group of {file.name} (rows with {', '.join(SHOT_SPLITS)} in the column split)"
        self.shots = check_shots(self.name, shots, default, available, place)
        self._examples = {group: some[: self.shots] for group, some in examples.items()}
        self._shared = {
            group: ("", ()) if contents.is_chat else few_shot("", map(self._example, some))
            for group, some in self._examples.items()
        }

        self._questions = {question.id: question for question in asked}
        ungrouped = self.name.removeprefix(PREFIX)
        self._items = [
            Item(question.id, question.group or ungrouped, question.row.record.values, question.cluster)
            for question in asked
        ]
        self._notes = _notes(file, contents, self._items, len(pool))
        self._without_figure: list[str] = []
        self.settings: Mapping[str, Any] = {
            "shape": contents.shape,
            **options.model_dump(exclude={"name", "shots", "judge"}, exclude_unset=True, mode="json"),
            **asked_how,
            "delimiter": self._delimiter,
            **({"answers": contents.reading} if contents.reading else {}),
        }
        self.grading: Grading | None = None
        if grader is not None:
            self.grading = RubricGrading(grader, options.scale, self._asking.metrics, contents.questions)
            self.settings = {**self.settings, "scale": list(options.scale), "judge": dict(grader.identity)}

    def _example(self, question: Question) -> str:
        return question.prompt + joined(question.prompt, question.shown, self._delimiter or " ") + "\n\n"

    @property
    def warnings(self) -> Sequence[str]:
        return [*self._notes, *self._without_figure]

    def items(self) -> Sequence[Item]:
        """In the order of the file; the id is the row's own, or its number in the file."""
        return self._items

    def question(self, item: Item) -> Question:
        """With the examples of its group before it, where it is a conversation."""
        question = self._questions[item.id]
        if not self.contents.is_chat:
            return question
        turns = [turn for shot in self._examples[question.group] for turn in (*shot.earlier, shot.prompt, shot.shown)]
        return replace(question, earlier=(*turns, *question.earlier))

    def requests(self, item: Item) -> Sequence[Request]:
        question = self.question(item)
        return self._asking.requests(question, *self._shared[question.group])

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        return self._asking.score(self._questions[item.id], item, responses)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """Each metric over all items and, where there are several groups, over each. A continuation's "perplexity" is
        that of the mean log-probability. A metric that some answer has no value for has no figure."""
        from harness.stats import intervals

        scores: list[Score] = []
        by_group = len({item.group for item in self._items}) > 1
        for metric in self._asking.metrics:
            missing = sum(metric not in sample.metrics for sample in samples)
            if missing and self.contents.kind != "rubric":  # of grades the runner says what is missing
                sentence = f"no figure for {metric}: {missing} of {len(samples)} answers have no number for it"
                self._without_figure = [*dict.fromkeys([*self._without_figure, sentence])]
                continue
            scores += intervals.scores(samples, metric, by_group=by_group)
        return [
            *scores,
            *(perplexity(score) for score in scores if score.metric == "logprob" and score.group == "all"),
        ]


def _asking(
    contents: Contents, options: TestFile, delimiter: str, chat: bool
) -> tuple[ChoiceQuestions | WrittenAnswers | RubricAnswers | Continuations, dict[str, Any]]:
    """How questions of its kind are asked, and the settings of that."""
    if contents.kind == "choices":
        return ChoiceQuestions("letters" if options.scoring == "letters" else "texts", delimiter), {}
    if contents.kind == "blank":
        return ChoiceQuestions("blank", delimiter), {}
    if contents.kind == "continuation":
        return Continuations(delimiter), {}
    stop = options.stop if options.stop is not None else () if chat else contents.stop
    max_tokens = options.max_tokens or (max(CHAT_TOKENS, contents.max_tokens) if chat else contents.max_tokens)
    asked_how = {"stop": list(stop), "max_tokens": max_tokens}
    if contents.kind == "rubric":
        return RubricAnswers(stop, max_tokens, options.scale), asked_how
    return WrittenAnswers(stop, max_tokens, options.extract, options.tolerance, contents.numeric), asked_how


def _notes(file: Path, contents: Contents, items: Sequence[Item], examples: int) -> list[str]:
    groups = len({item.group for item in items})
    parts = [contents.shape, _counted(len(items), "item"), _counted(groups, "group")]
    if examples:
        parts.append(f"{_counted(examples, 'example')} to show")
    if contents.kind == "rubric":
        by_people = sum(bool(question.human) for question in contents.questions)
        parts.append(f"{_counted(by_people, 'answer')} that people graded")
    if contents.reading:
        parts.append(f"the answer is the choice's {contents.reading}")
    notes = [f"file {file.name}: {', '.join(parts)}"]
    if contents.labels_file:
        notes.append(f"file {file.name}: its answers stand in {contents.labels_file.name}")
    if contents.unused:
        notes.append(f"file {file.name}: nothing is made of the columns {', '.join(contents.unused)}")
    questions = contents.questions
    twice = sum(len(set(question.choices)) < len(question.choices) for question in questions)
    if twice:
        has = "row has" if twice == 1 else "rows have"
        notes.append(f"file {file.name}: {twice:,} {has} one choice twice")
    if len(items) > 1 and questions[0].choices and all(question.right == 0 for question in questions):
        notes.append(f"file {file.name}: every right choice is the first: a model that likes the first is right")
    return notes


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
