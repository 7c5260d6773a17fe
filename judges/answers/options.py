"""What `harness answer` takes."""

from __future__ import annotations

from harness.options.declaration import option
from harness.options.run_options import LARGEST_SEED, ModelSpec, PromptSettings, ServedModel, Stored

MODELS, ASK, KEEP = "Models", "Questions", "Store"
PRESETS = ("fastchat", "paper")
TEMPLATES = ("auto", "chat", "alpaca", "plain")


class AnswerOptions(ModelSpec, PromptSettings, ServedModel, Stored):
    """How one checkpoint answers a prompt set. None: as the preset has it."""

    model: str = option(
        ...,
        "A checkpoint, an adapter, tiny, or a server's address.",
        panel=MODELS,
        allowed="a folder, a hub id, tiny, or a server's address",
    )
    base: str | None = option(None, "The base of a LoRA adapter.", panel=MODELS, allowed="a folder or a hub id")
    revision: str | None = option(None, "A hub model's revision.", panel=MODELS, allowed="a hub model's revision")
    trust_remote_code: bool = option(False, "Run code that the checkpoint brings.", panel=MODELS)
    served_name: str | None = option(None, "Of a server's model.", panel=MODELS)
    prompts: str | None = option(
        None,
        "A folder with question.jsonl, such a file, sample, or hub.",
        panel=ASK,
        allowed="a folder, a file, sample or hub",
    )
    preset: str = option("fastchat", "fastchat, or paper (arXiv 2312.00949).", panel=ASK, choices=PRESETS)
    template: str | None = option(
        None, "chat, alpaca, plain; auto is chat where there is one.", panel=ASK, choices=TEMPLATES
    )
    sample: int | None = option(
        None,
        "So many prompts only; the same ones each time (with the preset paper 30 where not given).",
        panel=ASK,
        ge=1,
    )
    temperature: float | None = option(None, "For all (by category where not given); 0 is greedy.", panel=ASK, ge=0)
    top_p: float | None = option(None, "Nucleus sampling.", panel=ASK, gt=0, le=1)
    max_new_tokens: int = option(1024, "Of each answer.", panel=ASK, ge=1)
    strip_thinking: bool = option(False, "Keep what follows a model's thoughts (</think>).", panel=ASK)
    seed: int = option(0, "Of sampled answers.", panel=ASK, ge=0, le=LARGEST_SEED)
    name: str | None = option(None, "What rankings call it.", panel=KEEP, allowed="a name that is not empty")
    configuration: str | None = option(
        None,
        "What this is a training of: a ranking has all its trainings as one.",
        panel=KEEP,
        allowed="a name that is not empty",
    )
    fresh: bool = option(False, "Start over instead of going on.", panel=KEEP)
