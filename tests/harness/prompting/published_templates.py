"""Published chat templates (see templates/README.md) with small tokenizers that have their control tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.prompting.chat_rows import ChatRows
from harness.prompting.row_tokens import RowTemplate
from tests.models import make_tokenizer

FOLDER = Path(__file__).parent / "templates"
_CHATML = ("<|im_start|>", "<|im_end|>")


@dataclass(frozen=True, slots=True)
class Published:
    """`mark` ends a turn of the model's; `kind` is that of the tokenizer (tests/models.py)."""

    kind: str
    names: tuple[str, ...]
    mark: str
    strips: bool = False  # contents


PUBLISHED = {
    "chatml": Published("sentencepiece", _CHATML, "<|im_end|>"),
    "gemma": Published("sentencepiece", ("<start_of_turn>", "<end_of_turn>"), "<end_of_turn>", strips=True),
    "llama3": Published(
        "llama3", ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), "<|eot_id|>", strips=True
    ),
    "mistral": Published("sentencepiece", (), "</s>"),
    "phi3": Published(
        "sentencepiece", ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"), "<|end|>"
    ),
    "qwen2_5": Published("bytes", (*_CHATML, "<|endoftext|>"), "<|im_end|>"),
    "qwen3": Published("bytes", (*_CHATML, "<|endoftext|>"), "<|im_end|>"),
    "zephyr": Published("sentencepiece", (), "</s>"),
}
SMOLLM3 = Published("llama3", _CHATML, "<|im_end|>")


def read(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text("utf-8")


@cache
def tokenizer_of(name: str, kind: str | None = None) -> Any:
    """With the published template; its end token is the mark that ends a turn."""
    published = PUBLISHED.get(name, SMOLLM3)
    tokenizer = make_tokenizer(kind or published.kind)
    tokenizer.add_tokens(list(published.names), special_tokens=True)
    tokenizer.eos_token = published.mark
    tokenizer.chat_template = read(name)
    return tokenizer


@cache
def template_of(name: str, kind: str | None = None) -> RowTemplate:
    tokenizer = tokenizer_of(name, kind)
    return RowTemplate("chat", ChatRows(tokenizer, name), frozenset({tokenizer.eos_token_id}))
