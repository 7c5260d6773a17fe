"""MMLU: 57 subjects, four choices, the subject's first dev rows as shots. docs/protocols.md has the protocols."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from data import benchmarks
from data.folder_rows import Files, glob, load_text
from data.hub_rows import Repository, need
from data.row_spec import INTEGER, REPEATED_TEXT, TEXT, HubSet, RowSpec
from data.rows import Content, Row, text
from data.sources import DataError
from harness.evaluation.no_answer import why_no_choice, why_none
from harness.tasks.protocol import PROMPT_CAP, check_protocol, check_shots, few_shot
from harness.types import Choice, Generate, Item, Prompt, Request, Response, Sample, Score

LETTERS = "ABCD"

# Rows: a CSV a subject in the archive of hendrycks/test, or the hub's copy of it.

HEADER = ["question", "choice0", "choice1", "choice2", "choice3", "answer"]
_ANSWERS = {letter: index for pair in (LETTERS, "0123") for index, letter in enumerate(pair)}


def find_files(folder: Path) -> Files | None:
    test = glob(folder / "test", "*.csv")
    return {"dev": glob(folder / "dev", "*.csv"), "test": test} if test else None


def read_files(files: Files) -> Content:
    """By subject and line."""
    splits: dict[str, list[Row]] = {}
    subjects: dict[str, list[str]] = {}
    for split, paths in files.items():
        # Sorted by subject and not by path: "a_b_test.csv" would stand before "a_test.csv".
        pairs = sorted((path.stem.removesuffix(f"_{split}"), path) for path in paths)
        subjects[split] = [subject for subject, _ in pairs]
        for (first, path), (second, other) in pairwise(pairs):
            if first == second:
                raise DataError(f"{path} and {other} are both subject {first}. Keep one of the two.")
        splits[split] = [row for subject, path in pairs for row in read_csv(load_text(path), subject, str(path))]
    folder = files["test"][0].parent.parent
    without = sorted(set(subjects["test"]) - set(subjects["dev"]))
    if without:
        raise DataError(
            f"no dev rows for {', '.join(without[:3])}{' …' if without[3:] else ''} in {folder / 'dev'}; "
            "a subject's dev rows are its shots. Put the dev files beside the test files."
        )
    extra = sorted(set(subjects["dev"]) - set(subjects["test"]))
    notes = (f"mmlu: dev rows without a test file in {folder}: {', '.join(extra)}",) if extra else ()
    return Content(splits, notes=notes)


def read_csv(source: str, subject: str, where: str) -> Iterator[Row]:
    """Rows of one CSV: with the header question, choice0..choice3, answer, or without one. Cells are text and
    never a missing value: "None", "N/A" and "" are answers that test rows have."""
    reader = csv.reader(io.StringIO(source, newline=""), strict=True)
    has_rows, heading, begins = False, True, 1
    try:
        for cells in reader:
            at, begins = f"{where}, line {begins}", reader.line_num + 1
            heading, may_be_header = False, heading
            if not cells or (may_be_header and cells == HEADER):
                continue
            if len(cells) != len(HEADER):
                raise DataError(f"{at}: {len(cells)} cells; a row has {len(HEADER)} (question, four choices, answer).")
            has_rows = True
            yield make_row(subject, cells[0], cells[1:5], cells[5], at)
    except csv.Error as error:
        raise DataError(f"{where}, line {begins}: not a valid CSV row ({error}).") from error
    if not has_rows:
        raise DataError(f"{where}: no rows in it. Fetch the file again.")


def read_hub(repository: Repository) -> Content:
    splits: dict[str, list[Row]] = {}
    for split in ("dev", "test"):
        rows: list[Row] = []
        for index, row in enumerate(repository.rows("all", split)):
            where = f"hub:{repository.id}, {split} row {index}"
            need(row, ("subject", "question", "choices", "answer"), where)
            subject = text(row["subject"], "subject", where)
            rows.append(make_row(subject, row["question"], row["choices"], row["answer"], where))
        splits[split] = sorted(rows, key=lambda row: row["subject"])  # stable: a subject's rows keep their order
    return Content(splits)


def make_row(subject: str, question: object, choices: Iterable[object], answer: object, where: str) -> Row:
    """`answer` is a letter A-D or a number 0-3; the row has 0-3. A choice may be any text, also "" and "None"."""
    options = [text(choice, f"choice {number}", where) for number, choice in enumerate(choices)]
    if len(options) != 4:
        raise DataError(f"{where}: {len(options)} choices, and MMLU has four.")
    index = _ANSWERS.get(str(answer).strip())
    if index is None:
        raise DataError(f"{where}: the answer is {answer!r}; it must be A, B, C or D, or 0, 1, 2 or 3.")
    return {"subject": subject, "question": text(question, "question", where), "choices": options, "answer": index}


ROWS = RowSpec(
    name="mmlu",
    splits=("dev", "test"),
    columns={"subject": REPEATED_TEXT, "question": TEXT, "choices": [TEXT], "answer": INTEGER},
    find=find_files,
    read=read_files,
    looked_for="dev/*.csv and test/*.csv",
    hub=HubSet("cais/mmlu", "c30699e8356da336a370243923dbaf21066bb9fe", read_hub),
    published=14_042,  # Hendrycks et al. 2021
)

# The category of each subject, as each protocol's source has it. Both follow `categories.py` of hendrycks/test ("other
# (business, health, misc.)" is "other" here), except that lm-eval 0.4.13 counts anatomy, there under health, as STEM.

_SUBJECTS = {
    "STEM": """
        abstract_algebra astronomy college_biology college_chemistry college_computer_science
        college_mathematics college_physics computer_security conceptual_physics electrical_engineering
        elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science
        high_school_mathematics high_school_physics high_school_statistics machine_learning
    """,
    "humanities": """
        formal_logic high_school_european_history high_school_us_history high_school_world_history
        international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy
        prehistory professional_law world_religions
    """,
    "social sciences": """
        econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics
        high_school_microeconomics high_school_psychology human_sexuality professional_psychology
        public_relations security_studies sociology us_foreign_policy
    """,
    "other": """
        anatomy business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing
        medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology
    """,
}

_HENDRYCKS = {subject: category for category, subjects in _SUBJECTS.items() for subject in subjects.split()}

CATEGORIES = {"standard": {**_HENDRYCKS, "anatomy": "STEM"}, "instructeval": _HENDRYCKS}
"""protocol → subject → category"""


class Mmlu:
    """`standard`: the most probable of " A" to " D", as lm-eval 0.4.13 (`mmlu/default`) asks and scores it.
    `instructeval`: two greedy tokens that start with the letter, as declare-lab/instruct-eval's `mmlu.py`."""

    name = "mmlu"
    version = "2"
    metric = "acc"
    slow_scoring = False
    rows = ROWS
    default_place = 1
    categories = CATEGORIES

    @classmethod
    def load(
        cls, data: str | None = None, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> Mmlu:
        """From rows at `data` (what --data takes). Raises UsageError and DataError."""
        return cls(benchmarks.load(cls.rows, data), protocol, shots, chat)

    def __init__(
        self, benchmark: benchmarks.Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        self.protocol = check_protocol(self.name, protocol)
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = benchmark.notes
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
        choices = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"], strict=True))
        return f"{question}{choices}\nAnswer:"

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
