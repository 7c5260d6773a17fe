"""Conversations: what is trained of any list of turns, and the note that counts what is not."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.instruction_rows import turns
from data.instruction_rows.sources import load
from data.instructions import Instruction, Message, messages_of
from data.sources import DataError
from tests.data.test_instruction_shapes import ANSWERED, ASKED, SYSTEM, put

AGAIN = {"role": "user", "content": "Why?"}
SO = {"role": "assistant", "content": "So."}
GOOD = {"messages": [ASKED, ANSWERED]}


def plain(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return tuple(Message(message["role"], message["content"]) for message in messages)


def test_what_a_row_of_each_kind_is(tmp_path: Path) -> None:
    longest = [SYSTEM, ASKED, ANSWERED, AGAIN, SO]
    loaded = load(put(tmp_path, "my.jsonl", [{"messages": some} for some in (longest[1:3], longest[:3], longest)]))
    assert loaded.notes == ("my.jsonl: messages, 3 conversations",)
    assert list(loaded.rows) == [
        Instruction("my.jsonl", "Who?", "", "Ada."),
        Instruction("my.jsonl", "Be brief.\n\nWho?", "", "Ada.", plain(SYSTEM, ASKED, ANSWERED)),
        Instruction("my.jsonl", "Be brief.\n\nWho?", "", "So.", plain(SYSTEM, ASKED, ANSWERED, AGAIN, SO)),
    ]


@pytest.mark.parametrize(
    ("turn_list", "kept", "note"),
    [
        ([ASKED, ANSWERED, AGAIN], [ASKED, ANSWERED], f"; in 1 {turns.CUT_LAST}"),
        ([ASKED, ANSWERED, AGAIN, {**SO, "content": " "}], [ASKED, ANSWERED], f"; in 1 {turns.CUT_LAST}"),
        ([SO, ASKED, ANSWERED], [ASKED, ANSWERED], f"; in 1 {turns.CUT_FIRST}"),
        ([ASKED, AGAIN, SO], [{**ASKED, "content": "Who?\n\nWhy?"}, SO], f"; in 1 {turns.JOINED}"),
        ([ASKED, ANSWERED, SO], [ASKED, {**SO, "content": "Ada.\n\nSo."}], f"; in 1 {turns.JOINED}"),
        ([{**SYSTEM, "content": ""}, ASKED, ANSWERED], [ASKED, ANSWERED], ""),
        ([{**SYSTEM, "role": "developer"}, ASKED, ANSWERED], [SYSTEM, ASKED, ANSWERED], ""),
        ([{**ASKED, "content": [{"type": "text", "text": "Who?"}]}, ANSWERED], [ASKED, ANSWERED], ""),
        (
            [ASKED, {**ANSWERED, "content": [{"type": "text", "text": "A"}, {"type": "output_text", "text": "B"}]}],
            [ASKED, {**ANSWERED, "content": "A\nB"}],
            f"; in 1 {turns.PARTS}",
        ),
        ([{**ASKED, "name": "ada"}, {**ANSWERED, "weight": 1, "refusal": None}], [ASKED, ANSWERED],
         "; not read in turns: name (1)"),
        ([ASKED, {**ANSWERED, "reasoning_content": "She is the one I know."}], [ASKED, ANSWERED],
         "; not read in turns: reasoning_content (1)"),
        ({"role": ["user", "assistant"], "content": ["Who?", "Ada."]}, [ASKED, ANSWERED], ""),
    ],
)  # fmt: skip
def test_what_is_changed_is_counted(tmp_path: Path, turn_list: Any, kept: list[dict[str, str]], note: str) -> None:
    loaded = load(put(tmp_path, "my.jsonl", [{"messages": turn_list}]))
    assert [messages_of(row) for row in loaded.rows] == [plain(*kept)]
    assert loaded.notes == (f"my.jsonl: messages, 1 conversation{note}",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": []}, "no assistant turn"),
        ({"messages": None}, "no assistant turn"),
        ({"messages": [ASKED]}, "no assistant turn"),
        ({"messages": [ANSWERED]}, "no user turn"),
        ({"messages": [ANSWERED, ASKED]}, "no assistant turn after a user turn"),
        ({"messages": [ASKED, {**ANSWERED, "content": None}, AGAIN, SO]}, "an empty turn"),
        ({"messages": [ASKED, ANSWERED, SYSTEM, AGAIN, SO]}, "a system text after the first turn"),
        ({"messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}]}, "tool calls"),
        ({"messages": [ASKED, {"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "tool calls"),
        ({"messages": [ASKED, ANSWERED, {"role": "tool", "content": "x"}, SO]}, "tool calls"),
        ({"messages": [ASKED, {"from": "function_call", "value": "x"}, ANSWERED]}, "tool calls"),
        ({"messages": [ASKED, ANSWERED], "tools": '[{"name": "clock"}]'}, "tools"),
        ({"messages": [ASKED, ANSWERED], "chat_template_kwargs": {"xml_tools": ["clock"]}}, "tools"),
        ({"messages": [ASKED, {**ANSWERED, "weight": 0}, AGAIN, {**SO, "weight": 1}]},
         "an assistant turn that is not to be learnt as others (its weight is not 1)"),
        ({"messages": [ASKED, {**ANSWERED, "train": False}]},
         "an assistant turn that is not to be learnt as others (its train is not 1)"),
        ({"messages": [{**ASKED, "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, ANSWERED]},
         "content of the type 'image_url'"),
        ({"messages": [{**ASKED, "images": ["x"]}, ANSWERED]}, "images, sound or video"),
        ({"messages": [ASKED, ANSWERED], "audios": ["a.wav"]}, "images, sound or video"),
        ({"messages": [ASKED, {**ANSWERED, "content": [{"type": "reasoning", "value": "x"}]}]},
         "content of the type 'reasoning'"),
        ({"messages": [ASKED, {**ANSWERED, "role": "narrator"}]}, "a turn of the unknown role 'narrator'"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_left_out_with_its_reason(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    loaded = load(put(tmp_path, "my.jsonl", [GOOD, row]))
    assert loaded.rows == (Instruction("my.jsonl", "Who?", "", "Ada."),)
    assert loaded.notes == (f"my.jsonl: messages, 2 conversations, 1 left out: {reason}",)
    with pytest.raises(DataError, match=r"none of 1 conversation can be trained|instruction should be text"):
        load(put(tmp_path, "my.jsonl", [row]))


def test_many_reasons_are_five_and_a_rest(tmp_path: Path) -> None:
    odd = [{"messages": [ASKED, {**ANSWERED, "role": f"{'r' * 30}{n}"[n:]}]} for n in range(20)]
    (note,) = load(put(tmp_path, "my.jsonl", [GOOD, *odd])).notes
    assert note.count("left out: ") == 5
    assert "left out for other reasons" in note
    assert "r" * 21 not in note


@pytest.mark.parametrize(
    ("row", "messages", "words"),
    [
        ({"prompt": [SYSTEM, ASKED], "completion": [ANSWERED]}, [SYSTEM, ASKED, ANSWERED], "prompt + completion"),
        ({"prompt": [ASKED], "completion": "Ada."}, [ASKED, ANSWERED], "prompt + completion"),
        ({"question": "Who?", "answer": [ANSWERED]}, [ASKED, ANSWERED], "question + answer"),
        ({"dialog": [ASKED, ANSWERED], "id": 1}, [ASKED, ANSWERED], "dialog"),
        ({"messages": [ASKED, ANSWERED], "text": "<s>Who?\n<e>Ada."}, [ASKED, ANSWERED], "messages"),
        ({"instruction": "Who?", "system": "Be brief.", "output": "Ada."}, [SYSTEM, ASKED, ANSWERED],
         "instruction, output, system"),
        ({"system_prompt": "Be brief.", "question": "Who?", "response": "Ada."}, [SYSTEM, ASKED, ANSWERED],
         "question, response, system_prompt"),
        ({"instruction": "Why?", "input": "", "output": "So.", "system": "", "history": [["Who?", "Ada."]]},
         [ASKED, ANSWERED, AGAIN, SO], "instruction, input, output, system, history"),
    ],
)  # fmt: skip
def test_conversations_in_other_columns(
    tmp_path: Path, row: dict[str, Any], messages: list[dict[str, str]], words: str
) -> None:
    loaded = load(put(tmp_path, "my.jsonl", [row]))
    assert [messages_of(kept) for kept in loaded.rows] == [plain(*messages)]
    assert loaded.notes[0].startswith(f"my.jsonl: {words}, 1 ")


def test_turns_of_a_prompt_are_learnt_and_said_to_be(tmp_path: Path) -> None:
    row = {"prompt": [ASKED, ANSWERED, AGAIN], "completion": [SO]}
    (note,) = load(put(tmp_path, "my.jsonl", [row, {"prompt": [ASKED], "completion": [ANSWERED]}])).notes
    assert note == "my.jsonl: prompt + completion, 2 conversations; in 1 assistant turns of the prompt are learnt too"


@pytest.mark.parametrize(
    ("declared", "rows", "note"),
    [
        ({"messages": "chosen"}, 1, "chosen, 1 conversation; not read: prompt, rejected, content"),
        ({"text": "content"}, 1, "content, 1 plain text, all of it learnt; not read: prompt, chosen, rejected, system"),
    ],
)
def test_a_column_that_is_a_row_by_itself(tmp_path: Path, declared: dict[str, str], rows: int, note: str) -> None:
    row = {
        "prompt": "Who?",
        "chosen": [ASKED, ANSWERED],
        "rejected": [ASKED, SO],
        "content": "a b c d e",
        "system": "Hm.",
    }
    loaded = load(put(tmp_path, "my.jsonl", [row]), None, declared)
    assert (len(loaded.rows), loaded.notes) == (rows, (f"my.jsonl: {note}",))


def test_plain_text(tmp_path: Path) -> None:
    guanaco = "### Human: Who?### Assistant: Ada."
    loaded = load(put(tmp_path, "my.jsonl", [{"text": guanaco, "label": 1}, {"text": " \n"}, {"text": None}]))
    assert loaded.rows == (Instruction("my.jsonl", "", "", guanaco, is_text=True),)
    assert loaded.notes == ("my.jsonl: text, 3 plain texts, all of it learnt, 2 left out: empty; not read: label",)


role = st.sampled_from(["system", "user", "assistant", "assistant", "user", "human", "gpt", "tool", "narrator"])
content = st.sampled_from(["text", "text", "text", "parts", "blank", "none", "image"])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(role, content, st.sampled_from([None, None, 1, 0])), max_size=7))
def test_no_turn_s_text_is_lost_without_a_counted_note(drawn: list[tuple[str, str, int | None]]) -> None:
    """Each turn has a text of its own: it is in the row, or a note says what is missing."""
    made: list[dict[str, Any]] = []
    for number, (name, kind, weight) in enumerate(drawn):
        text = f"turn {number}"
        value: Any = {"text": text, "blank": " ", "none": None, "image": [{"type": "image", "text": text}]}.get(kind)
        if kind == "parts":
            value = [{"type": "text", "text": text}, "and on"]
        made.append({"role": name, "content": value, "weight": weight})
    texts = [f"turn {n}" for n, (_, kind, _) in enumerate(drawn) if kind not in ("blank", "none")]
    rows = [GOOD, {"messages": made}]
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(put(Path(folder), "my.jsonl", rows))
    (note,) = loaded.notes
    if len(loaded.rows) == 1:
        assert "1 left out: " in note
        return
    assert "left out" not in note
    row = messages_of(loaded.rows[1])
    names = [message.role for message in row if message.role != "system"]
    assert names == ["user", "assistant"] * (len(names) // 2)
    assert names
    whole = "\n".join(message.content for message in row)
    lost = [text for text in texts if text not in whole]
    cut = (turns.CUT_FIRST in note) + (turns.CUT_LAST in note)
    assert bool(lost) == bool(cut)
    assert [text for text in texts if text in whole] == [text for text in whole.splitlines() if text in texts]  # order
    if turns.JOINED not in note:
        assert len(lost) == cut
    assert (turns.PARTS in note) == any(kind == "parts" for _, kind, _ in drawn)
    assert all(weight != 0 for name, _, weight in drawn if name in ("assistant", "gpt"))


def test_a_conversation_in_a_cell_of_a_table_is_read_as_one(tmp_path: Path) -> None:
    path = put(tmp_path, "my.csv", [{"messages": json.dumps([SYSTEM, ASKED, ANSWERED, AGAIN, SO]), "id": "1"}])
    assert [row.messages for row in load(path).rows] == [plain(SYSTEM, ASKED, ANSWERED, AGAIN, SO)]
