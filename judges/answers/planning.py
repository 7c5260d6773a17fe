"""What a checkpoint is asked to answer, and how: decided before it is loaded, with the identity of the answers.

Sampling is FastChat's (lm-sys/FastChat, llm_judge/common.py, `temperature_config`): a temperature by category, 0.7
where none is named, at most 1,024 tokens. The preset `paper` is the human arm of arXiv 2312.00949: some of the Vicuna
prompts, the Alpaca template, temperature 0.9, top_p 0.9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.prompts import Prompt, PromptSet
from harness.evaluation import identity
from harness.evaluation.planning import find_model
from harness.options import BackendSettings, ResolvedModel
from harness.prompting import prompt_options, thinking
from judges.answers import templates
from judges.answers.options import AnswerOptions

VERSION = "1"  # changes whenever prompts or what is kept of an answer change
FASTCHAT = {  # temperature by category; 0.7 for all others
    **dict.fromkeys(("extraction", "math", "coding", "reasoning"), 0.0),
    **dict.fromkeys(("stem", "humanities"), 0.1),
}
PAPER_PROMPTS = 30  # arXiv 2312.00949 has 29 or 30; which ones is not said


@dataclass(frozen=True, slots=True)
class Plan:
    options: AnswerOptions
    model: ResolvedModel
    settings: BackendSettings
    prompts: PromptSet
    chosen: Sequence[Prompt]
    template: str
    temperatures: Mapping[str, float]
    top_p: float
    identity: str
    command: str = ""  # what made the answers

    @property
    def asked(self) -> int:
        return sum(len(prompt.turns) for prompt in self.chosen)


def make_plan(options: AnswerOptions, prompts: PromptSet) -> Plan:
    paper = options.preset == "paper"
    settings = BackendSettings(
        **{name: getattr(options, name) for name in ("chat_template", "date", "add_bos", "served_name")}
    )
    checkpoint, device, dtype = find_model(options, settings)
    template = templates.choose(options.template or ("alpaca" if paper else "auto"), checkpoint)
    settings = settings.replace(chat=template == "chat")  # the backend writes the conversation
    prompt_options.check(settings, checkpoint.kind == "served")
    settings = prompt_options.pinned(settings, checkpoint)
    chosen = _chosen(prompts, options.sample or (PAPER_PROMPTS if paper else None))
    temperatures = {
        prompt.category: (0.9 if paper else FASTCHAT.get(prompt.category, 0.7))
        if options.temperature is None
        else options.temperature
        for prompt in chosen
    }
    top_p = options.top_p if options.top_p is not None else 0.9 if paper else 1.0
    content = {
        "version": VERSION,
        "model": checkpoint.digest,
        "dtype": dtype,
        "four_bit": options.load_in_4bit,
        "prompts": prompts.digest,
        "asked": [prompt.id for prompt in chosen],
        "template": template,
        "temperatures": temperatures,
        "top_p": top_p,
        "max_new_tokens": options.max_new_tokens,
        "strip_thinking": options.strip_thinking,
        "seed": options.seed,
        **prompt_options.content(settings),
    }
    if options.strip_thinking:
        content["texts"] = thinking.VERSION
    address = options.model if checkpoint.kind == "served" else ""
    model = ResolvedModel(checkpoint, device, dtype, options.load_in_4bit, address)
    return Plan(options, model, settings, prompts, chosen, template, temperatures, top_p, identity.digest(content))


def _chosen(prompts: PromptSet, sample: int | None) -> tuple[Prompt, ...]:
    """All, or `sample` of them by a lot that depends on the prompt set alone: every model gets the same ones."""
    if sample is None or sample >= len(prompts.prompts):
        return prompts.prompts
    lots = {p.id: hashlib.sha256(f"{prompts.digest}\0{p.id}".encode()).digest() for p in prompts.prompts}
    drawn = set(sorted(lots, key=lots.__getitem__)[:sample])
    return tuple(prompt for prompt in prompts.prompts if prompt.id in drawn)
