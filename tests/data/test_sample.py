"""The bundled sample: read by the same loaders as the real data, well-formed, and written by its script."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import data.sample
from data.benchmarks import load
from data.sample.make import distinct, sample
from tests.data.specs import SPECS

HOME = Path(data.sample.__file__).parent


def test_its_files_are_what_the_script_writes():
    for path, content in sample().items():
        assert (HOME / path).read_bytes() == content, path
    assert {
        str(p.relative_to(HOME)) for p in HOME.glob("*/**/*") if p.is_file() and p.suffix not in (".py", ".pyc")
    } == set(sample())


def test_it_is_small():
    assert sum(len(content) for content in sample().values()) < 300_000


def test_mmlu():
    splits = load(SPECS["mmlu"], "sample").splits
    subjects = Counter(row["subject"] for row in splits["test"])
    assert len(subjects) == 4
    assert set(subjects.values()) == {25}
    assert Counter(row["subject"] for row in splits["dev"]) == dict.fromkeys(subjects, 5)
    rows = splits["dev"] + splits["test"]
    assert len({(row["question"], *row["choices"]) for row in rows}) == len(rows)
    assert all(len(set(row["choices"])) == 4 for row in rows)
    for subject in subjects:
        letters = Counter(row["answer"] for row in splits["test"] if row["subject"] == subject)
        assert set(letters) == {0, 1, 2, 3}
        assert max(letters.values()) <= 8  # of 25


def test_bbh():
    benchmark = load(SPECS["bbh"], "sample")
    tasks = Counter(row["task"] for row in benchmark.splits["test"])
    assert tasks == dict.fromkeys(benchmark.prompts, 25)
    for task, prompt in benchmark.prompts.items():
        _, *shots = prompt.strip().split("\n\n")
        assert [shot.count("So the answer is ") for shot in shots] == [1, 1, 1]
        assert all(shot.startswith("Q: ") and "\nA: Let's think step by step.\n" in shot for shot in shots)
        targets = Counter(row["target"] for row in benchmark.splits["test"] if row["task"] == task)
        assert max(targets.values()) <= 17  # no answer is right for over two thirds
        assert not any(row["input"] in prompt for row in benchmark.splits["test"])


def test_boolean_targets_are_pythons():
    for row in load(SPECS["bbh"], "sample").splits["test"]:
        if row["task"] == "boolean_expressions":
            expression = row["input"].removeprefix("The expression to evaluate: ")
            assert str(eval(expression)) == row["target"]  # noqa: S307


def test_drop():
    splits = load(SPECS["drop"], "sample").splits
    assert len(splits["train"]) >= 3
    assert len({row["passage_id"] for row in splits["test"]}) == 20
    kinds = Counter()
    for row in splits["test"] + splits["train"]:
        answer = row["answers"][0]
        date = " ".join(answer["date"].values()).strip()
        kinds["number" if answer["number"] else "date" if date else f"{len(answer['spans'])} spans"] += 1
        for said in (*answer["spans"], date):
            assert said in row["passage"]
    assert set(kinds) == {"number", "date", "1 spans", "2 spans"}
    assert {row["passage"] for row in splits["test"]}.isdisjoint(row["passage"] for row in splits["train"])


def test_humaneval_solutions_pass_their_checks():
    rows = load(SPECS["humaneval"], "sample").splits["test"]
    assert 20 <= len(rows) <= 40
    assert len({row["entry_point"] for row in rows}) == len(rows)
    for row in rows:
        scope: dict = {}
        exec(row["prompt"] + row["canonical_solution"] + row["test"], scope)
        scope["check"](scope[row["entry_point"]])
        with pytest.raises(AssertionError):
            scope["check"](lambda _: object())  # the check does look


def test_no_file_carries_a_benchmarks_canary():
    files = [path for path in HOME.rglob("*") if path.suffix in (".json", ".txt")]
    assert files
    assert not any("canary GUID" in path.read_text() for path in files)
    assert "canary" in json.loads((HOME / "bbh" / "greater_number.json").read_text())  # upstream's field stays


def test_distinct_drops_repeats():
    made = iter("aabca")
    assert distinct(lambda _: next(made), lambda x: x, 3) == ["a", "b", "c"]
