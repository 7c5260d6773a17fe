"""A model that was trained with a BOS before every text, and a tokenizer that puts none there.

Scores of such a model fall far below what it can do (Gemma's most: lm-eval used to add Gemma's BOS by itself for that
reason, and has the argument `add_bos_token`). A wrong BOS harms the other families little less, so nothing is added
unasked: a warning names the option --add-bos.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.options import OptionError

# Whose published tokenizers add BOS, whatever its name is
_ALWAYS = ("gemma", "cohere", "llama4", "jamba", "lfm2")
# Whose published tokenizers do too, where their BOS is of their own kind: others use these classes with GPT-2's
# vocabulary (SmolLM, Granite, Yi), and add none.
_WITH_OWN_BOS = ("llama", "mistral", "mixtral", "ministral", "mllama", "deepseek_v2", "deepseek_v3", "minicpm")
_OWN_BOS = ("<s>", "<|begin_of_text|>", "<｜begin▁of▁sentence｜>")


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts its BOS before a text by itself."""
    bos = tokenizer.bos_token_id
    return bos is not None and tokenizer.backend_tokenizer.encode("a", add_special_tokens=True).ids[:1] == [bos]


def add_bos(tokenizer: Any, given: str) -> None:
    """From now on the tokenizer puts one BOS before a text. OptionError where it has none."""
    from tokenizers import processors

    if adds_bos(tokenizer):
        return
    if tokenizer.bos_token_id is None:
        raise OptionError("add_bos", True, f": the tokenizer of {given} has no BOS token.")
    bos = tokenizer.bos_token
    own = processors.TemplateProcessing(
        single=[bos, "$A"], pair=[bos, "$A", "$B"], special_tokens=[(bos, tokenizer.bos_token_id)]
    )
    fast = tokenizer.backend_tokenizer
    fast.post_processor = own if fast.post_processor is None else processors.Sequence([fast.post_processor, own])


def warnings(tokenizer: Any, folder: Path, first: int | None = None) -> list[str]:
    """That the model in `folder` (its config.json) wants a BOS, and that neither its tokenizer nor its chat template
    (`first` is the first token of what that writes) puts one there.

    Judged by the model's family, its tokenizer's BOS, and the config's. Families that are trained without (Qwen,
    GPT-2, GPT-NeoX, …) have none, or one that is their end token."""
    bos = tokenizer.bos_token_id
    if bos is None or bos in (tokenizer.eos_token_id, first) or adds_bos(tokenizer):
        return []
    family = _family(folder, tokenizer.bos_token, bos)
    if family is None:
        return []
    return [
        f"no BOS ({tokenizer.bos_token}) is put before a text: the tokenizer adds none, and {family} models are "
        "trained with one. --add-bos adds it"
    ]


def _family(folder: Path, name: str, bos: int) -> str | None:
    """The model's family, where that one is trained with BOS."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    inner = config.get("text_config")
    text: dict[str, Any] = inner if isinstance(inner, dict) else {}
    family = str(config.get("model_type") or text.get("model_type") or "")
    if family.startswith(_ALWAYS) or "gemma" in family:
        return family
    of_config = config.get("bos_token_id", text.get("bos_token_id"))
    return family if family in _WITH_OWN_BOS and name in _OWN_BOS and of_config in (None, bos) else None
