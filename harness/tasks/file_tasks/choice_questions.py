"""Questions with choices: their texts or letters as continuations of the prompt, or a blank that each choice fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.evaluation.no_answer import why_no_choice, why_none
from harness.tasks.file_tasks.questions import Question
from harness.tasks.file_tasks.rows import LETTERS
from harness.types import Choice, Item, Loglikelihood, Prompt, Request, Response, Sample

Way = Literal["texts", "letters", "blank"]


class ChoiceQuestions:
    """As lm-eval: "acc" is whether the likeliest choice is the right one, "acc_norm" the same by log-probability over
    the choice's length in characters. Of equal ones the first counts. `delimiter` stands between prompt and choice."""

    def __init__(self, way: Way, delimiter: str) -> None:
        self._way, self._delimiter = way, delimiter
        self.metrics = ("acc", "acc_norm") if way == "texts" else ("acc",)

    def requests(self, question: Question, shared: str, cuts: tuple[int, ...]) -> Sequence[Request]:
        if self._way == "blank":
            prompts = [Prompt(shared, question.prompt + choice, cuts) for choice in question.choices]
            return [Loglikelihood(prompt, question.after) for prompt in prompts]
        options = [joined(question.prompt, text, self._delimiter) for text in self._texts(question)]
        return [Choice(Prompt(shared, question.prompt, cuts), tuple(dict.fromkeys(options)))]

    def _texts(self, question: Question) -> Sequence[str]:
        return LETTERS[: len(question.choices)] if self._way == "letters" else question.choices

    def score(self, question: Question, item: Item, responses: Sequence[Response]) -> Sample:
        expected = question.choices[question.right]
        logprobs = [value for response in responses for value in response.logprobs]
        if reason := why_none(responses) or why_no_choice(logprobs):
            return Sample(item, dict.fromkeys(self.metrics, 0.0), "", expected, reason)
        texts = list(question.choices)
        if self._way == "texts":
            texts = list(dict.fromkeys(texts))  # a choice that stands twice is asked once
        answer = texts[_first_best(logprobs)]
        metrics = {"acc": float(answer == expected)}
        if self._way == "letters" or self._way == "blank":
            metrics = {"acc": float(_first_best(logprobs) == question.right)}
        else:
            by_length = [value / len(text) for value, text in zip(logprobs, texts, strict=True)]
            metrics["acc_norm"] = float(texts[_first_best(by_length)] == expected)
        return Sample(item, metrics, answer, expected)


def joined(before: str, text: str, delimiter: str) -> str:
    """The text as it follows: behind the delimiter, unless one of the two has white space there already."""
    return text if before[-1:].isspace() or text[:1].isspace() else delimiter + text


def _first_best(values: Sequence[float]) -> int:
    return values.index(max(values))
