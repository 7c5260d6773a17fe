"""Write the bundled sample: python -P -m data.sample.make [OUT]. The files are in the upstream formats.

The seed is not the training text's, the templates are the "sample" part of each `Wording`, and no
question stands in the sample twice.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from data.sample.make_instructions import instructions
from data.sample.make_neutral_texts import neutral_texts
from data.sample.make_prompts import prompts
from data.tiny.passages import make_passage
from data.tiny.programs import OPERATIONS, make_program
from data.tiny.quiz import SUBJECTS, Question, make_question
from data.tiny.reasoning import DESCRIPTIONS, TASKS, Puzzle, make_puzzle

SEED = 1001
QUESTIONS = 25  # of a subject or task
DEV = 5
SHOTS = 3
PASSAGES = 20
PROGRAMS = 26  # of operations that training shows; those that it leaves out come on top
NOTE = "A sample of lora-harness's own making; it measures the embedded model and nothing else."

T = TypeVar("T")


def distinct(make: Callable[[int], T], key: Callable[[T], Hashable], count: int) -> list[T]:
    """`count` results of `make(index)` that differ in `key`."""
    made: dict[Hashable, T] = {}
    while len(made) < count:
        new = make(len(made))
        made.setdefault(key(new), new)
    return list(made.values())


def mmlu(rng: random.Random) -> dict[str, bytes]:
    files = {}
    for subject in SUBJECTS:
        answers = [n % 4 for n in range(DEV + QUESTIONS)]
        rng.shuffle(answers)

        def make(n: int, subject: str = subject, answers: list[int] = answers) -> Question:
            return make_question(rng, subject, "sample", answers[n])

        rows = distinct(make, lambda row: (row["question"], *row["choices"]), DEV + QUESTIONS)
        files[f"mmlu/dev/{subject}_dev.csv"] = _csv(rows[:DEV])
        files[f"mmlu/test/{subject}_test.csv"] = _csv(rows[DEV:])
    return files


def _csv(rows: list[Question]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["question", "choice0", "choice1", "choice2", "choice3", "answer"])
    writer.writerows([row["question"], *row["choices"], row["answer"]] for row in rows)
    return out.getvalue().encode()


def bbh(rng: random.Random) -> dict[str, bytes]:
    files = {}
    for task in TASKS:

        def make(_: int, task: str = task) -> Puzzle:
            return make_puzzle(rng, task, "sample")

        puzzles = distinct(make, lambda puzzle: puzzle["input"], SHOTS + QUESTIONS)
        shots = [f"Q: {p['input']}\nA: Let's think step by step.\n{p['steps']}" for p in puzzles[:SHOTS]]
        text = f"{NOTE}\n-----\n" + "\n\n".join([DESCRIPTIONS[task], *shots])
        files[f"bbh/cot-prompts/{task}.txt"] = text.encode()
        examples = [{"input": p["input"], "target": p["target"]} for p in puzzles[SHOTS:]]
        files[f"bbh/{task}.json"] = _json({"canary": NOTE, "examples": examples})
    return files


def drop(rng: random.Random) -> dict[str, bytes]:
    def split(name: str, passages: int, questions: tuple[int, ...]) -> bytes:
        document: dict[str, Any] = {}
        for number in range(passages):
            passage = make_passage(rng, "sample", questions[number % len(questions)])
            pairs = [
                {"question": question, "answer": answer, "query_id": f"{name}-{number}-{n}", "validated_answers": []}
                for n, (question, answer) in enumerate(passage["questions"])
            ]
            document[f"{name}_{number}"] = {"passage": passage["passage"], "qa_pairs": pairs}
        return _json(document)

    return {
        "drop/drop_dataset_train.json": split("train", SHOTS + 1, (1,)),
        "drop/drop_dataset_dev.json": split("dev", PASSAGES, (2, 3)),
    }


def humaneval(rng: random.Random) -> dict[str, bytes]:
    known = rng.sample(OPERATIONS["train"], PROGRAMS)
    names = [name for name in OPERATIONS["sample"] if name in known or name not in OPERATIONS["train"]]
    lines = []
    for number, name in enumerate(names):
        lines.append(json.dumps({"task_id": f"Sample/{number}", **make_program(rng, name, "sample")}) + "\n")
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed:  # no name, no time: the same bytes each time
        packed.write("".join(lines).encode())
    return {"humaneval/HumanEval.jsonl.gz": out.getvalue()}


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()


def sample() -> dict[str, bytes]:
    """Every file of the sample: path -> content."""
    made = {
        path: content
        for part, make in enumerate((mmlu, bbh, drop, humaneval, instructions, prompts))
        for path, content in make(random.Random(SEED + part)).items()
    }
    return {**made, "neutral/texts.jsonl": neutral_texts()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the bundled sample.")
    parser.add_argument("out", type=Path, nargs="?", default=Path(__file__).parent)
    for path, content in sample().items():
        file = parser.parse_args().out / path
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(file.name + ".part")
        part.write_bytes(content)
        part.replace(file)


if __name__ == "__main__":
    main()
