"""MMLU: 57 subjects, four choices, the subject's first dev rows as shots. docs/protocols.md has the protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.evaluation.no_answer import why_no_choice, why_none
from harness.tasks.mmlu_categories import CATEGORIES
from harness.tasks.protocol import PROMPT_CAP, check_protocol, check_shots, few_shot
from harness.types import Choice, Generate, Item, Prompt, Request, Response, Sample, Score

if TYPE_CHECKING:
    from data.benchmarks import Benchmark

LETTERS = "ABCD"


class Mmlu:
    """`standard`: the most probable of " A" to " D", as lm-eval 0.4.13 (`mmlu/default`) asks and scores it.
    `instructeval`: two greedy tokens that start with the letter, as declare-lab/instruct-eval's `mmlu.py`."""

    name = "mmlu"
    version = "2"
    metric = "acc"
    slow_scoring = False

    def __init__(
        self, benchmark: Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        self.protocol = check_protocol(self.name, protocol)
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = ()
        subjects = {row["subject"]: None for row in benchmark.splits["test"]}
        dev: dict[str, list[Mapping[str, Any]]] = {subject: [] for subject in subjects}
        for row in benchmark.splits["dev"]:
            if row["subject"] in dev:
                dev[row["subject"]].append(row)
        scarce = min(dev, key=lambda subject: len(dev[subject]))
        self.shots = check_shots(self.name, shots, 5, len(dev[scarce]), f"the dev split of {scarce}")
        # After a chat template's header the answer is the first thing said, so lm-eval drops the space there too.
        self._options = tuple(letter if chat else f" {letter}" for letter in LETTERS)
        self.settings: Mapping[str, Any] = (
            {"options": list(self._options)}
            if self.protocol == "standard"
            else {"max_tokens": 2, "stop": [], "prompt_cap": PROMPT_CAP}
        )
        self._shared = {
            subject: few_shot(
                self._header(subject),
                [f"{self._question(row)} {LETTERS[row['answer']]}\n\n" for row in rows[: self.shots]],
            )
            for subject, rows in dev.items()
        }
        place = dict.fromkeys(subjects, 0)
        self._items = []
        for row in benchmark.splits["test"]:
            subject = row["subject"]
            self._items.append(Item(f"{subject}/{place[subject]}", subject, row))
            place[subject] += 1

    def _header(self, subject: str) -> str:
        # hendrycks/test puts a space before every word of the name, so its header has two before the first.
        space = " " if self.protocol == "instructeval" else ""
        topic = space + subject.replace("_", " ")
        return f"The following are multiple choice questions (with answers) about {topic}.\n\n"

    def _question(self, row: Mapping[str, Any]) -> str:
        question = row["question"].strip() if self.protocol == "standard" else row["question"]
        choices = "".join(f"\n{letter}. {text}" for letter, text in zip(LETTERS, row["choices"], strict=True))
        return f"{question}{choices}\nAnswer:"

    @classmethod
    def load(cls, data: str | None, protocol: str, shots: int | None, chat: bool) -> Mmlu:
        """With the rows of a source (see `data.benchmarks.load`), and the notes on them among the warnings."""
        from data.benchmarks import load

        rows = load(cls.name, data)
        task = cls(rows, protocol, shots, chat)
        task.warnings = tuple(dict.fromkeys((*rows.notes, *task.warnings)))
        return task

    def items(self) -> Sequence[Item]:
        """In the order of the data; the id is the subject and the row's place in its test file, from 0."""
        return self._items

    def requests(self, item: Item) -> Sequence[Request]:
        shared, cuts = self._shared[item.group]
        if self.protocol == "standard":
            return (Choice(Prompt(shared, self._question(item.row), cuts), self._options),)
        return (Generate(Prompt(shared, self._question(item.row), cuts, PROMPT_CAP), (), 2),)

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        """Metric "acc". Of equal log-probabilities the first counts, as with numpy's argmax."""
        (response,) = responses
        expected = LETTERS[item.row["answer"]]
        if reason := why_none(responses) or why_no_choice(response.logprobs):
            return Sample(item, {"acc": 0.0}, "", expected, reason)
        if self.protocol == "instructeval":
            answer = response.text.strip()
            return Sample(item, {"acc": float(answer.startswith(expected))}, answer, expected)
        answer = LETTERS[response.logprobs.index(max(response.logprobs))]
        return Sample(item, {"acc": float(answer == expected)}, answer, expected)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """Accuracy by subject, by category, over all items ("acc") and over subjects ("acc_macro")."""
        from harness.stats import intervals

        return intervals.scores(samples, "acc", macro=True, categories=CATEGORIES[self.protocol])
