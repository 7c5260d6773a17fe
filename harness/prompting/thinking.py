"""A reasoning model's thoughts: where they stand in a text, and the answer that follows them.

A thought stands between two tags. Its opening tag may be missing, because the chat template ends with it; its closing
tag is missing where the model was still thinking, and then there is no answer. As in lm-eval
(lm_eval/models/utils.py, `postprocess_generated_text`), the answer is what follows the last thought, white space that
leads it is no part of it, and stop strings count in the answer alone. Unlike lm-eval, a closing tag in the answer is
text: a thought has one end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.prompting.stops import Marked
from harness.types import Choice, Generate, Loglikelihood, Prompt, Request

if TYPE_CHECKING:
    from harness.prompting.tokens import Encoder

VERSION = "2"  # changes whenever a text may come out differently for the same tokens; part of a run's identity

UNFINISHED = "the thought never ends, which is no answer"
SCORED = "a thought is scored as a part of the answer, and stops count in it: --strip-thinking leaves thoughts out"
CUT_OFF = "cut off without a think tag: if this is an unfinished thought, only --tokenizer FOLDER can tell"
IN_THOUGHT = (
    "the chat template opens a thought, and options of multiple choice are weighed as its first words: take tasks that "
    "generate, or a template that does not"
)

_NAME = r"(?:[a-z]+[:_])?(?:think|thinking|thoughts?|reasoning)"  # <seed:think>, <longcat_think> too
_FIXED = {  # Sky-T1, Command A, Kimi-VL, Apertus, MedGemma, Gemma 4
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "◁think▷": "◁/think▷",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<unused94>": "<unused95>",
    "<|channel>thought": "<channel|>",
}
_CLOSES = frozenset(_FIXED.values())
_HARMONY = "<|end|>"  # gpt-oss: messages in channels, of which `final` is the answer
_TAG = re.compile(
    rf"<(?P<name>{_NAME})\s*>|</(?P<end_name>{_NAME})\s*>|\[(?P<bracket>/?)THINK\]"
    rf"|(?P<fixed>{'|'.join(map(re.escape, _FIXED))})|(?P<end_fixed>{'|'.join(map(re.escape, _CLOSES))})"
    r"|(?P<channel>(?:<\|start\|>assistant)?<\|channel\|>\s*(?:analysis|commentary)(?:[^<]|<\|constrain\|>)*<\|message\|>)"
    r"|(?P<final>(?:<\|start\|>assistant)?<\|channel\|>\s*final[^<]*<\|message\|>)|(?P<end_channel><\|(?:end|call)\|>)",
    re.IGNORECASE,
)
_PART_OF_TAG = re.compile(
    r"(?:[<\[◁][^<>\[\]▷\n]{0,60}|<\|channel>\w{0,7}|<\|(?:start|channel)\|>[^<]{0,60}(?:<[^<]{0,30}){0,2})\Z"
)
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)+|[^\S\n]+")
_QUOTES = "`\"'"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text is. The answer is text[begin:end]."""

    begin: int
    end: int
    thought: bool = False  # there is one, finished or not
    unfinished: bool = False  # it is all thought: no answer
    stopped: bool = False  # the answer ends before a stop string
    undecided: bool = False  # of a text that goes on: whether a stop counts depends on what comes


@dataclass(frozen=True, slots=True)
class StoredText:
    """A generated text as it is stored: the thoughts with their tags, the answer without its stop string."""

    text: str
    stopped: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tag:
    begin: int
    end: int
    kind: str  # the closing tag that belongs to it
    closes: bool
    quoted: bool  # speaks of a tag, and is none

    @property
    def closes_alone(self) -> bool:
        """May it close a thought that the text does not open? Phi ends its turns with what ends gpt-oss's thoughts."""
        return self.closes and not self.quoted and self.kind != _HARMONY


def _tags(text: str) -> Iterator[_Tag]:
    for match in _TAG.finditer(text):
        before, after = text[: match.start()][-1:], text[match.end() : match.end() + 1]
        which = match.lastgroup or ""
        closes = which in ("end_name", "end_fixed", "end_channel", "final") or match["bracket"] == "/"
        quoted = bool(before) and before in _QUOTES and (after == before or not closes)
        word = match[0].lower()
        if which in ("name", "end_name"):
            kind = match[which].lower()
        elif which in ("channel", "end_channel"):
            kind = _HARMONY
        else:
            kind = _FIXED.get(word, word) if which != "bracket" else "[THINK]"
        yield _Tag(match.start(), match.end(), kind, closes, quoted)


def _ends(tag: _Tag, kind: str) -> bool:
    """Whether a tag closes a thought of this kind."""
    is_final = tag.kind not in _CLOSES and tag.kind.endswith("<|message|>")
    return tag.closes and not tag.quoted and (tag.kind == kind or (is_final and kind == _HARMONY))


def opened(prompt: str) -> str:
    """The tag of a thought that a prompt (the chat template) leaves open for the model; "" where there is none."""
    end = prompt[-300:].rstrip()
    last = max(_tags(end), key=lambda tag: tag.end, default=None)
    if last is None or last.closes or last.quoted or last.end < len(end):
        return ""
    return end[last.begin : last.end]


def read(marked: Marked, stop: Sequence[str] = (), opened: str = "", ended: bool = True) -> Reading:
    """Where the answer is in a text. `opened`: the tag of a thought that it begins in; `ended`: no more text comes."""
    return _Reader(marked, stop, ended).read(opened)


class _Reader:
    def __init__(self, marked: Marked, stop: Sequence[str], ended: bool) -> None:
        self.marked, self.text, self.stop, self.ended = marked, marked.text, stop, ended
        self.begin = 0  # of the piece of text that no thought is in
        self.thoughts = 0  # that are closed

    def read(self, opened: str) -> Reading:
        opening = next(_tags(opened), None) if opened else None
        kind, depth, since, closed_at = (opening.kind if opening else ""), int(opening is not None), 0, -1
        earlier: list[Reading] = []  # pieces before a thought
        mentioned = False
        for tag in _tags(self.text):
            if depth:
                if _ends(tag, kind):
                    depth, closed_at = depth - 1, tag.end
                    if not depth:
                        self.begin, self.thoughts = tag.end, self.thoughts + 1
                elif tag.kind == kind and not tag.closes and not tag.quoted and self.text[since : tag.begin].strip():
                    depth += kind != _HARMONY  # without words before it, it is the template's tag said again
            elif not tag.closes:
                mentioned = mentioned or tag.quoted
                if tag.quoted:
                    continue
                piece = self._piece(tag.begin)
                if piece is not None:
                    if piece.stopped:
                        return piece
                    earlier.append(piece)
                kind, depth, since, closed_at = tag.kind, 1, tag.end, -1
            elif self.thoughts and not self.text[self.begin : tag.begin].strip():
                self.begin = tag.end  # closed twice, or a header between the thought and the answer
            elif tag.closes_alone and not self.thoughts and not mentioned:
                self.begin, self.thoughts = tag.end, 1
        if depth and (closed_at < 0 or not self.ended):
            return Reading(len(self.text), len(self.text), thought=True, unfinished=True)
        if depth:  # a thought that speaks of opening tags: its last end is the end
            self.begin, self.thoughts = closed_at, self.thoughts + 1
        last = self._piece(len(self.text))
        if last is not None:
            return last
        if earlier and self.ended:
            return earlier[-1]
        return Reading(len(self.text), len(self.text), thought=self.thoughts > 0)

    def _piece(self, end: int) -> Reading | None:
        """The piece that ends here, up to its first stop; None where it is blank and beside a thought."""
        begin, last = self.begin, end == len(self.text)
        visible = self.marked.visible(begin, end)
        counts = visible if self.thoughts or not last else begin  # from here on a stop counts
        at = self.marked.first_stop(self.stop, begin, end, counts)
        if at < 0 and visible == end and (self.thoughts or not last):
            return None
        undecided = False
        if at >= 0 and last and not self.ended:
            part = _PART_OF_TAG.search(self.text, begin)
            is_blank = visible == end and not self.thoughts and not self.marked.marks
            undecided = is_blank or (
                part is not None and (part.start() <= at or not self.text[begin : part.start()].strip())
            )
        if undecided:
            return Reading(begin, end, self.thoughts > 0, undecided=True)
        cut = end if at < 0 else at
        if self.thoughts and (lead := _BLANK_LINES.match(self.text, begin, max(begin, cut))):
            begin = lead.end()  # the first line keeps its indentation: it may be a program's
        return Reading(begin, cut, self.thoughts > 0, stopped=at >= 0)


def answer_of(text: str) -> str:
    """The answer of a stored text; "" where its thought never ends. A text without thoughts is its own answer."""
    reading = read(Marked(text))
    return text[reading.begin : reading.end]


def is_unfinished(text: str) -> bool:
    """Whether a stored text is all thought."""
    return read(Marked(text)).unfinished


def has_thought(text: str) -> bool:
    return read(Marked(text)).thought


def stored_text(marked: Marked, request: Generate, opened: str = "") -> StoredText:
    """A generated text as it is stored. `opened` as in `read`; the tag is put before the text that it begins."""
    if not request.after_thinking:
        at = marked.first_stop(request.stop, 0, len(marked.text), 0)
        warnings = (SCORED,) if opened or read(marked).thought else ()
        return StoredText(marked.without_marks(None if at < 0 else at), at >= 0, warnings)
    reading = read(marked, request.stop, opened)
    tags = [(tag.begin, tag.end) for tag in _tags(marked.text)]
    text = opened + marked.without_marks(reading.end, tags)
    return StoredText(text, reading.stopped, (UNFINISHED,) if reading.unfinished else ())


def warn_of_options(requests: Sequence[Request], encoder: Encoder, warnings: list[str]) -> None:
    """Add the warning that options are weighed inside a thought that the chat template opens, where they are."""
    if IN_THOUGHT in warnings or not encoder.chat or not any(isinstance(r, Choice | Loglikelihood) for r in requests):
        return
    if opened("".join(encoder.render(Prompt("", "?")))):
        warnings.append(IN_THOUGHT)
