"""Conversations to train on, as a chat template writes them whole, and which of their characters the model learns.

A turn of the model's is learnt from where its generation prompt ends, as at inference, up to the end of what the
template writes of it, with the mark that ends a turn. A template that marks what is the model's (`{% generation %}`)
says so itself. Of another, the text up to a turn is the conversation before it with the generation prompt, and the end
of a message is where a secret word behind its content comes out. Either must agree with the conversation that the
template writes without such words; what cannot be told for sure is not trained.

Names of control tokens in a message are hidden while the template writes (`ControlTokens.hide`), so every one that
then stands in the text is the template's own.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Any

from data.instructions import Message
from harness.errors import HarnessError, UsageError
from harness.prompting.chat_templates import ChatTemplate, conversation, marks_answers
from harness.prompting.control_tokens import ControlTokens

_SPACE = re.compile(r"\s*")

Span = tuple[int, int]  # of characters: begin, end
_WHERE_ENDS = "it cannot be told where the template ends the model's turns"
_WHERE_BEGINS = "it cannot be told where the template begins the model's turns"


class NotWritten(Exception):
    """Why a conversation cannot be trained in a template: it refuses it, or hides what is the model's."""


@dataclass(frozen=True, slots=True)
class WrittenRow:
    text: str
    spans: tuple[Span, ...]  # of `text`: what is learnt
    marked: str  # `text` for ControlTokens.encode
    marked_spans: tuple[Span, ...]
    control: list[int]  # the control tokens that the template wrote
    has_names: bool  # of control tokens, in a message
    moved_system: bool = False  # the system text stands in the first question
    is_whole: bool = True  # every message stands in the text


class ChatRows:
    """Writes conversations in one model's chat template. `given` is what messages call the model.

    UsageError or ModelError where there is no template, or where it writes no conversation that can be trained."""

    def __init__(self, tokenizer: Any, given: str = "") -> None:
        self.template = ChatTemplate(tokenizer, given=given)
        self._is_marked = marks_answers(self.template.source)
        self._secret = secrets.token_hex(8)
        short = conversation(["x", "x"])
        written = [self.template.render(short[:1]), self.template.render(short, ask=False)]
        self.takes_system = self._takes_system()
        self.control = ControlTokens(tokenizer, "".join(written))
        self._openers = self._names_of_begin(written[0])
        self._require_spans()
        self.notes = (*_asked_otherwise(*written), *self._answered_otherwise())

    def write(self, messages: Sequence[Message]) -> WrittenRow:
        """NotWritten where the template does not take the conversation. What follows the model's last turn is left
        out: nothing of it is learnt."""
        last = max((at for at, message in enumerate(messages) if message.role == "assistant"), default=-1)
        if last < 0:
            raise NotWritten("no turn is the model's")
        plain = [{"role": message.role, "content": message.content} for message in messages[: last + 1]]
        moved = plain[0]["role"] == "system" and not self.takes_system
        if moved:
            plain = _system_in_question(plain)
        hidden = [{**message, "content": self.control.hide(message["content"])} for message in plain]
        try:
            text, own = self._marked(hidden) if self._is_marked else self._found(hidden)
        except HarnessError as error:
            raise NotWritten(f"the template refuses it ({_short(error.__cause__ or error)})") from error
        spans = self._with_end_marks(text, own)
        if not spans:
            raise NotWritten("the template marks nothing of it as the model's")
        row = WrittenRow(
            text,
            spans,
            text,
            spans,
            self.control.named(text),
            has_names=hidden != plain,
            moved_system=moved,
            is_whole=_is_whole(hidden, text, spans),
        )
        return self._in_marks(row)

    def _in_marks(self, row: WrittenRow) -> WrittenRow:
        """With the text and its spans as `ControlTokens.encode` takes them: piece by piece, so that spans are kept."""
        cuts = sorted({0, len(row.text), *(place for span in row.spans for place in span)})
        marked, places = "", {0: 0}
        for begin, end in pairwise(cuts):
            marked += self.control.mark(row.text[begin:end])
            places[end] = len(marked)
        return replace(row, marked=marked, marked_spans=tuple((places[a], places[b]) for a, b in row.spans))

    def _marked(self, hidden: Sequence[dict[str, str]]) -> tuple[str, list[Span]]:
        text, spans = self.template.render_marked(hidden)
        return text, [(begin, end) for begin, end in spans if begin < end]

    def _found(self, hidden: Sequence[dict[str, str]]) -> tuple[str, list[Span]]:
        """The text, and each of the model's turns without its end mark."""
        text = self.template.render(hidden, ask=False)
        ends = self._ends(hidden, text)
        spans: list[Span] = []
        for place, message in enumerate(hidden):
            if message["role"] == "assistant":
                spans.append((self._begin(hidden, place, text, ends, spans[-1][1] if spans else 0), ends[place]))
        return text, spans

    def _ends(self, hidden: Sequence[dict[str, str]], text: str) -> dict[int, int]:
        """Where in the text the messages' contents end; of the model's all, of others where it can be told."""
        for roles in (("system", "user", "assistant"), ("assistant",)):
            for strip in (False, True):
                words = {at: f"{self._secret}n{at}e" for at, m in enumerate(hidden) if m["role"] in roles}
                if (ends := self._ends_by(words, hidden, text, strip)) is not None:
                    return ends
        raise NotWritten(_WHERE_ENDS)

    def _ends_by(
        self, words: dict[int, str], hidden: Sequence[dict[str, str]], text: str, strip: bool
    ) -> dict[int, int] | None:
        """By these words behind the contents, which are stripped first for a template that strips them; None where it
        writes another text with them than without."""
        contents = [message["content"].rstrip() if strip else message["content"] for message in hidden]
        worded = [
            {**message, "content": content + words.get(at, "")}
            for at, (message, content) in enumerate(zip(hidden, contents, strict=True))
        ]
        with_words = self.template.render(worded, ask=False)
        places = {at: with_words.find(word) for at, word in words.items()}
        required = [at for at in words if hidden[at]["role"] == "assistant"]
        if any(places[at] < 0 for at in required):
            return None
        ends, taken = {}, 0
        for at in sorted((at for at in words if places[at] >= 0), key=places.__getitem__):
            ends[at] = places[at] - taken
            taken += len(words[at])
        without = re.sub("|".join(map(re.escape, words.values())), "", with_words)
        return ends if without == text else None

    def _begin(self, hidden: Sequence[dict[str, str]], place: int, text: str, ends: dict[int, int], least: int) -> int:
        """Where a turn of the model's begins: behind the generation prompt, or (where the template writes none of it in
        a turn that is done) behind as much of it as stands there."""
        end = ends[place]
        asked = self.template.render(hidden[:place]) if place else ""
        same = _same(asked, text[:end])
        before = ends.get(place - 1, len(asked)) if place else end + 1
        if same >= max(least, before):
            return same
        content = hidden[place]["content"].strip()
        if not text[:end].endswith(content) or end - len(content) < least:
            raise NotWritten(_WHERE_BEGINS)
        return end - len(content)

    def _with_end_marks(self, text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Each span up to the mark that ends the turn: the control tokens that follow, up to one that begins another
        turn, or the word that follows the last turn and this one."""
        if not spans:
            return ()
        word = re.match(r"\S*", text[spans[-1][1] :])[0]  # type: ignore[index]
        extended: list[Span] = []
        for (begin, end), (limit, _) in pairwise([*spans, (len(text), 0)]):
            after = end
            if not (self._is_marked and self._ends_in_control(text[begin:end])):
                after = self._behind_mark(text, end, spans[-1][1], word)
            extended.append((begin, after if after <= limit else end))
        return tuple(extended)

    def _behind_mark(self, text: str, end: int, last: int, word: str) -> int:
        """Where the mark of a turn that ends at `end` ends. `last` is where the last turn does, whose mark is plain."""
        own, of_last = self._control_run(text, end), self._control_run(text, last)
        if not own:
            return end + len(word) if word and not of_last and text.startswith(word, end) else end
        pairs = zip(own, of_last, strict=False)
        alike = len(list(takewhile(lambda pair: pair[0][0] == pair[1][0], pairs)))
        return own[max(0, alike - 1)][1]

    def _control_run(self, text: str, at: int) -> list[tuple[str, int]]:
        """The control tokens that follow, one directly behind the other, up to one that begins a turn; with the place
        behind each."""
        run: list[tuple[str, int]] = []
        place = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        while (name := self.control.name_at(text, place)) and name not in self._openers:
            place += len(name)
            run.append((name, place))
        return run

    def _ends_in_control(self, text: str) -> bool:
        names = self.control.in_text(text)
        return any(text.rstrip().endswith(name) for name in names)

    def _takes_system(self) -> bool:
        try:
            return self._secret in self.template.render(conversation(["x"], self._secret))
        except HarnessError:
            return False

    def _names_of_begin(self, text: str) -> frozenset[str]:
        """The control tokens that begin a turn, by those at the begin of a text. A BOS may be one of them."""
        at = _SPACE.match(text).end()  # type: ignore[union-attr]
        first = self.control.name_at(text, at)
        is_bos = first is not None and first == self.template.tokenizer.bos_token
        second = self.control.name_at(text, at + len(first)) if first and is_bos else None
        return frozenset(name for name in (first, second) if name)

    def _answered_otherwise(self) -> tuple[str, ...]:
        """That the template writes something before the last answer which it does not write before earlier ones."""
        try:
            row = self.write([Message("user", "x"), Message("assistant", "§")] * 2)
        except NotWritten:
            return ()
        texts = [row.text[begin:end] for begin, end in row.spans]
        first, *_, last = (text.partition("§")[0] for text in texts if "§" in text)
        if first == last:
            return ()
        return (
            f"The chat template begins a last answer with {last!r} and earlier ones with {first!r}; they are trained "
            "so.",
        )

    def _require_spans(self) -> None:
        """UsageError where not even a question and its answer can be trained."""
        try:
            if not self.write([Message("user", "x"), Message("assistant", "y")]).is_whole:
                raise NotWritten("it leaves out what is said")
        except NotWritten as reason:
            raise UsageError(
                f"The chat template of {self.template.given} cannot be trained in: {reason}. Give a template that "
                "marks the model's turns with {% generation %}, or train with the template alpaca or plain."
            ) from reason


def _short(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:200].rstrip(".")


def _same(a: str, b: str) -> int:
    """How many characters two texts begin with alike."""
    if b.startswith(a):
        return len(a)
    return next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))


def _asked_otherwise(asked: str, answered: str) -> tuple[str, ...]:
    """That the template asks with words which a turn that is done has not."""
    lost = asked[_same(asked, answered) :]
    if not lost:
        return ()
    return (
        f"The chat template asks with {lost!r} at the end and writes turns that are done without it: answers are "
        "trained without it.",
    )


def _system_in_question(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """With the system text before the first question, as users of templates without one write it."""
    system, rest = messages[0]["content"], list(messages[1:])
    if rest[0]["role"] != "user":
        return [{"role": "user", "content": system}, *rest]
    return [{**rest[0], "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]


def _is_whole(messages: Sequence[dict[str, str]], text: str, spans: Sequence[Span]) -> bool:
    """Whether every message stands in the text, and what the model says in what is learnt."""
    learnt = "\0".join(text[begin:end] for begin, end in spans)
    return all(
        message["content"].strip() in (learnt if message["role"] == "assistant" else text) for message in messages
    )
