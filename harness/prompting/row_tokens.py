"""Rows to train on as tokens of one tokenizer, with those that the model learns.

A row's text is tokenised whole, as at inference a response continues its prompt; what is learnt begins with the first
token that reaches into it. Names of control tokens in a row are text, and tokenised as text
(harness/prompting/control_tokens.py): the one BOS is the tokenizer's or the chat template's, end tokens are those that
the chat template writes and the one behind the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data.instructions import Instruction, messages_of, prompt_of, response_of
from harness.prompting.chat_rows import ChatRows, NotWritten, Span
from harness.prompting.control_tokens import ControlTokens
from harness.prompting.turn_words import turns_of, written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_TOKENS = 512  # where nobody says otherwise


@dataclass(frozen=True, slots=True)
class Tokens:
    ids: tuple[int, ...]  # () where the chat template does not take the row
    spans: tuple[tuple[int, int], ...]  # begin and end of what is learnt; () where no part of it fitted

    @property
    def responses(self) -> int:
        """How many tokens are learnt."""
        return sum(end - begin for begin, end in self.spans)

    @property
    def learnt(self) -> Iterator[int]:
        """The places of the tokens that are learnt."""
        return (place for begin, end in self.spans for place in range(begin, end))

    def within(self, most: int) -> Tokens:
        """Cut at so many tokens."""
        kept = ((begin, min(end, most)) for begin, end in self.spans)
        return Tokens(self.ids[:most], tuple((begin, end) for begin, end in kept if begin < end))


@dataclass(frozen=True, slots=True)
class RowTemplate:
    """How rows are written: alpaca, plain, or chat. `ends` are the tokens that end an answer of the model."""

    name: str = "alpaca"
    chat: ChatRows | None = None
    ends: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


ALPACA = RowTemplate()


@dataclass(frozen=True, slots=True)
class _Text:
    """A row's text, to be tokenised."""

    text: str
    spans: tuple[Span, ...]
    marked: str  # for ControlTokens.encode
    marked_spans: tuple[Span, ...]
    control: list[int]  # that stand in the text; those that the tokenizer adds not counted
    has_names: bool = False
    is_chat: bool = False


@dataclass(slots=True)
class _Counts:
    cut: int = 0
    as_text: int = 0
    moved: int = 0
    in_part: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # of rows that are not written


def encode(
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Instruction],
    max_tokens: int,
    template: RowTemplate = ALPACA,
) -> tuple[list[Tokens], list[str]]:
    """Each row in the template with its end token, cut at `max_tokens`, and warnings."""
    if not rows:
        return [], []
    control = template.chat.control if template.chat else ControlTokens(tokenizer)
    counts = _Counts()
    texts = [_text(row, template, counts) for row in rows]
    eos = tokenizer.eos_token_id
    encoded = []
    for text, ids, offsets in _tokenised(tokenizer, control, texts, counts):
        if text is None:
            encoded.append(Tokens((), ()))
            continue
        whole, spans = _with_end(ids, _token_spans(text, offsets), text.is_chat, eos, template.ends)
        counts.cut += len(whole) > max_tokens
        predicted = tuple((max(1, begin), end) for begin, end in spans)  # nothing comes before the first token
        encoded.append(Tokens(tuple(whole), predicted).within(max_tokens))
    return encoded, _warnings(encoded, counts, max_tokens, eos is not None)


def _text(row: Instruction, template: RowTemplate, counts: _Counts) -> _Text | None:
    """None where the chat template does not take it."""
    if row.is_text:
        return _own(row.output, ((0, len(row.output)),))
    if template.chat is not None:
        try:
            chat = template.chat.write(messages_of(row))
        except NotWritten as reason:
            counts.reasons[str(reason)] += 1
            return None
        counts.moved += chat.moved_system
        counts.in_part += not chat.is_whole
        return _Text(chat.text, chat.spans, chat.marked, chat.marked_spans, chat.control, chat.has_names, is_chat=True)
    if template.name == "alpaca" and not row.messages:
        pieces = [(prompt_of(row), False), (response_of(row), True)]
    else:
        pieces = written(template.name, turns_of(messages_of(row)))
    text, spans = "", []
    for piece, is_response in pieces:
        if is_response:
            spans.append((len(text), len(text) + len(piece)))
        text += piece
    return _own(text, tuple(spans))


def _own(text: str, spans: tuple[Span, ...]) -> _Text:
    """A text without control tokens of a template's."""
    return _Text(text, spans, text, spans, [])


def _tokenised(
    tokenizer: PreTrainedTokenizerBase, control: ControlTokens, texts: Sequence[_Text | None], counts: _Counts
) -> Iterator[tuple[_Text | None, list[int], list[Span]]]:
    """Each text with its ids and their offsets, in which the texts' spans are."""
    bos = tokenizer.bos_token
    brings_bos = [bool(text and text.is_chat and bos and text.text.startswith(bos)) for text in texts]
    plain: dict[int, tuple[list[int], list[Span]]] = {}
    for brings in (False, True):
        chosen = [at for at, text in enumerate(texts) if text and brings_bos[at] is brings]
        if chosen:
            made = tokenizer(
                [texts[at].text for at in chosen],  # type: ignore[union-attr]
                return_offsets_mapping=True,
                add_special_tokens=not brings,
            )
            plain |= zip(chosen, zip(made["input_ids"], made["offset_mapping"], strict=True), strict=True)
    for at, text in enumerate(texts):
        if text is None:
            yield None, [], []
            continue
        ids, offsets = plain[at]
        added = [] if brings_bos[at] else control.added
        if text.has_names or control.misread(text.text, ids, [*added, *text.control]):
            again = control.encode(text.marked, not brings_bos[at])
            counts.as_text += not text.is_chat or again.ids != ids
            yield _Text(text.marked, text.marked_spans, "", (), [], is_chat=text.is_chat), again.ids, again.offsets
        else:
            yield text, ids, offsets


def _token_spans(text: _Text, offsets: Sequence[Span]) -> list[tuple[int, int]]:
    """The tokens that reach into each span. Those that the tokenizer adds have no characters and are in none."""
    spans, at = [], 0
    for begin, end in text.spans:
        first = next((place for place in range(at, len(offsets)) if offsets[place][1] > begin), len(offsets))
        at = next((n for n in range(first, len(offsets)) if offsets[n][0] >= end or not offsets[n][1]), len(offsets))
        spans.append((first, at))
    return spans


def _with_end(
    ids: Sequence[int], spans: list[tuple[int, int]], is_chat: bool, eos: int | None, ends: frozenset[int]
) -> tuple[list[int], list[tuple[int, int]]]:
    """With the end token behind the last response, and learnt. A chat template's own end of a turn is one where the
    model ends its answers with it; else the end token follows it, in place of what the template writes there."""
    ids = list(ids)
    if not is_chat:
        whole = ids if eos is None or ids[-1:] == [eos] else [*ids, eos]
        return whole, [*spans[:-1], (spans[-1][0], len(whole))] if spans else spans
    begin, end = spans[-1]
    if eos is None or (ends | {eos}) & set(ids[begin:end]):  # what the row itself says has none
        return ids, spans
    return [*ids[:end], eos], [*spans[:-1], (begin, end + 1)]


def _warnings(rows: Sequence[Tokens], counts: _Counts, max_tokens: int, has_eos: bool) -> list[str]:
    count = len(rows)
    warnings = []
    if counts.cut:
        warnings.append(f"{counts.cut} of {count} rows are longer than {max_tokens} tokens and are cut there.")
    if empty := sum(not row.responses and bool(row.ids) for row in rows):
        warnings.append(f"Of {empty} of {count} rows no response token is left; they count for nothing.")
    for reason, refused in counts.reasons.most_common():
        warnings.append(f"{refused} of {count} rows cannot be written and count for nothing: {reason.rstrip('.')}.")
    if counts.in_part:
        warnings.append(
            f"Of {counts.in_part} of {count} rows the chat template leaves out some text (earlier thoughts, for "
            "instance); what it leaves out is not trained."
        )
    if counts.moved:
        warnings.append(
            f"The chat template takes no system text: in {counts.moved} of {count} rows it stands before the first "
            "question."
        )
    if counts.as_text:
        warnings.append(
            f"{counts.as_text} of {count} rows have names of control tokens in their text; they are trained as text."
        )
    if not has_eos:
        warnings.append("The tokenizer has no end token; responses end without one.")
    return warnings
