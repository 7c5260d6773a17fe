"""What the few-shot tasks share: the names of the protocols, and how shots become one shared prompt."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import suggest
from harness.options import OptionError

PROTOCOLS = ("standard", "instructeval")
PROMPT_CAP = 2048  # prompt tokens, BOS included: `max_input_length` of declare-lab/instruct-eval's few-shot tasks


def check_protocol(task: str, protocol: str) -> str:
    """`protocol` itself; OptionError when this program has no such protocol."""
    if protocol not in PROTOCOLS:
        hint = suggest(protocol, PROTOCOLS)
        text = f": {task} has no such protocol.{hint} The protocols are {' and '.join(PROTOCOLS)}."
        raise OptionError("protocol", protocol, text)
    return protocol


def check_shots(task: str, shots: int | None, default: int, available: int, where: str) -> int:
    """How many examples to show before each question: `shots`, or the protocol's own number.

    `where` says what the examples are taken from. OptionError when there are not that many."""
    number = default if shots is None else shots
    if not 0 <= number <= available:
        asked = f"the protocol of {task} shows {number}, and" if shots is None else f"for {task}"
        text = f": {asked} {where} has {available}. Give a number from 0 to {available}."
        raise OptionError("shots", number, text)
    return number


def few_shot(header: str, examples: Iterable[str]) -> tuple[str, tuple[int, ...]]:
    """`Prompt.shared` and `Prompt.cuts`: the header with the examples, and where it ends with fewer of them."""
    text, cuts = header, []
    for example in examples:
        cuts.append(len(text))
        text += example
    return text, tuple(cuts)
