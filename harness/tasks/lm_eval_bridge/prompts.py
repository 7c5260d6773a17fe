"""What an lm-eval task asks, as our requests: instances to requests, responses back to instances.

Source: lm-evaluation-harness 0.4.13, `lm_eval/api/task.py` (`build_all_requests`) and `lm_eval/evaluator.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from harness.types import Choice, Generate, Loglikelihood, Prompt, Request, Response, Rolling, Sampling

APPLIED = {"until", "max_gen_toks", "do_sample", "temperature", "top_p"}  # generation settings that we map


@dataclass(frozen=True, slots=True)
class Shared:
    """What the prompts of a task have in common, and where its shots end (`Prompt.cuts`)."""

    text: str = ""
    cuts: tuple[int, ...] = ()

    def prompt(self, context: str) -> Prompt:
        if self.text and context.startswith(self.text):
            return Prompt(self.text, context[len(self.text) :], self.cuts)
        return Prompt("", context)


def contexts(task: Any, docs: Sequence[Any], shots: int, chat: bool) -> list[str | list[str]]:
    """The prompt of every document, in order: lm-eval draws the shots of all of them from one generator."""
    return [
        task.fewshot_context(
            doc,
            num_fewshot=shots,
            system_instruction=None,
            apply_chat_template=chat,
            fewshot_as_multiturn=False,
            chat_template=None,
            gen_prefix=task.doc_to_prefix(doc),
        )
        for doc in docs
    ]


def find_shared(task: Any, doc: Any, texts: Sequence[str | list[str]], shots: int, chat: bool) -> Shared:
    """What `texts` begin with alike. With shots in a fixed order, all of them and where each ends;
    otherwise up to the last delimiter between shots. A hint for storage: any split is the same text."""
    from lm_eval.api.samplers import FirstNSampler

    flat = [part for text in texts for part in ([text] if isinstance(text, str) else text)]
    common = _common(min(flat), max(flat)) if flat else ""
    if shots and type(getattr(task, "sampler", None)) is FirstNSampler:
        fewer = [_first(contexts(task, [doc], k, chat)[0]) for k in range(shots + 1)]
        question = fewer[0][len(task.resolve_field(doc, task.config.description) or "") :]
        heads = [text.removesuffix(question) for text in fewer]
        ends_alike = all(text.endswith(question) for text in fewer)
        if question and ends_alike and common.startswith(heads[-1]) and all(map(heads[-1].startswith, heads)):
            return Shared(heads[-1], tuple(len(head) for head in heads[:-1]))
    delimiter = task.config.fewshot_delimiter
    at = common.rfind(delimiter) if delimiter else -1
    return Shared(common[: at + len(delimiter)]) if at >= 0 else Shared()


def _common(one: str, other: str) -> str:
    return one[: next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))]


def _first(text: str | list[str]) -> str:
    return text if isinstance(text, str) else text[0]


def instances(task: Any, doc: Any, doc_id: int, context: str | list[str], chat: bool) -> list[Any]:
    """One document's lm-eval instances, in the order in which `process_results` wants them."""
    metadata = (task.config.task, doc_id, task.config.repeats)
    made = task.construct_requests(
        doc=doc, ctx=context, metadata=metadata, apply_chat_template=chat, chat_template=None
    )
    return sorted(made if isinstance(made, list) else [made], key=lambda one: one.idx)


def requests(made: Sequence[Any], shared: Shared) -> Iterator[tuple[Request, list[int]]]:
    """Our requests, each with the indices of the instances that it answers.

    Neighbouring log-likelihoods of one context are one `Choice`. A generation is asked as often as the
    task repeats it; the log-likelihood of a text does not change, and is asked once."""
    for (kind, context), some in groupby(range(len(made)), lambda i: (made[i].request_type, made[i].args[0])):
        indices = list(some)
        if kind == "generate_until":
            for i in indices:
                for repeat in range(made[i].repeats):
                    yield generation(shared.prompt(context), made[i].args[1], repeat), [i]
        elif kind == "loglikelihood_rolling":
            for i in indices:
                yield Rolling(context), [i]
        elif len(indices) > 1:
            yield Choice(shared.prompt(context), tuple(made[i].args[1] for i in indices)), indices
        else:
            yield Loglikelihood(shared.prompt(context), made[indices[0]].args[1]), indices


def generation(prompt: Prompt, wanted: dict[str, Any], repeat: int = 0) -> Generate:
    """lm-eval's generation settings, read as its own backends read them (aliases, greedy by default)."""
    from lm_eval.models.utils import normalize_gen_kwargs

    kwargs: dict[str, Any] = dict(normalize_gen_kwargs(wanted))
    sampling = Sampling(seed=repeat)
    if kwargs["do_sample"] and float(kwargs.get("temperature", 0.0)) > 0:
        sampling = Sampling(float(kwargs["temperature"]), float(kwargs.get("top_p", 1.0)), seed=repeat)
    return Generate(prompt, tuple(stop for stop in kwargs["until"] if stop), kwargs["max_gen_toks"], sampling)


def answered(
    made: Sequence[Any], plan: Sequence[tuple[Request, list[int]]], responses: Sequence[Response]
) -> list[Any]:
    """Copies of the instances that hold the responses as lm-eval's evaluator leaves them there."""
    if len(plan) != len(responses):
        raise ValueError(f"{len(responses)} responses to {len(plan)} requests")
    out = [copy.copy(one) for one in made]
    for one in out:
        one.resps, one.filtered_resps = [], {}
    for (request, indices), response in zip(plan, responses, strict=True):
        for k, i in enumerate(indices):
            if isinstance(request, Generate):
                out[i].resps.append(response.text)
            elif isinstance(request, Rolling):
                out[i].resps += [response.logprobs[0]] * out[i].repeats
            else:
                out[i].resps += [(response.logprobs[k], response.greedy[k])] * out[i].repeats
    return out
