"""Test files of every shape keep the public contract of a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.tasks.file_tasks.tasks import FileTask
from harness.testing import TaskContract
from harness.testing.tasks import no_answer
from harness.types import Item, Response, Task

FILES = Path(__file__).parent / "files"


def _load(data: str | None, protocol: str, shots: int | None, chat: bool) -> Task:
    return FileTask.load(data, protocol, shots, chat)


class _Contract(TaskContract):
    file: ClassVar[str]
    make = _load

    def __init_subclass__(cls) -> None:
        cls.data = str(FILES / cls.file)


class TestChoices(_Contract):
    file = "choices.jsonl"


class TestChoicesInChat(_Contract):
    file, chat = "choices.jsonl", True


class TestLetters(_Contract):
    file = "letters.jsonl"


class TestTable(_Contract):
    file = "table.csv"


class TestBlank(_Contract):
    """One request a choice: the likeliest is another request's."""

    file = "blank.jsonl"

    def right(self, task: Task, item: Item) -> Sequence[Response]:
        return self._with(int(item.row["answer"]) - 1)

    def wrong(self, task: Task, item: Item) -> Sequence[Response]:
        return self._with(2 - int(item.row["answer"]))

    def _with(self, likeliest: int) -> list[Response]:
        return [Response(logprobs=(-1.0 if n == likeliest else -9.0,), greedy=(False,)) for n in range(2)]


class TestWritten(_Contract):
    file = "written.jsonl"

    def right(self, task: Task, item: Item) -> Sequence[Response]:
        expected = task.score(item, [no_answer(request) for request in task.requests(item)]).expected
        return [Response(text=f" {expected.split(' | ')[-1]}.", finish="stop")]


class TestWrittenInChat(TestWritten):
    file, chat = "written.jsonl", True


class TestMessages(TestWritten):
    file, chat = "messages.jsonl", True


class TestNumbers(_Contract):
    file = "numbers.jsonl"


class TestContinuation(_Contract):
    file = "continuation.jsonl"
