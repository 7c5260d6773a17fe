"""What the items of a task say, to be compared with training rows: the questions and their options, without examples
and without the words that stand around every question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from data.contamination.item_texts import ItemText
from harness.tasks import Selected
from harness.types import Choice, Loglikelihood, Request, Rolling

_OPTION = re.compile(r"[ \t]*\(?([A-Za-z]|[0-9]{1,2})[.):][ \t]+(.*)")  # "A. text", "(A) text", "1) text"
_HEADING = re.compile(r"\s*(\w+ )?(options|choices|answers):\s*", re.IGNORECASE)  # "Options:" before them


def task_texts(selected: Selected) -> list[ItemText]:
    """Of the items of a task, or of its groups that are asked for. The task is to be loaded with no shots: where they
    are drawn for each item, they stand in the item's own prompt."""
    task = selected.task
    items = [item for item in task.items() if not selected.groups or item.group in selected.groups]
    requests = [task.requests(item) for item in items]
    prompts = _without_frame([_prompt(asked[0]) for asked in requests])
    texts = []
    for item, asked, prompt in zip(items, requests, prompts, strict=True):
        question, options = split_options(prompt)
        if not options:
            others = [_prompt(request) for request in asked[1:]]
            answers = [option for request in asked if not isinstance(request, Rolling) for option in _options(request)]
            options = tuple(dict.fromkeys([*(other for other in others if other != _prompt(asked[0])), *answers]))
        texts.append(ItemText(task.name, item.id, item.group, question, options))
    return texts


def _prompt(request: Request) -> str:
    if isinstance(request, Rolling):
        return request.text
    return "\n".join((*request.prompt.earlier, request.prompt.own))


def _options(request: Request) -> tuple[str, ...]:
    return request.options if isinstance(request, Choice | Loglikelihood) else ()


def _without_frame(prompts: Sequence[str]) -> list[str]:
    """Without what all begin with, up to a colon or a line's end, and without the lines that all end with."""
    if len(set(prompts)) < 2:
        return list(prompts)
    head = _common(prompts)
    begin = max(head.rfind(":"), head.rfind("\n")) + 1
    rest = [prompt[begin:] for prompt in prompts]
    tail = _common([prompt[::-1] for prompt in rest])[::-1]
    length = len(tail) - tail.find("\n") if "\n" in tail else 0
    return [prompt[: len(prompt) - length] for prompt in rest]


def _common(texts: Sequence[str]) -> str:
    """What all begin with."""
    first, last = min(texts), max(texts)
    return first[: next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def split_options(prompt: str) -> tuple[str, tuple[str, ...]]:
    """The question, and the options where they are listed behind labels that follow one another, from A, a or 1 on. The
    last such list counts: a question may number its statements."""
    lines = prompt.split("\n")
    labels = [match[1] if (match := _OPTION.fullmatch(line)) else "" for line in lines]
    for begin in range(len(lines) - 1, -1, -1):
        if labels[begin] not in ("A", "a", "1"):
            continue
        places, wanted = [begin], _next(labels[begin])
        for at in range(begin + 1, len(lines)):
            if labels[at] == wanted:
                places.append(at)
                wanted = _next(wanted)
        if len(places) < 2:
            continue
        ends = [*places[1:], places[-1] + 1]
        options = ["\n".join(lines[at:end]) for at, end in zip(places, ends, strict=True)]
        before = lines[:begin]
        if before and _HEADING.fullmatch(before[-1]):
            before.pop()
        question = "\n".join([*before, *lines[ends[-1] :]])
        return question, tuple(_OPTION.sub(r"\2", option, count=1) for option in options)
    return prompt, ()


def _next(label: str) -> str:
    return str(int(label) + 1) if label.isdecimal() else chr(ord(label) + 1)
