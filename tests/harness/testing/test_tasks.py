"""Our tasks keep the public contract; a task that breaks a sentence of it fails that sentence's test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from harness import tasks
from harness.testing import TaskContract
from harness.testing.tasks import no_answer
from harness.types import Choice, Item, Prompt, Request, Response, Sample, Score, Task
from tests.harness.testing.broken import fails, failures


def _load(name: str) -> Callable[..., Task]:
    def load(data: str | None, protocol: str, shots: int | None, chat: bool) -> Task:
        return tasks.load(name, data, protocol, shots, chat)[0].task

    return load


class Ours(TaskContract):
    data = "sample"


class TestMmlu(Ours):
    make = _load("mmlu")


class TestMmluChat(TestMmlu):
    chat = True


class InstructEval(Ours):
    protocol = "instructeval"


class TestMmluInstructEval(InstructEval):
    make = _load("mmlu")


class TestBbh(Ours):
    make = _load("bbh")

    def right(self, task: Task, item: Item) -> Sequence[Response]:
        return [Response(text=f"So the answer is {item.row['target']}.", finish="stop")]


class TestBbhInstructEval(InstructEval):
    make = _load("bbh")


class TestDrop(Ours):
    make = _load("drop")

    def right(self, task: Task, item: Item) -> Sequence[Response]:
        expected = task.score(item, [no_answer(request) for request in task.requests(item)]).expected
        return [Response(text=f" {expected.split(' | ')[0]}", finish="stop")]


class TestDropInstructEval(InstructEval):
    make = _load("drop")

    def right(self, task: Task, item: Item) -> Sequence[Response]:
        return [Response(text=task.score(item, [Response(text="")]).expected, finish="stop")]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap: apt-get install bubblewrap")
class TestHumaneval(Ours):
    make = _load("humaneval")
    scored = 4

    def right(self, task: Task, item: Item) -> Sequence[Response]:
        return [Response(text=item.row["canonical_solution"], finish="stop")]


# a small task, and what can be wrong with it


class Colours:
    """Which colour has so many letters?"""

    name, protocol, version, metric = "colours", "standard", "1", "acc"
    data_source, data_digest, shots, slow_scoring = "sample", "d" * 64, 0, False
    warnings: Sequence[str] = ()
    settings: Mapping[str, Any] = MappingProxyType({})
    words = ("red", "blue", "green", "violet")

    def __init__(self, data: str | None, protocol: str, shots: int | None, chat: bool) -> None:
        from data.sources import resolve
        from harness.errors import UsageError
        from harness.tasks.protocol import check_protocol

        check_protocol(self.name, protocol)
        resolve(data or "sample")
        if shots:
            raise UsageError(f"colours has no shots, and {shots} were asked for.")

    def items(self) -> Sequence[Item]:
        return [Item(word, "letters", {"word": word}) for word in self.words]

    def requests(self, item: Item) -> Sequence[Request]:
        return [Choice(Prompt("Colours.\n", f"{len(item.row['word'])} letters:"), tuple(f" {w}" for w in self.words))]

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        from harness.evaluation.no_answer import why_no_choice, why_none

        values = responses[0].logprobs
        reason = why_none(responses) or why_no_choice(values)
        answer = "" if reason else self.words[values.index(max(values))]
        return Sample(item, {"acc": float(answer == item.row["word"])}, answer, item.row["word"], reason)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        from harness.stats import intervals

        return intervals.scores(samples, "acc")


class ColoursContract(TaskContract):
    make = Colours  # type: ignore[assignment]  # a class is a callable too


def test_the_small_task_is_sound() -> None:
    assert failures(ColoursContract) == set()


class _OneId(Colours):
    def items(self) -> Sequence[Item]:
        return [replace(item, id="colour") for item in super().items()]


class _Remembers(Colours):
    def requests(self, item: Item) -> Sequence[Request]:
        self.asked = getattr(self, "asked", 0) + 1
        (request,) = super().requests(item)
        assert isinstance(request, Choice)
        return [replace(request, prompt=Prompt("Colours.\n", f"{self.asked}. {request.prompt.own}"))]


class _OwnShared(Colours):
    def requests(self, item: Item) -> Sequence[Request]:
        (request,) = super().requests(item)
        assert isinstance(request, Choice)
        return [replace(request, prompt=Prompt(request.prompt.shared + request.prompt.own, ""))]


class _CutsBeyond(Colours):
    def requests(self, item: Item) -> Sequence[Request]:
        (request,) = super().requests(item)
        assert isinstance(request, Choice)
        return [replace(request, prompt=replace(request.prompt, cuts=(0, 5, 99)))]


class _AlwaysRight(Colours):
    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        return replace(super().score(item, responses), metrics={"acc": 1.0})


class _NanIsBest(Colours):
    """max() of NaNs is the first of them."""

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        values = list(responses[0].logprobs)
        answer = self.words[values.index(max(values))]
        return Sample(item, {"acc": float(answer == item.row["word"])}, answer, item.row["word"])


class _OtherMetric(Colours):
    metric = "accuracy"

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        sample = super().score(item, responses)
        return replace(sample, metrics={**sample.metrics, "accuracy": sample.metrics["acc"]})


class _CountsSamples(Colours):
    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        return [replace(score, n=len(samples)) for score in super().summarize(samples)]


class _OutsideItsInterval(Colours):
    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        return [replace(score, low=score.value + 0.01) for score in super().summarize(samples)]


class _TakesAnyProtocol(Colours):
    def __init__(self, data: str | None, protocol: str, shots: int | None, chat: bool) -> None:
        super().__init__(data, "standard", shots, chat)


class _IgnoresData(Colours):
    def __init__(self, data: str | None, protocol: str, shots: int | None, chat: bool) -> None:
        super().__init__(None, protocol, shots, chat)


class _NoVersion(Colours):
    version = ""


BROKEN = {
    _OneId: "test_items_have_ids_of_their_own",
    _Remembers: "test_loading_again_gives_the_same",
    _OwnShared: "test_the_shared_part_is_one_for_a_group",
    _CutsBeyond: "test_requests_can_be_asked",
    _AlwaysRight: "test_right_answers_score_above_wrong_ones",
    _NanIsBest: "test_no_answer_is_not_right",
    _OtherMetric: "test_the_summary_has_the_headline",
    _CountsSamples: "test_repeats_are_no_more_items",
    _OutsideItsInterval: "test_one_item_has_a_summary",
    _TakesAnyProtocol: "test_what_is_not_there_is_refused[protocol]",
    _IgnoresData: "test_what_is_not_there_is_refused[data]",
    _NoVersion: "test_it_says_what_it_is",
}


@pytest.mark.parametrize("task", BROKEN, ids=lambda task: task.__name__)
def test_a_broken_task_fails(task: type[Colours]) -> None:
    assert fails(type("Contract", (TaskContract,), {"make": task}), BROKEN[task])
