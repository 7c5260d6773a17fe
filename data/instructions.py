"""One instruction row, and Stanford Alpaca's template that makes its prompt."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Instruction:
    source: str  # "alpaca", "dolly", or the name of a file
    instruction: str
    input: str  # "" where there is none
    output: str


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
