"""DROP: questions about a passage that take counting, adding or sorting. docs/protocols.md has the protocols."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data import benchmarks
from data.folder_rows import Files, load_text, parse_json
from data.hub_rows import Repository, need
from data.row_spec import REPEATED_TEXT, TEXT, HubSet, RowSpec
from data.rows import Content, mapping, text, unique
from data.sources import DataError
from harness.evaluation.no_answer import why_none
from harness.tasks.protocol import PROMPT_CAP, check_protocol, check_shots, few_shot
from harness.tasks.span_f1 import best
from harness.types import Generate, Item, Prompt, Request, Response, Sample, Score

Row = Mapping[str, Any]
SHOTS = 3
BETWEEN_SPANS = ", "
DATE = ("day", "month", "year")

# Rows: the official files, or lm-evaluation-harness's copy on the hub. `ucinlp/drop` has no gold answer and runs the
# spans of several answers together, so F1 cannot be computed from it. No commit of the copy is known to us: it is
# resolved at download and stands in the source.


def find_files(folder: Path) -> Files | None:
    test, train = folder / "drop_dataset_dev.json", folder / "drop_dataset_train.json"
    if not test.is_file():
        return None
    return {"test": (test,), "train": (train,)} if train.is_file() else {"test": (test,)}


def read_files(files: Files) -> Content:
    """As in the files."""
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, (path,) in files.items():
        content = parse_json(load_text(path), str(path))
        if not isinstance(content, dict):
            raise DataError(f"{path}: should be an object of passages by id and is {type(content).__name__}.")
        splits[split] = [row for key, passage in content.items() for row in _passage_rows(key, passage, path)]
        if not splits[split]:
            raise DataError(f"{path}: no questions in it. Fetch the file again.")
        unique(splits[split], "query_id", str(path))
    return Content(splits, notes=unanswered_note(splits))


def _passage_rows(key: str, passage: Any, path: Path) -> Iterator[dict[str, Any]]:
    where = f"{path}, passage {key}"
    if not isinstance(passage, dict) or not isinstance(passage.get("qa_pairs"), list):
        raise DataError(f"{where}: should be an object with passage and qa_pairs (a list).")
    for number, pair in enumerate(passage["qa_pairs"], 1):
        yield make_row(key, passage.get("passage"), pair, f"{where}, question {number}")


def read_hub(repository: Repository) -> Content:
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, theirs in (("test", "validation"), ("train", "train")):
        splits[split] = []
        passages: dict[str, str] = {}  # one string a passage, not one a question
        for index, row in enumerate(repository.rows(None, theirs)):
            where = f"hub:{repository.id}, {theirs} row {index}"
            need(row, ("section_id", "passage", "question", "query_id", "answer"), where)
            passage = passages.setdefault(row["passage"], row["passage"])
            splits[split].append(make_row(text(row["section_id"], "section_id", where), passage, row, where))
        unique(splits[split], "query_id", f"hub:{repository.id}, {theirs}")
    return Content(splits, notes=unanswered_note(splits))


def make_row(passage_id: str, passage: object, pair: object, where: str) -> dict[str, Any]:
    """`answers`: the gold one first, then the validated ones that say something. The train file has no
    validated answers; a hub copy writes an empty one there, and scorers pass over empty ones."""
    raw = mapping(pair, ("question", "query_id", "answer"), where)
    gold = _answer(raw["answer"], where)
    validated = [_answer(answer, where) for answer in _validated(raw.get("validated_answers"), where)]
    return {
        "passage_id": passage_id,
        "query_id": text(raw["query_id"], "query_id", where),
        "passage": text(passage, "passage", where),
        "question": text(raw["question"], "question", where),
        "answers": [gold, *(answer for answer in validated if says_something(answer))],
    }


def _answer(raw: object, where: str) -> dict[str, Any]:
    answer = mapping(raw, (), where)
    number = answer.get("number") if answer.get("number") is not None else ""
    if isinstance(number, bool) or not isinstance(number, str | int | float):
        raise DataError(f"{where}: an answer's number should be text and is {type(number).__name__}.")
    spans = answer.get("spans") or []
    if not isinstance(spans, list):
        raise DataError(f"{where}: an answer's spans should be a list and are {type(spans).__name__}.")
    date = mapping(answer.get("date") or {}, (), where)
    return {
        "number": str(number),
        "spans": [text(span, "a span", where) for span in spans],
        "date": {part: text(date.get(part) or "", part, where) for part in DATE},
    }


def _validated(value: object, where: str) -> list[Any]:
    """Validated answers: the official file has a list of objects, a hub copy may have an object of lists."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        try:
            return [dict(zip(value, answer, strict=True)) for answer in zip(*value.values(), strict=True)]
        except (TypeError, ValueError):
            raise DataError(f"{where}: validated_answers has lists of different lengths.") from None
    if not isinstance(value, list):
        raise DataError(f"{where}: validated_answers should be a list and is {type(value).__name__}.")
    return value


def says_something(answer: Row) -> bool:
    return bool(answer["number"] or answer["spans"] or any(answer["date"].values()))


def unanswered_note(splits: Mapping[str, list[dict[str, Any]]]) -> tuple[str, ...]:
    """DROP rows that no answer can get right; kept, since the published count has them."""
    return tuple(
        f"drop: {count:,} {split} questions have no answer in the data; they count as wrong"
        for split, rows in splits.items()
        if (count := sum(not any(map(says_something, row["answers"])) for row in rows))
    )


ROWS = RowSpec(
    name="drop",
    splits=("test", "train"),
    columns={
        "passage_id": REPEATED_TEXT,
        "query_id": TEXT,
        "passage": REPEATED_TEXT,
        "question": TEXT,
        "answers": [{"number": TEXT, "spans": [TEXT], "date": dict.fromkeys(DATE, TEXT)}],
    },
    find=find_files,
    read=read_files,
    looked_for="drop_dataset_dev.json",
    hub=HubSet("EleutherAI/drop", "main", read_hub),
    archive_folders=("drop_dataset",),
    published=9_536,  # the dev set of Dua et al. 2019, as many as in the official file
)


class Drop:
    """`standard`: three fixed shots, F1 and EM. `instructeval`: questions with one single answer, and a response
    that starts with it, as declare-lab/instruct-eval's `drop.py`."""

    name = "drop"
    version = "2"
    slow_scoring = False
    rows = ROWS
    default_place = 3

    @classmethod
    def load(
        cls, data: str | None = None, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> Drop:
        """From rows at `data` (what --data takes). Raises UsageError and DataError."""
        return cls(benchmarks.load(cls.rows, data), protocol, shots, chat)

    def __init__(
        self, benchmark: benchmarks.Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        self.protocol = check_protocol(self.name, protocol)
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = benchmark.notes
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
                    *benchmark.notes,
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
    return " ".join(answer["date"][part] for part in DATE).strip()


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
