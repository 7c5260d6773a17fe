"""Conversations in templates that need no tokenizer's: `alpaca`, in Stanford's words, and `plain`, texts with an empty
line between. Rows to train on and prompts that are answered are written by the same function."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from data.instructions import WITHOUT_INPUT, Message

_AGAIN = "\n\n### Instruction:\n{instruction}\n\n### Response:"  # later turns, in the Alpaca template's own words
_BETWEEN = "\n\n"

Piece = tuple[str, bool]  # a text, and whether it is the model's


def written(name: str, turns: Sequence[str]) -> list[Piece]:
    """What the user and the model say in turn, in the template `alpaca` or `plain`. Where the last turn is the user's,
    the text ends where the answer begins."""
    pieces: list[Piece] = []
    for place, turn in enumerate(turns):
        is_answer = place % 2 == 1
        if name == "plain":
            pieces += [(_BETWEEN, False)] if pieces and turn else []
            pieces += [(turn, is_answer)] if turn else []
        elif is_answer:
            pieces.append((f" {turn}", True))
        else:
            pieces.append(((_AGAIN if place else WITHOUT_INPUT).format(instruction=turn), False))
    return [*pieces, (_BETWEEN, False)] if name == "plain" and len(turns) % 2 else pieces


def turns_of(messages: Sequence[Message]) -> list[str]:
    """A conversation as the user's turns and the model's, beginning with the user's: a system text is the user's, and
    what stands in a row by one of them is one turn."""
    turns = [] if messages and messages[0].role != "assistant" else [""]
    for _, of_one in groupby(messages, key=lambda message: message.role == "assistant"):
        turns.append(_BETWEEN.join(message.content for message in of_one))
    return turns
