"""The contract of a task (`harness.types.Task`)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from harness.testing.registered import Registered
from harness.types import Choice, Generate, Item, Loglikelihood, Request, Response, Rolling, Sample, Task


class TaskContract(Registered):
    """A subclass sets

    make        what the entry point names: called (data, protocol, shots, chat), returns a Task
    data        the --data of the test: a folder, or "sample" (default: None, the task's own)
    protocol    which protocol is tested
    chat        with a chat template or not
    scored      how many items' right and wrong answers are scored

    and, where answers are generated and `Sample.expected` is not a text that is scored as right, `right`."""

    kind = "tasks"
    make: ClassVar[Callable[[str | None, str, int | None, bool], Task]]
    data: ClassVar[str | None] = None
    protocol: ClassVar[str] = "standard"
    chat: ClassVar[bool] = False
    scored: ClassVar[int] = 24

    def right(self, task: Task, item: Item) -> Sequence[Response]:
        """Responses to `task.requests(item)` that are scored as right."""
        requests = task.requests(item)
        expected = task.score(item, [no_answer(request) for request in requests]).expected
        candidates = [[_saying(request, expected, n) for request in requests] for n in range(_most_options(requests))]
        return max(candidates, key=lambda responses: task.score(item, responses).metrics[_plain(task)])

    def wrong(self, task: Task, item: Item) -> Sequence[Response]:
        """Responses that are scored as wrong."""
        requests = task.requests(item)
        candidates = [[_saying(request, "\0", n) for request in requests] for n in range(_most_options(requests))]
        return min(candidates, key=lambda responses: task.score(item, responses).metrics[_plain(task)])

    @pytest.fixture
    def task(self) -> Task:
        return self._load()

    def _load(self, data: str | None = None, protocol: str = "", shots: int | None = None) -> Task:
        return type(self).make(data or self.data, protocol or self.protocol, shots, self.chat)

    def test_it_says_what_it_is(self, task: Task) -> None:
        for name in ("name", "protocol", "version", "metric", "data_source", "data_digest"):
            value = getattr(task, name)
            assert isinstance(value, str), f"{name} is no text"
            assert value, f"{name} is empty"
        assert task.protocol == self.protocol
        assert not set(task.name) & set(",: \t\n") or task.name.startswith(("lm_eval:", "file:")), (
            "a list of tasks cannot name it"
        )
        assert not self.registered or task.name == self.registered
        assert isinstance(task.shots, int)
        assert task.shots >= 0
        assert isinstance(task.slow_scoring, bool)
        assert all(isinstance(warning, str) for warning in task.warnings)
        assert not isinstance(task.warnings, str)
        assert json.loads(json.dumps(dict(task.settings))) is not None  # it is stored with the run

    def test_items_have_ids_of_their_own(self, task: Task) -> None:
        items = task.items()
        assert items, "no items"
        ids = [item.id for item in items]
        assert all(isinstance(name, str) and name for name in ids)
        assert len(set(ids)) == len(ids), "two items have one id"
        assert all(isinstance(item.group, str) and item.group for item in items)
        assert "all" not in {item.group for item in items}, '"all" is the group of overall figures'

    def test_loading_again_gives_the_same(self, task: Task) -> None:
        """A run that goes on asks what it asked before: same ids, same requests, same digests."""
        again = self._load()
        for name in ("name", "version", "metric", "data_source", "data_digest", "shots", "settings"):
            assert getattr(task, name) == getattr(again, name), name
        assert [(i.id, i.group, i.cluster, i.row) for i in task.items()] == [
            (i.id, i.group, i.cluster, i.row) for i in again.items()
        ]
        assert [i.id for i in task.items()] == [i.id for i in task.items()]
        asked = [list(task.requests(item)) for item in task.items()]
        assert asked == [list(again.requests(item)) for item in again.items()]
        # asking has no memory: the order of questions changes nothing
        assert asked[::-1] == [list(task.requests(item)) for item in reversed(task.items())]

    def test_requests_can_be_asked(self, task: Task) -> None:
        for item in task.items():
            requests = list(task.requests(item))
            assert requests, f"{item.id} asks nothing"
            for request in requests:
                _check_request(request)

    def test_the_shared_part_is_one_for_a_group(self, task: Task) -> None:
        """Backends compute it once. Where nothing can be shared it is ""."""
        by_group: dict[tuple[str, int], set[str]] = {}
        for item in task.items():
            for part, request in enumerate(task.requests(item)):
                if not isinstance(request, Rolling):
                    by_group.setdefault((item.group, part), set()).add(request.prompt.shared)
        assert all(len(texts) == 1 for texts in by_group.values())

    def test_right_answers_score_above_wrong_ones(self, task: Task) -> None:
        metric, names = _plain(task), set[frozenset[str]]()
        for item in task.items()[: self.scored]:
            right, wrong = (task.score(item, answers) for answers in (self.right(task, item), self.wrong(task, item)))
            for sample in (right, wrong):
                _check_sample(item, sample)
                names.add(frozenset(sample.metrics))
            assert right.metrics[metric] > wrong.metrics[metric], f"{item.id}: right and wrong score alike"
        assert len(names) == 1, "items have different metrics"

    def test_scoring_is_a_function_of_the_responses(self, task: Task) -> None:
        item, other = task.items()[0], task.items()[-1]
        answers = self.right(task, item)
        first = task.score(item, answers)
        task.score(other, self.wrong(task, other))
        assert task.score(item, answers) == first
        assert self._load().score(item, answers) == first

    def test_no_answer_is_not_right(self, task: Task) -> None:
        """Empty texts, log-probabilities that are not numbers or -inf: a score of what is no answer is never the best,
        and never an error."""
        metric = _plain(task)
        for item in task.items()[:3]:
            right = task.score(item, self.right(task, item))
            for value in (math.nan, -math.inf):
                sample = task.score(item, [no_answer(request, value) for request in task.requests(item)])
                _check_sample(item, sample)
                assert sample.metrics[metric] < right.metrics[metric]

    def test_any_text_can_be_scored(self, task: Task) -> None:
        item = task.items()[0]
        for text in ("", "\n\n", "\0", "\ud800", "🙂" * 50, "Answer: " * 500, "((((", "\\", "1e999", "<b>"):
            sample = task.score(item, [replace(no_answer(request, -1.0), text=text) for request in task.requests(item)])
            _check_sample(item, sample)

    def test_the_summary_has_the_headline(self, task: Task) -> None:
        items = task.items()[: self.scored]
        right = [task.score(item, self.right(task, item)) for item in items]
        wrong = [task.score(item, self.wrong(task, item)) for item in items]
        best, worst, mixed = (self._headline(task, samples) for samples in (right, wrong, [*right[:1], *wrong[1:]]))
        assert best.value > worst.value
        assert worst.value <= mixed.value <= best.value
        for score in (best, worst):
            assert score.n == len(items)

    def test_repeats_are_no_more_items(self, task: Task) -> None:
        items = task.items()[:4]
        samples = [task.score(item, self.right(task, item)) for item in items]
        assert self._headline(task, [*samples, *samples]).n == self._headline(task, samples).n == len(items)

    def test_one_item_has_a_summary(self, task: Task) -> None:
        item = task.items()[0]
        assert self._headline(task, [task.score(item, self.right(task, item))]).n == 1

    def _headline(self, task: Task, samples: Sequence[Sample]) -> Any:
        scores = task.summarize(samples)
        assert len({(s.group, s.metric) for s in scores}) == len(scores), "two figures have one name"
        for score in scores:
            assert score.low <= score.value <= score.high, f"{score} lies outside its interval"
            assert score.method, f"{score} does not say how its interval was made"
            assert 0 < score.n <= len(samples)
        overall = [score for score in scores if (score.group, score.metric) == ("all", task.metric)]
        assert len(overall) == 1, f"the metric {task.metric} has no overall figure (group 'all')"
        return overall[0]

    @pytest.mark.parametrize(
        "wanted",
        [{"protocol": "no such protocol"}, {"shots": -1}, {"data": "no/such/folder"}],
        ids=["protocol", "shots", "data"],
    )
    def test_what_is_not_there_is_refused(self, wanted: dict[str, Any]) -> None:
        from data.sources import DataError
        from harness.errors import UsageError

        with pytest.raises((UsageError, DataError)) as refusal:
            self._load(**wanted)
        assert len(str(refusal.value)) > 10, "the refusal is no sentence"


def no_answer(request: Request, value: float = math.nan) -> Response:
    """What a backend gives where a model has nothing to say."""
    if isinstance(request, Generate):
        return Response(text="", finish="stop")
    count = 1 if isinstance(request, Rolling) else len(request.options)
    return Response(logprobs=(value,) * count, greedy=(False,) * count)


def _saying(request: Request, text: str, option: int) -> Response:
    """The text, or that option as the likeliest one."""
    if isinstance(request, Generate):
        return Response(text=text, tokens=tuple(map(ord, text)), finish="stop", generated=len(text))
    count = 1 if isinstance(request, Rolling) else len(request.options)
    if count == 1:
        return Response(logprobs=(-1.0 - 9.0 * (option % 2),), greedy=(option % 2 == 0,))
    likeliest = option % count
    values = tuple(-0.5 if n == likeliest else -5.0 - n for n in range(count))
    return Response(logprobs=values, greedy=tuple(n == likeliest for n in range(count)))


def _most_options(requests: Sequence[Request]) -> int:
    return max([2, *(len(r.options) for r in requests if isinstance(r, Choice | Loglikelihood))])


def _plain(task: Task) -> str:
    """The metric of a sample behind the headline: an average over groups or tries is of samples' plain values."""
    return task.metric.removesuffix("_macro")


def _check_request(request: Request) -> None:
    assert isinstance(request, Choice | Loglikelihood | Rolling | Generate), f"{request!r} is no request"
    if isinstance(request, Rolling):
        assert request.text
        return
    prompt = request.prompt
    assert list(prompt.cuts) == sorted(set(prompt.cuts)), "cuts ascend"
    assert all(0 <= cut < len(prompt.shared) for cut in prompt.cuts), "a cut is a place in the shared part"
    assert prompt.cap is None or prompt.cap > 0
    if isinstance(request, Choice):
        assert len(request.options) > 1, "a choice of one"
        assert all(request.options), "an empty option"
        assert len(set(request.options)) == len(request.options), "two options are one text"
    elif isinstance(request, Generate):
        assert prompt.shared + prompt.own, "an empty prompt"
        assert request.max_tokens > 0
        assert all(request.stop), "an empty stop ends every text"
        assert not isinstance(request.stop, str)
        assert request.sampling.temperature >= 0
        assert 0 < request.sampling.top_p <= 1


def _check_sample(item: Item, sample: Sample) -> None:
    assert sample.item == item
    assert sample.metrics, "no metrics"
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in sample.metrics.values())
    for name in ("answer", "expected", "note"):
        assert isinstance(getattr(sample, name), str), f"{name} is no text"
