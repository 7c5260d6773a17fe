"""What a model judge is asked: our own prompts (prompt_files/), or a file like FastChat's judge_prompts.jsonl.

Four of them: with one turn or two, with a reference or without. A text of ours is the system message, a line of five
hyphens, and the user's message with {fields}.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.jsonl import objects
from harness.errors import UsageError

OURS = Path(__file__).with_name("prompt_files")
_FILES = {
    (1, False): "pair.txt",
    (1, True): "pair_reference.txt",
    (2, False): "pair_two_turns.txt",
    (2, True): "pair_two_turns_reference.txt",
}
_FIELD = re.compile(r"\{(\w+)\}")
_UNSENDABLE = re.compile("[\ud800-\udfff\0]")
_NEEDED = {1: ("question", "answer_a", "answer_b"), 2: ("question_2", "answer_a_2", "answer_b_2")}

Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class JudgingPrompt:
    name: str
    system: str
    template: (
        str  # with {question}, {answer_a}, {answer_b}, {ref_answer_1}; {question_1}, {answer_a_1}, … for two turns
    )

    def fill(self, values: Mapping[str, str]) -> Messages:
        """The messages to send. Braces inside of what is filled in are text: each field is filled once. NUL and half
        surrogate pairs, which not every server takes, become U+FFFD."""
        text = _UNSENDABLE.sub("\ufffd", _FIELD.sub(lambda field: values.get(field[1], field[0]), self.template))
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": text}]


@dataclass(frozen=True, slots=True)
class JudgingPrompts:
    source: str  # "ours" or the file's name
    prompts: Mapping[tuple[int, bool], JudgingPrompt]  # by (turns, with a reference)
    digest: str  # sha256, hex

    def messages(
        self, turns: Sequence[str], reference: Sequence[str], first: Sequence[str], second: Sequence[str]
    ) -> Messages:
        """The question's turns up to the one judged, their references (or none), and both sides' answers to them.

        UsageError where the file lacks a prompt of this kind."""
        kind = (len(turns), bool(reference))
        if kind not in self.prompts:
            kind_name = f"{kind[0]} turn{'s' if kind[0] > 1 else ''} {'with' if kind[1] else 'without'} a reference"
            raise UsageError(f"{self.source} has no pairwise judging prompt for {kind_name}. Add one, or use ours.")
        values = {"question": turns[0], "answer_a": first[0], "answer_b": second[0]}
        for n in range(len(turns)):
            values |= {f"question_{n + 1}": turns[n], f"answer_a_{n + 1}": first[n], f"answer_b_{n + 1}": second[n]}
        values |= {f"ref_answer_{n + 1}": text for n, text in enumerate(reference)}
        return self.prompts[kind].fill(values)


def ours() -> JudgingPrompts:
    prompts = {}
    for kind, name in _FILES.items():
        system, _, template = (OURS / name).read_text(encoding="utf-8").partition("\n-----\n")
        prompts[kind] = JudgingPrompt(name.removesuffix(".txt"), system.strip(), template.strip())
    return _made("ours", prompts)


def from_file(path: str | Path) -> JudgingPrompts:
    """The pairwise prompts of a file in FastChat's format (the first of each kind; scoring single answers is passed
    over). Raises DataError, and UsageError where there is no pairwise prompt."""
    prompts: dict[tuple[int, bool], JudgingPrompt] = {}
    for row, where in objects(Path(path)):
        template, system, name = (row.get(key, "") for key in ("prompt_template", "system_prompt", "name"))
        if row.get("type") != "pairwise":
            continue
        if not all(isinstance(text, str) for text in (template, system, name)):
            raise UsageError(f"{where}: name, system_prompt and prompt_template are texts.")
        turns = 2 if "{question_2}" in template else 1
        lacking = [field for field in _NEEDED[turns] if f"{{{field}}}" not in template]
        if lacking:
            raise UsageError(f"{where}: the template of {name} has no {{{lacking[0]}}}.")
        prompts.setdefault((turns, "{ref_answer_1}" in template), JudgingPrompt(name, system, template))
    if not prompts:
        raise UsageError(f'{path} has no prompt of type "pairwise".')
    return _made(Path(path).name, prompts)


def _made(source: str, prompts: dict[tuple[int, bool], JudgingPrompt]) -> JudgingPrompts:
    parts = [[list(kind), prompt.system, prompt.template] for kind, prompt in sorted(prompts.items())]
    return JudgingPrompts(source, prompts, hashlib.sha256(json.dumps(parts).encode()).hexdigest())
