"""Questions whose answer is a text: one that the model writes, and one whose probability is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.evaluation.no_answer import ALL_IMPOSSIBLE, why_none
from harness.tasks.file_tasks import text_scores
from harness.tasks.file_tasks.choice_questions import joined
from harness.tasks.file_tasks.questions import Question
from harness.types import Generate, Item, Loglikelihood, Prompt, Request, Response, Sample


class GeneratedAnswers:
    """The model writes."""

    def __init__(self, stop: tuple[str, ...], max_tokens: int) -> None:
        self._stop, self._max_tokens = stop, max_tokens
        self.metrics: tuple[str, ...] = ()

    def requests(self, question: Question, shared: str, cuts: tuple[int, ...]) -> Sequence[Request]:
        stop = self._stop if question.stop is None else question.stop
        prompt = Prompt(shared, question.prompt, cuts, earlier=question.earlier, system=question.system)
        return [Generate(prompt, stop, self._max_tokens)]


class WrittenAnswers(GeneratedAnswers):
    """Each response is scored in every way that makes sense; which figure is shown first is declared."""

    def __init__(
        self, stop: tuple[str, ...], max_tokens: int, extract: str | None, tolerance: float | None, numeric: bool
    ) -> None:
        super().__init__(stop, max_tokens)
        self._extract = extract
        self._tolerance, self._numeric = tolerance or 0.0, numeric
        self.metrics = ("exact_match", "f1", "contains", *(("numeric",) if numeric else ()))

    def score(self, question: Question, item: Item, responses: Sequence[Response]) -> Sample:
        expected = " | ".join(question.answers)
        if reason := why_none(responses):
            return Sample(item, dict.fromkeys(self.metrics, 0.0), "", expected, reason)
        answer, note = responses[0].text.strip(), ""
        if self._extract is not None:
            answer, note = text_scores.extracted(self._extract, answer)
        metrics = {
            "exact_match": text_scores.exact_match(answer, question.answers),
            "f1": text_scores.f1(answer, question.answers),
            "contains": text_scores.contains(answer, question.answers),
        }
        if self._numeric:
            metrics["numeric"] = text_scores.numeric(answer, question.answers, self._tolerance)
            if not note and text_scores.number_in(answer) is None:
                note = text_scores.NO_NUMBER
        return Sample(item, metrics, answer, expected, note)


class Continuations:
    """ "acc": greedy decoding would say it. "logprob": of the whole continuation, in nats, and "logprob_per_byte"."""

    metrics = ("acc", "logprob", "logprob_per_byte")

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter

    def requests(self, question: Question, shared: str, cuts: tuple[int, ...]) -> Sequence[Request]:
        continuation = joined(question.prompt, question.continuation, self._delimiter)
        return [Loglikelihood(Prompt(shared, question.prompt, cuts), continuation)]

    def score(self, question: Question, item: Item, responses: Sequence[Response]) -> Sample:
        """One that is impossible has no finite log-probability, and so no value for that."""
        (response,) = responses
        expected = question.continuation
        reason = why_none(responses)
        if not reason and response.logprobs[0] == -math.inf:
            reason = ALL_IMPOSSIBLE
        if reason:
            return Sample(item, {"acc": 0.0}, "", expected, reason)
        (logprob,), (greedy,) = response.logprobs, response.greedy
        metrics = {
            "acc": float(greedy),
            "logprob": logprob,
            "logprob_per_byte": logprob / len(expected.encode()),
        }
        return Sample(item, metrics, expected if greedy else "", expected)
