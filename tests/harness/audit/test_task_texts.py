"""What of a task's prompts is an item's own text."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from data.contamination.words import words_of
from harness.audit.task_texts import split_options, task_texts
from harness.tasks import load


def test_options_are_what_stands_behind_labels_in_order() -> None:
    assert split_options("Which?\nA. one\nB. two\nmore of two\nC. three") == (
        "Which?",
        ("one", "two\nmore of two", "three"),
    )
    assert split_options("Which?\nOptions:\n(A) one\n(B) two") == ("Which?", ("one", "two"))
    assert split_options("Which are true?\n1. p\n2. q\na) 1 alone\nb) both") == (
        "Which are true?\n1. p\n2. q",
        ("1 alone", "both"),
    )
    assert split_options("A. Lincoln was born when?") == ("A. Lincoln was born when?", ())
    assert split_options("Which?\nAnswer choices:\n(A) one\n(B) two") == ("Which?", ("one", "two"))
    assert split_options("John says:\nA. one\nB. two") == ("John says:", ("one", "two"))
    assert split_options("Just a question") == ("Just a question", ())


@given(st.text(max_size=60))
def test_no_word_of_a_prompt_is_lost(text: str) -> None:
    question, options = split_options(f"{text}\nA. left\nB. right")
    words = words_of(" ".join((question, *options)))
    labels = {*"abcdefghijklmnopqrstuvwxyz", *map(str, range(100)), *(f"{n:02}" for n in range(10))}
    assert set(words_of(text)) - labels <= set(words)
    assert {"left", "right"} <= set(words)


def test_benchmarks_of_ours() -> None:
    mmlu, bbh, drop, humaneval = load("mmlu,bbh,drop,humaneval", "sample", shots=0)
    for selected in (mmlu, bbh, drop, humaneval):
        texts = task_texts(selected)
        assert [text.id for text in texts] == [item.id for item in selected.task.items()]
        for text, item in zip(texts, selected.task.items(), strict=True):
            said = words_of(" ".join((text.question, *text.options)))
            assert not {"answer", "think"} <= set(said[-4:])
            for key in ("question", "input", "passage"):
                if key in item.row:
                    assert len(set(words_of(item.row[key])) - set(said) - set("abcdefgh")) <= 2
    assert all(len(text.options) == 4 for text in task_texts(mmlu))


def test_groups_and_files(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n} plus {n}?", "choices": [str(2 * n), "no", "yes"], "answer": 0} for n in range(3)]
    path = tmp_path / "sums.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (one,) = load(f"file:{path}", shots=0)
    assert [text.question for text in task_texts(one)] == [f" What is {n} plus {n}?" for n in range(3)]
    assert task_texts(one)[2].options == (" 4", " no", " yes")
    path.write_text("\n".join(json.dumps({**row, "group": "ab"[n % 2]}) for n, row in enumerate(rows)), "utf-8")
    (part,) = load(f"file:{path}:b", shots=0)
    assert [text.group for text in task_texts(part)] == ["b"]
