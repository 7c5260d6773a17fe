"""Rows of the three kinds: an instruction and its response, a conversation, plain text."""

from __future__ import annotations

import json
from dataclasses import asdict

from data.instruction_split import digest, distinct
from data.instructions import Instruction, Message, asked_of, from_dict, messages_of

TALK = Instruction(
    "my.jsonl",
    "Be brief.\n\nHello?",
    "",
    "Bye.",
    (
        Message("system", "Be brief."),
        Message("user", "Hello?"),
        Message("assistant", "Hi."),
        Message("user", "And?"),
        Message("assistant", "Bye."),
    ),
)
TEXT = Instruction("book.jsonl", "", "", "It was a dark night.", is_text=True)
PLAIN = Instruction("alpaca", "Add.", "1 and 2", "3")


def test_a_row_comes_back_from_json() -> None:
    for row in (TALK, TEXT, PLAIN):
        assert from_dict(json.loads(json.dumps(asdict(row)))) == row


def test_the_digest_of_instructions_is_what_it_was() -> None:
    """The identity of studies that were begun before."""
    assert digest([PLAIN]) == "7f48b3ca5193686d7b7c06ef881688661e6e902df2918c82ee449fa4f6e4e60f"
    assert len({digest([row]) for row in (TALK, TEXT, Instruction("book.jsonl", "", "", TEXT.output))}) == 3


def test_messages_of_a_row() -> None:
    assert messages_of(PLAIN) == (Message("user", "Add.\n\n1 and 2"), Message("assistant", "3"))
    assert messages_of(TALK) == TALK.messages
    assert messages_of(TEXT) == ()


def test_a_long_system_text_that_rows_share_makes_no_copies() -> None:
    text = (
        "You answer questions of a museum's visitors, briefly and without a guess. Prices are in euros; children under "
        "twelve enter free. The west wing is closed until spring, and photographs are allowed everywhere but in the "
        "print room. Where you do not know the answer, name the desk at the entrance, which is staffed all day."
    )
    system = Message("system", text)
    asked = [Message("user", word) for word in ("Who made it?", "How old is it?", "May I touch it?")]
    rows = [Instruction("x", "", "", "Yes.", (system, question, Message("assistant", "Yes."))) for question in asked]
    assert distinct(rows) == (rows, [])


def test_copies_are_told_by_all_that_is_asked() -> None:
    other = Instruction(TALK.source, TALK.instruction, "", "Bye.", (*TALK.messages[:3], Message("user", "What else?")))
    assert asked_of(TALK) != asked_of(other)
    kept, notes = distinct([TALK, TEXT, PLAIN, TEXT, TALK])
    assert kept == [TALK, TEXT, PLAIN]
    assert notes == ["2 of 5 rows are exact copies of others and are left out."]
