"""DROP: questions about a passage that take counting, adding or sorting. docs/protocols.md has the protocols."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.evaluation.no_answer import why_none
from harness.tasks.drop_metric import best
from harness.tasks.protocol import PROMPT_CAP, check_protocol, check_shots, few_shot
from harness.types import Generate, Item, Prompt, Request, Response, Sample, Score

if TYPE_CHECKING:
    from data.benchmarks import Benchmark

Row = Mapping[str, Any]
SHOTS = 3
BETWEEN_SPANS = ", "


class Drop:
    """`standard`: three fixed shots, F1 and EM. `instructeval`: questions with one single answer, and a response
    that starts with it, as declare-lab/instruct-eval's `drop.py`."""

    name = "drop"
    version = "2"
    slow_scoring = False

    def __init__(
        self, benchmark: Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        self.protocol = check_protocol(self.name, protocol)
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = ()
        self._direct = self.protocol == "instructeval"
        self.metric = "starts_with" if self._direct else "f1"
        self._metrics = ("starts_with",) if self._direct else ("f1", "em", "f1_lm_eval", "em_lm_eval")
        test: list[Row] = list(benchmark.splits["test"])
        pool: list[Row] = list(benchmark.splits.get("train", ()))
        excluded: list[str] = []
        self._stop: tuple[str, ...]
        self._cap: int | None
        if self._direct:
            where = "the protocol (rows with one single answer, drawn at seed 0)"
            pool, test, excluded = _instructeval_split(test)
            self._stop, self._max_tokens, self._cap = (), 8, PROMPT_CAP
        else:
            where = "the train split"
            if not pool:
                where = "the protocol (dev rows that stand in for the missing train split)"
                pool = _one_a_passage(test)
                excluded = [row["query_id"] for row in pool]
                test = [row for row in test if row["query_id"] not in excluded]
                self.warnings = (
                    f"the data has no train split: the dev rows {', '.join(excluded)} give the shots instead, "
                    "and are left out of the test",
                )
            self._stop, self._max_tokens, self._cap = ("\n",), 64, None
        self.shots = check_shots(self.name, shots, SHOTS, len(pool), where)
        shown = pool[: self.shots]
        examples = [f"{self._question(row)} {self._shown_answer(row)}\n\n" for row in shown]
        self._shared, self._cuts = few_shot("", examples)
        self.settings: Mapping[str, Any] = {
            "max_tokens": self._max_tokens,
            "stop": list(self._stop),
            "prompt_cap": self._cap,
            "shot_ids": [row["query_id"] for row in shown],
            "excluded_ids": excluded,
        }
        self._items = [Item(row["query_id"], "drop", row, cluster=row["passage_id"]) for row in test]

    def _question(self, row: Row) -> str:
        if self._direct:
            return f"{row['passage'].strip()} {row['question'].strip()}\nAnswer:"
        return f"{row['passage']} {row['question']}"

    def _shown_answer(self, row: Row) -> str:
        return single_answers(row)[0] if self._direct else BETWEEN_SPANS.join(spans(row["answers"][0]))

    @classmethod
    def load(cls, data: str | None, protocol: str, shots: int | None, chat: bool) -> Drop:
        """With the rows of a source (see `data.benchmarks.load`), and the notes on them among the warnings."""
        from data.benchmarks import load

        rows = load(cls.name, data)
        task = cls(rows, protocol, shots, chat)
        task.warnings = tuple(dict.fromkeys((*rows.notes, *task.warnings)))
        return task

    def items(self) -> Sequence[Item]:
        """In the order of the data; the id is DROP's own query id, and the questions of a passage are a cluster."""
        return self._items

    def requests(self, item: Item) -> Sequence[Request]:
        prompt = Prompt(self._shared, self._question(item.row), self._cuts, self._cap)
        return (Generate(prompt, self._stop, self._max_tokens),)

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        """`standard`: "f1" and "em", and beside them lm-eval's "f1_lm_eval" and "em_lm_eval" on the text up to its
        stop ".". `instructeval`: "starts_with"."""
        (response,) = responses
        golds = [spans(answer) for answer in item.row["answers"]]
        expected = " | ".join(dict.fromkeys(BETWEEN_SPANS.join(gold) for gold in golds))
        if reason := why_none(responses):
            return Sample(item, dict.fromkeys(self._metrics, 0.0), "", expected, reason)
        if self._direct:
            answer, label = response.text.strip(), single_answers(item.row)[0]
            return Sample(item, {"starts_with": float(answer.startswith(label))}, answer, label)
        text = response.text.strip().removesuffix(".")  # the end of a sentence would make "12.5." the number 125
        readings = [best((text,), golds)]
        listed = [gold for gold in golds if len(gold) > 1]
        if listed and BETWEEN_SPANS in text:
            readings.append(best(text.split(BETWEEN_SPANS), listed))
        em_lm_eval, f1_lm_eval = best((response.text.partition(".")[0],), golds)
        metrics = {
            "f1": max(f1 for _, f1 in readings),
            "em": max(em for em, _ in readings),
            "f1_lm_eval": f1_lm_eval,
            "em_lm_eval": em_lm_eval,
        }
        return Sample(item, metrics, text, expected)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """Overall figures; their intervals take the questions of one passage as a cluster."""
        from harness.stats import intervals

        return [score for name in self._metrics for score in intervals.scores(samples, name, by_group=False)]


def spans(answer: Row) -> tuple[str, ...]:
    """A DROP answer as text: its number, or its spans, or its date as day, month and year."""
    if answer["number"] != "":
        return (str(answer["number"]),)
    if answer["spans"]:
        return tuple(answer["spans"])
    return (_date(answer),)


def single_answers(row: Row) -> list[str]:
    """All answers of the validators (of the author where there are none) as one list of stripped texts, as the hub's
    `drop` builder makes `answers_spans`; empty where that builder refuses the row (an answer of two kinds, or none)."""
    texts: list[str] = []
    for answer in row["answers"][1:] or row["answers"]:
        number = [str(answer["number"])] if answer["number"] != "" else []
        date = [_date(answer)] if any(answer["date"].values()) else []
        if sum(map(bool, (number, date, answer["spans"]))) > 1:
            return []
        texts += [text.strip() for text in (*number, *date, *answer["spans"])]
    return texts


def _date(answer: Row) -> str:
    return " ".join(answer["date"][part] for part in ("day", "month", "year")).strip()


def _one_a_passage(rows: Sequence[Row]) -> list[Row]:
    """The first row of each of the first passages: shots about one passage alone would show little."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["passage_id"], row)
    return list(first.values())[:SHOTS]


def _instructeval_split(rows: Sequence[Row]) -> tuple[list[Row], list[Row], list[str]]:
    """(shots, test, ids left out). Of the rows with one distinct answer three are drawn by Python's generator at
    seed 0, and all that share a passage's text with one of them are left out of the test."""
    single = [row for row in rows if len(set(single_answers(row))) == 1]
    shots = random.Random(0).sample(single, min(SHOTS, len(single)))
    passages = {row["passage"] for row in shots}
    excluded = [row["query_id"] for row in single if row["passage"] in passages]
    return shots, [row for row in single if row["passage"] not in passages], excluded
