"""Is it the adapter that answers? A server's model is compared with its base, served by the same server.

Servers drop an adapter without a word too. Both are asked the same few prompts, the base twice: what it differs from
itself by is noise, and the adapter must differ by more."""

from __future__ import annotations

from typing import Any

from harness.backends.endpoint import replies
from harness.backends.endpoint.client import RefusedError, Remote
from harness.errors import ModelError

PROMPTS = (
    "Question: What is the capital of France?\nAnswer:",
    "Below is an instruction that describes a task. Write a response.\n\n### Instruction:\nName three colours.\n\n"
    "### Response:\n",
    "def add(a, b):\n    ",
    "The three most important things in life are",
)
TIMES_NOISE = 4
LEAST = 1e-6  # of a log-probability; JSON's digits
Continuations = list[dict[str, float]] | list[str]


def probe(remote: Remote, name: str, base_name: str, chat: bool) -> dict[str, Any]:
    """What goes on the run's record. ModelError where the two cannot be told apart."""
    before = _continuations(remote, base_name, chat)
    adapted = _continuations(remote, name, chat)
    again = _continuations(remote, base_name, chat)
    effect, noise = _apart(adapted, before), _apart(again, before)
    if not effect > max(TIMES_NOISE * noise, LEAST):
        raise ModelError(
            f"{name} answers as its base {base_name} does: on {len(PROMPTS)} prompts they differ by {effect:.2g}, and "
            f"the base from itself by {noise:.2g}. The server does not apply the adapter, or it changes nothing."
        )
    return {"probe": {"base": base_name, "effect": effect, "noise": noise}}


def _continuations(remote: Remote, name: str, chat: bool) -> Continuations:
    """The likeliest first tokens with their log-probabilities; or greedy texts, where there are no such."""
    if not chat:
        try:
            scored = [remote.complete(model=name, prompt=p, max_tokens=1, temperature=0.0, logprobs=5) for p in PROMPTS]
            return [dict(r["choices"][0]["logprobs"]["top_logprobs"][0]) for r in scored]
        except (KeyError, IndexError, TypeError, ValueError):
            return [
                _text(replies.completion(remote.complete(model=name, prompt=p, max_tokens=32, temperature=0.0)))
                for p in PROMPTS
            ]
        except RefusedError as error:
            if error.status not in (400, 404, 422):
                raise
    messages = [[{"role": "user", "content": p}] for p in PROMPTS]
    return [_text(replies.chat(remote.chat(model=name, messages=m, max_tokens=32, temperature=0.0))) for m in messages]


def _text(reply: replies.ReplyText) -> str:
    """With what the server keeps apart: a thought tells two models apart as well as an answer."""
    return reply.thought + reply.text


def _apart(one: Continuations, other: Continuations) -> float:
    """The largest difference of a log-probability, at least; 0 or 1 for texts."""
    largest = 0.0
    for a, b in zip(one, other, strict=True):
        if not (isinstance(a, dict) and isinstance(b, dict)):
            largest = max(largest, float(a != b))
            continue
        for token in {*a, *b}:  # one that is not listed has less than the last that is
            x, y = a.get(token, min(a.values())), b.get(token, min(b.values()))
            largest = max(largest, abs(x - y))
    return largest
