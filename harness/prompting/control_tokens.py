"""Control tokens (BOS, end of turn, …) and text that looks like them.

A tokenizer reads `</s>` as its end token wherever it stands. In rows, prompts and answers it is text: HTML's end of
<s>, or an answer that quotes a chat format. So what comes from data is tokenised by a copy of the tokenizer in which
the control tokens have secret names. A chat template's own control tokens are put under these names first, and one
pass over the whole text gives what the tokenizer itself gives for text without such words: the same normalising, the
same splits, the same merges.

Control tokens are those that the tokenizer marks as special, and those that a chat template puts around turns. Others
that were added (Qwen's <tool_call>, <think>, <|fim_prefix|>) are words of the model's language and stay what they are.
The copy is made when the first such text is met; most runs meet none.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_MARK = re.compile(r"[<\[{|].{2,}[>\]}|]")  # what a mark around turns looks like; Gemma's tokens of line ends are none
THOUGHT = frozenset(f"{mark}{name}>" for mark in ("<", "</") for name in ("think", "thinking", "thought", "reasoning"))


class ControlTokens:
    """The control tokens of one tokenizer. `turns` is a text that its chat template wrote, if one is used."""

    def __init__(self, tokenizer: Any, turns: str = "") -> None:
        self._fast: Tokenizer = tokenizer.backend_tokenizer
        model = self._fast.model
        self._is_bpe = type(model).__name__ == "BPE"
        added = self._fast.get_added_tokens_decoder()
        special = set(tokenizer.all_special_tokens)
        self.names: dict[str, int] = {
            token.content: number
            for number, token in added.items()
            if (
                token.special or token.content in special or (token.content in turns and _MARK.fullmatch(token.content))
            )
            and token.content not in THOUGHT
            and not self._is_plain(token.content, number)
        }
        unknown = getattr(model, "unk_token", None) or tokenizer.unk_token
        ends = {tokenizer.bos_token, tokenizer.eos_token}
        # what no token covers becomes this one: it is no sign of control text
        self._unknown = unknown if unknown in self.names and unknown not in ends else None
        self.ids = frozenset(number for name, number in self.names.items() if name != self._unknown)
        # what the tokenizer puts around any text by itself
        self.added = self.of(self._fast.encode("a", add_special_tokens=True).ids)
        self._secret = secrets.token_hex(8)
        self.longest = max(map(len, self.names), default=0)  # characters of the longest name
        self._name = re.compile("|".join(map(re.escape, sorted(self.names, key=len, reverse=True))) or r"(?!)")

    def of(self, ids: Iterable[int]) -> list[int]:
        """The control tokens among ids, in their order."""
        control = self.ids
        return [token for token in ids if token in control]

    def in_text(self, text: str) -> list[str]:
        """The words of a text that are control tokens' names, each once."""
        return list(dict.fromkeys(self._name.findall(text)))

    def name_at(self, text: str, at: int) -> str | None:
        """The control token's name that begins at a place of a text."""
        name = self._name.match(text, at)
        return name and name[0]

    def count(self, text: str) -> int:
        """How many control tokens' names stand in a text."""
        return len(self._name.findall(text))

    def named(self, text: str) -> list[int]:
        """The control tokens whose names stand in a text of our own making, in their order."""
        return [self.names[name] for name in self._name.findall(text) if name != self._unknown]

    def misread(self, text: str, ids: Sequence[int], expected: Sequence[int]) -> bool:
        """Whether ids, of a text whose own control tokens are `expected`, have others, which data put there."""
        return self.of(ids) != list(expected) or (self._unknown is not None and self._unknown in text)

    def hide(self, text: str) -> str:
        """Text from data, with a place holder for each control token's name: a chat template passes it on as it is."""
        return self._name.sub(lambda name: f"<{self._secret}t{self.names[name[0]]}>", text)

    def mark(self, text: str) -> str:
        """A text of our own making (a template's) for `encode`: its control tokens under their secret names, and what
        `hide` hid as the text it was."""
        marked = self._name.sub(lambda name: self._secret_name(self.names[name[0]]), text)
        numbers = {number: name for name, number in self.names.items()}
        return re.sub(f"<{self._secret}t(\\d+)>", lambda hidden: numbers[int(hidden[1])], marked)

    def begins_with(self, marked: str, token: int | None) -> bool:
        return token is not None and marked.startswith(self._secret_name(token))

    def encode(self, marked: str, add_special_tokens: bool = True) -> Encoding:
        """Tokens and offsets of a text in which only what `mark` marked is a control token."""
        return self._blind.encode(marked, add_special_tokens=add_special_tokens)

    def _secret_name(self, token: int) -> str:
        return f"<{self._secret}c{token}>"

    def _is_plain(self, name: str, number: int) -> bool:
        """Whether text gives this token without being read as control (a padding token "!"): it cannot be told apart
        then. A BPE's own merges say so; other models look the whole word up, which `_blind` prevents."""
        if len(name) == 1:
            return True
        if not self._is_bpe or getattr(self._fast.model, "ignore_merges", False):
            return False
        before = self._fast.encode_special_tokens
        self._fast.encode_special_tokens = True
        try:
            return self._fast.encode(name, add_special_tokens=False).ids == [number] and not _is_added(self._fast, name)
        finally:
            self._fast.encode_special_tokens = before

    @cached_property
    def _blind(self) -> Tokenizer:
        """The tokenizer with its control tokens under secret names, which no text has."""
        from tokenizers import Tokenizer

        state = json.loads(self._fast.to_str())
        renamed = {name: self._secret_name(number) for name, number in self.names.items()}
        for entry in state["added_tokens"]:
            entry["content"] = renamed.get(entry["content"], entry["content"])
        model = state["model"]
        vocabulary = model["vocab"]
        if isinstance(vocabulary, dict):
            model["vocab"] = {renamed.get(word, word): number for word, number in vocabulary.items()}
        else:  # Unigram: pairs of a word and its score
            model["vocab"] = [[renamed.get(word, word), score] for word, score in vocabulary]
        if model.get("unk_token") in renamed:
            model["unk_token"] = renamed[model["unk_token"]]
        if "merges" in model:
            parts = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
            model["merges"] = [pair for pair in parts if not renamed.keys() & {*pair, "".join(pair)}]
        blind = Tokenizer.from_str(json.dumps(state, ensure_ascii=False))
        wrong = [name for name, number in self.names.items() if blind.token_to_id(renamed[name]) != number]
        assert not wrong, f"control tokens have moved: {wrong}"
        return blind


def _is_added(fast: Tokenizer, name: str) -> bool:
    """Whether an added token that is not special: it is found in any text."""
    return any(token.content == name and not token.special for token in fast.get_added_tokens_decoder().values())
