"""One row to train on, and Stanford Alpaca's template that makes its prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from data.sources import DataError

# Stanford Alpaca's templates (tatsu-lab/stanford_alpaca, train.py)
WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
MARKS = ("### Instruction:", "### Response:")  # a prompt with one of them is in a template


Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """A row to train on: an instruction and its response, a conversation, or plain text."""

    source: str  # "alpaca", "dolly", or the name of a file
    instruction: str  # of a conversation: its system text and its first question; of plain text: ""
    input: str  # "" where there is none
    output: str  # the response, a conversation's last one, or the plain text
    messages: tuple[Message, ...] = ()  # the conversation, where it has a system text or several turns
    is_text: bool = False  # plain text, all of which is learnt


def from_dict(row: Mapping[str, Any]) -> Instruction:
    """Back from what `dataclasses.asdict` makes of a row, also after JSON."""
    messages = tuple(Message(message["role"], message["content"]) for message in row["messages"])
    return Instruction(**{**row, "messages": messages})


def messages_of(row: Instruction) -> tuple[Message, ...]:
    """The row as a conversation; of plain text there is none."""
    if row.is_text:
        return ()
    asked = "\n\n".join(part for part in (row.instruction, row.input) if part)
    return row.messages or (Message("user", asked), Message("assistant", row.output))


def asked_of(row: Instruction) -> tuple[str, str]:
    """(instruction, input), by which rows are copies of one another: of a conversation its system text and all that
    the user says, or the latter alone; of plain text the text."""
    if row.is_text:
        return row.output, ""
    if row.messages:
        system = row.messages[0].content if row.messages[0].role == "system" else ""
        asked = "\n\n".join(message.content for message in row.messages if message.role == "user")
        return (system, asked) if system else (asked, "")
    return row.instruction, row.input


def prompt_of(row: Instruction) -> str:
    """The Alpaca template, ending in "### Response:"."""
    template = WITH_INPUT if row.input else WITHOUT_INPUT
    return template.format(instruction=row.instruction, input=row.input)


def response_of(row: Instruction) -> str:
    """What follows `prompt_of`, the end token not included. One space leads it, which Stanford's own code leaves
    out: with it the boundary of prompt and response is one of tokens too, and chat templates write it."""
    return f" {row.output}"


def from_prompt(prompt: str, where: str) -> tuple[str, str]:
    """Instruction and input of a prompt in the Alpaca template. DataError where it is not in it."""
    for template in (WITH_INPUT, WITHOUT_INPUT):
        head, rest = template.split("{instruction}")
        middle, _, tail = rest.rpartition("{input}") if "{input}" in rest else ("", "", rest)
        if not (prompt.startswith(head) and prompt.endswith(tail)):
            continue
        body = prompt[len(head) : len(prompt) - len(tail)]
        if not middle:
            return body, ""
        instruction, separator, given = body.partition(middle)
        if separator:
            return instruction, given
    raise DataError(f"{where}: the prompt is not in the Alpaca template (### Instruction: … ### Response:).")
