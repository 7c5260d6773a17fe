"""What a judge is asked: ours, and files like FastChat's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from judges.judging import prompts
from judges.judging.prompts import from_file, ours

OURS = ours()
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(plain, plain, plain, plain)
def test_every_text_stands_in_the_message_once_filled_in(question, reference, a, b):
    system, user = OURS.messages([question], [reference], [a], [b])
    assert system["role"] == "system"
    text = user["content"]
    assert f"<question>\n{question}\n</question>" in text
    assert f"<reference>\n{reference}\n</reference>" in text
    assert f"<answer_a>\n{a}\n</answer_a>" in text
    assert f"<answer_b>\n{b}\n</answer_b>" in text


def test_fields_inside_of_an_answer_are_text():
    (_, user) = OURS.messages(["q"], [], ["{answer_b} {question}"], ["secret"])
    assert "<answer_a>\n{answer_b} {question}\n</answer_a>" in user["content"]


def test_two_turns():
    for reference in ([], ["r1", "r2"]):
        _, user = OURS.messages(["q1", "q2"], reference, ["a1", "a2"], ["b1", "b2"])
        for text in ("q1", "q2", "a1", "a2", "b1", "b2", *reference):
            assert f"\n{text}\n" in user["content"]
        assert "{" not in user["content"]


def test_each_of_ours_names_the_three_verdicts_and_has_its_own_digest():
    for (turns, reference), prompt in OURS.prompts.items():
        assert all(f"[[{letter}]]" in prompt.system for letter in "ABC")
        assert ("ref_answer_1" in prompt.template) == reference
        assert ("question_2" in prompt.template) == (turns == 2)
    assert len({prompt.system for prompt in OURS.prompts.values()}) == 4


def line(name: str, template: str, **changes) -> str:
    return json.dumps({"name": name, "type": "pairwise", "system_prompt": "S", "prompt_template": template, **changes})


def test_a_file_in_fastchats_format(tmp_path):
    file = tmp_path / "judge_prompts.jsonl"
    lines = [
        line("single-v1", "{question} {answer}", type="single"),
        line("pair-v2", "Q {question} A {answer_a} B {answer_b}"),
        line("pair-math-v1", "Q {question} R {ref_answer_1} A {answer_a} B {answer_b}"),
        line("pair-v2-multi-turn", "{question_1} {answer_a_1} {answer_b_1} {question_2} {answer_a_2} {answer_b_2}"),
    ]
    file.write_text("\n".join(lines))
    found = from_file(file)
    assert found.messages(["q"], [], ["x"], ["y"]) == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Q q A x B y"},
    ]
    assert found.messages(["q"], ["r"], ["x"], ["y"])[1]["content"] == "Q q R r A x B y"
    assert found.messages(["q", "p"], [], ["x", "u"], ["y", "v"])[1]["content"] == "q x y p u v"
    with pytest.raises(UsageError, match="2 turns with a reference"):
        found.messages(["q", "p"], ["r", "s"], ["x", "u"], ["y", "v"])
    assert found.digest != OURS.digest
    file.write_text("\n".join(lines).replace("Q {question}", "Question {question}"))
    assert from_file(file).digest != found.digest


def test_a_file_without_what_is_needed_is_refused(tmp_path):
    file = tmp_path / "judge_prompts.jsonl"
    file.write_text(line("single-v1", "{question} {answer}", type="single"))
    with pytest.raises(UsageError, match="no prompt of type"):
        from_file(file)
    file.write_text(line("pair-v2", "{question} {answer_a}"))
    with pytest.raises(UsageError, match=r"has no \{answer_b\}"):
        from_file(file)


def test_what_servers_do_not_take_is_replaced():
    _, user = OURS.messages(["q"], [], ["a\0b\ud800c"], ["d"])
    assert "a\ufffdb\ufffdc" in user["content"]
    assert prompts._UNSENDABLE.search(user["content"]) is None
