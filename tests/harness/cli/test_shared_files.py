"""Published files as they lie there: what each is read as, and why some are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.instruction_rows import sources
from data.sources import DataError
from harness.options.row_columns import columns_of
from harness.tasks.file_tasks.tasks import FileTask
from tests.harness.runs import cli, json_of

ROWS = {  # to train on as they are
    "alpaca/alpaca_en_demo.json": "instruction, input, output, 999 rows",
    "alpaca/alpaca_original_19964.jsonl.gz": "instruction, input, output, 19,964 rows",
    "dolly/dolly151.jsonl": "prompt, answer, 151 rows",
    "dolly/dolly15k_dedup.jsonl.gz": "instruction, context, response, 14,824 rows",
    "gsm8k/test.jsonl": "question, answer, 1,319 rows",
    "self_instruct/seed_tasks.jsonl": "instruction + instances, 175 tasks, 175 rows",
}
NAMED = {  # to train on with --columns
    "bbh/snarks.json": ("instruction=input,output=target", "178 rows"),
    "boolq/val.jsonl": ("input=passage,output=label", "3,270 rows; not read: idx"),
    "drop/drop_v0_dev.jsonl.gz": ("instruction=context,output=completion", "9,536 rows; not read: ref_text"),
    "humaneval/HumanEval.jsonl.gz": (
        "output=canonical_solution",
        "164 rows; not read: task_id, entry_point, test",
    ),
    "lambada/lambada_openai_test.jsonl": (
        "text=context",
        "5,153 plain texts, all of it learnt; not read: continuation",
    ),
    "mbpp/sanitized-mbpp.jsonl": (
        "output=code",
        "427 rows; not read: source_file, task_id, test_imports, test_list",
    ),
    "sciq/test.csv": ("input=context,output=answer", "1,000 rows; not read: A, B, C, D"),
}
TESTS = {  # --tasks file:PATH
    "arc_challenge/ARC-Challenge-Dev.jsonl": ("question.stem + question.choices", 299),
    "arc_challenge/ARC-Challenge-Test.jsonl": ("question.stem + question.choices", 1172),
    "arc_easy/ARC-Easy-Dev.jsonl": ("question.stem + question.choices", 570),
    "arc_easy/ARC-Easy-Test.jsonl": ("question.stem + question.choices", 2376),
    "bbh/snarks.json": ("prompt + answer", 178),
    "boolq/val.jsonl": ("passage + question, yes or no", 3270),
    "dolly/dolly151.jsonl": ("prompt + answer", 151),
    "drop/drop_v0_dev.jsonl.gz": ("context + ref_text", 9536),
    "gsm8k/test.jsonl": ("question + answer behind ####", 1319),
    "hellaswag/hellaswag_val.jsonl.gz": ("prompt + choices", 10042),
    "lambada/lambada_openai_test.jsonl": ("context + continuation", 5153),
    "mmlu/test/anatomy_test.csv": ("question + a column a choice", 135),
    "openbookqa/Main_dev.jsonl": ("question.stem + question.choices", 500),
    "openbookqa/Main_test.jsonl": ("question.stem + question.choices", 500),
    "piqa/dev.jsonl": ("goal + sol1, sol2", 1838),
    "sciq/test.csv": ("question + a column a choice", 1000),
    "truthfulqa/mc_task.json": ("question + mc1_targets", 817),
    "winogrande/dev.jsonl": ("sentence + option1, option2", 1267),
}
NEITHER = {  # refused without --columns, and why
    "drop/drop_dataset_dev.json": "is an object with 0 lists of objects",  # the task drop reads its folder
    "drop/drop_dataset_train_part.json": "is an object with 0 lists of objects",
    "humaneval/HumanEval.jsonl.gz": "Its answers are programs.*task humaneval",
    "mbpp/sanitized-mbpp.jsonl": "Its answers are programs.*output should be text and is not there.*--columns",
    "vicuna/question.jsonl": "make no test.*there are question_id, category, turns",  # prompts for harness answer
    "paper/nomad_round2_100pts.csv": "make no test.*instruction should be text and is not there",
    "paper/nomad_experiment3_50pts.csv": "make no test.*instruction should be text and is not there",
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_to_train_on(shared_data: Path, name: str) -> None:
    path = shared_data / name
    loaded = sources.load(str(path))
    assert loaded.notes == (f"{path.name}: {ROWS[name]}",)
    assert not any("### Response" in row.instruction or "###eos" in row.output for row in loaded.rows)


@pytest.mark.parametrize("name", NAMED)
def test_rows_to_train_on_whose_columns_are_named(shared_data: Path, name: str) -> None:
    text, line = NAMED[name]
    (note,) = sources.load(str(shared_data / name), None, columns_of(text)).notes
    assert note.endswith(f", {line}")


@pytest.mark.parametrize("name", TESTS)
def test_tests(shared_data: Path, name: str) -> None:
    task = FileTask.load(str(shared_data / name))
    assert (task.contents.shape, len(task.items())) == TESTS[name]


@pytest.mark.parametrize("name", NEITHER)
def test_what_is_neither_is_refused_with_its_reasons(shared_data: Path, name: str) -> None:
    code, _, errors = cli("data", "show", shared_data / name)
    assert code == 3
    with pytest.raises(DataError, match=NEITHER[name]):
        raise DataError(" ".join(errors.split()))


def test_every_file_is_one_of_these(shared_data: Path) -> None:
    """A new file is noticed. Of MMLU's and BBH's files, which are alike, one stands for all."""
    known = {*ROWS, *NAMED, *TESTS, *NEITHER}
    alike = {"mmlu/dev", "mmlu/test", "bbh", "bbh/cot-prompts"}
    names = [path.relative_to(shared_data) for path in shared_data.rglob("*") if path.is_file()]
    rest = [str(name) for name in names if str(name) not in known and str(name.parent) not in alike]
    assert {name for name in rest if not name.endswith("-labels.lst")} == {"README.md"}


def test_they_are_shown(shared_data: Path) -> None:
    shown = json_of("data", "show", shared_data / "mbpp/sanitized-mbpp.jsonl", "--columns", "output=code")
    assert shown["instruction_rows"]["rows"] == 427
    shown = json_of("data", "show", shared_data / "self_instruct/seed_tasks.jsonl")["instruction_rows"]
    assert (shown["rows"], shown["by_source"]["seed_tasks.jsonl"]["rows"]) == (175, 175)
    assert shown["scripts"]["Latin"] > 0.99
    shown = json_of("data", "show", shared_data / "gsm8k/test.jsonl")
    assert (shown["shape"], shown["instruction_rows"]["rows"]) == ("question + answer behind ####", 1319)
