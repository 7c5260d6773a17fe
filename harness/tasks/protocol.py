"""What the few-shot tasks share: the names of the protocols, and how shots become one shared prompt."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError, suggest

PROTOCOLS = ("standard", "instructeval")
PROMPT_CAP = 2048  # prompt tokens, BOS included: `max_input_length` of declare-lab/instruct-eval's few-shot tasks


def check_protocol(task: str, protocol: str) -> str:
    """`protocol` itself; UsageError when this program has no such protocol."""
    if protocol not in PROTOCOLS:
        hint = suggest(protocol, PROTOCOLS)
        raise UsageError(f"{task} has no protocol {protocol!r}.{hint} The protocols are {' and '.join(PROTOCOLS)}.")
    return protocol


def check_shots(task: str, shots: int | None, default: int, available: int, where: str) -> int:
    """How many examples to show before each question: `shots`, or the protocol's own number.

    `where` says what the examples are taken from. UsageError when there are not that many."""
    number = default if shots is None else shots
    if not 0 <= number <= available:
        asked = f"the protocol shows {number}" if shots is None else f"{number} were asked for"
        raise UsageError(f"{task}: {asked}, and {where} has {available}. Give --shots a number from 0 to {available}.")
    return number


def few_shot(header: str, examples: Iterable[str]) -> tuple[str, tuple[int, ...]]:
    """`Prompt.shared` and `Prompt.cuts`: the header with the examples, and where it ends with fewer of them."""
    text, cuts = header, []
    for example in examples:
        cuts.append(len(text))
        text += example
    return text, tuple(cuts)
