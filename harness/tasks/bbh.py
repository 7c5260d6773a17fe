"""BIG-Bench Hard: 27 tasks. docs/protocols.md has the protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.evaluation.no_answer import why_none
from harness.tasks.bbh_answer import LM_EVAL_STOPS, extract, lm_eval_exact_match, matches
from harness.tasks.protocol import PROMPT_CAP, check_protocol, check_shots, few_shot
from harness.types import Generate, Item, Prompt, Request, Response, Sample, Score

if TYPE_CHECKING:
    from data.benchmarks import Benchmark

SHOTS = 3
THINK = "A: Let's think step by step."


class Bbh:
    """`standard`: three worked examples and a chain of thought, the requests of lm-eval 0.4.13's `bbh_cot_fewshot`.
    `instructeval`: the answer at once, after the task's first three rows, as declare-lab/instruct-eval's `bbh.py`."""

    name = "bbh"
    version = "2"
    slow_scoring = False

    def __init__(
        self, benchmark: Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        self.protocol = check_protocol(self.name, protocol)
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = ()
        self._direct = self.protocol == "instructeval"
        self._metrics = ("starts_with",) if self._direct else ("exact_match", "exact_match_lm_eval")
        self.metric = "starts_with_macro" if self._direct else "exact_match"
        rows: dict[str, list[Mapping[str, Any]]] = {}
        for row in benchmark.splits["test"]:
            rows.setdefault(row["task"], []).append(row)
        self._stop: tuple[str, ...]
        self._cap: int | None
        if self._direct:
            parts = {task: ("", [f"{_ask(row)} {row['target']}\n\n" for row in rows[task][:SHOTS]]) for task in rows}
            where = "the protocol (the first rows of each task, which are no part of the test)"
            self._stop, self._max_tokens, self._cap = (), 32, PROMPT_CAP
        else:
            parts = {task: _worked_examples(benchmark.prompts[task]) for task in rows}
            where = "the chain-of-thought prompt"
            # A chat model ends its turn itself, and writes paragraphs: a blank line would cut it before its answer.
            self._stop = ("</s>", "\nQ:") if chat else LM_EVAL_STOPS
            self._max_tokens, self._cap = 1024, None
        available = min((len(examples) for _, examples in parts.values()), default=0)
        self.shots = check_shots(self.name, shots, SHOTS, available, where)
        self._shared = {task: few_shot(header, examples[: self.shots]) for task, (header, examples) in parts.items()}
        self.settings: Mapping[str, Any] = {
            "max_tokens": self._max_tokens,
            "stop": list(self._stop),
            "prompt_cap": self._cap,
            "excluded_rows": SHOTS if self._direct else 0,
        }
        first = SHOTS if self._direct else 0
        self._items = [
            Item(f"{task}/{i}", task, row) for task in rows for i, row in enumerate(rows[task]) if i >= first
        ]

    @classmethod
    def load(cls, data: str | None, protocol: str, shots: int | None, chat: bool) -> Bbh:
        """With the rows of a source (see `data.benchmarks.load`), and the notes on them among the warnings."""
        from data.benchmarks import load

        rows = load(cls.name, data)
        task = cls(rows, protocol, shots, chat)
        task.warnings = tuple(dict.fromkeys((*rows.notes, *task.warnings)))
        return task

    def items(self) -> Sequence[Item]:
        """Task by task; the id is the task and the row's place in its file, from 0."""
        return self._items

    def requests(self, item: Item) -> Sequence[Request]:
        shared, cuts = self._shared[item.group]
        own = _ask(item.row) if self._direct else f"Q: {item.row['input']}\n{THINK}\n"
        return (Generate(Prompt(shared, own, cuts, self._cap), self._stop, self._max_tokens),)

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        """`standard`: "exact_match" and, by lm-eval's rules, "exact_match_lm_eval". `instructeval`: "starts_with"."""
        (response,) = responses
        target = item.row["target"]
        if reason := why_none(responses):
            return Sample(item, dict.fromkeys(self._metrics, 0.0), "", target, reason)
        if self._direct:
            answer = response.text.strip()
            return Sample(item, {"starts_with": float(answer.startswith(target))}, answer, target)
        answer = extract(response.text)
        metrics = {
            "exact_match": float(matches(answer, target)),
            "exact_match_lm_eval": float(lm_eval_exact_match(response.text, target)),
        }
        note = "" if answer else "the response never says what the answer is"
        if note and response.finish == "length":
            note += f" within its {response.generated} tokens"
        return Sample(item, metrics, answer, target, note)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """By task, over all items, and over tasks (`…_macro`)."""
        from harness.stats import intervals

        return [score for name in self._metrics for score in intervals.scores(samples, name, macro=True)]


def _ask(row: Mapping[str, Any]) -> str:
    return f"{row['input']}\nAnswer:"


def _worked_examples(prompt: str) -> tuple[str, list[str]]:
    """The header of a CoT prompt file's text, and its examples, each with the blank line after it."""
    header, *examples = prompt.rstrip("\n").split("\n\nQ: ")
    # The worked reasoning begins on a new line; upstream's sports_understanding alone goes on in the same one.
    return f"{header}\n\n", [f"Q: {text}\n\n".replace(f"{THINK} ", f"{THINK}\n") for text in examples]
