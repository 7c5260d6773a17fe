"""From prompts to token ids: a shared prompt is tokenised once, own parts in one batched call.

Ids are exactly those of tokenising the whole text. A tokenizer may merge across the boundary of two
texts, so what is put together is checked, never assumed: the shared text's last line is tokenised
again in front of each own part, and the two id sequences are joined at a token that both have at the
same character. For BPE this is proof: a sequence is valid if each adjacent pair is valid (every merge
is local), and each pair of the joined sequence stands in one of the two. Where no such token is found
the whole text is tokenised.

Control tokens are what the tokenizer (its BOS) and the chat template put there. The names of such tokens inside of
what a task asks are text, and tokenised as text (harness/prompting/control_tokens.py), with a warning on the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import HarnessError
from harness.prompting.chat_templates import ChatTemplate
from harness.prompting.chat_templates import conversation as conversation_of
from harness.prompting.control_tokens import ControlTokens
from harness.types import Prompt

TAIL = 5  # tokens of the shared text, at least, from the joint on
LEAD = 2  # of these, the ones that must agree
PROMPT_CUT = "tokens of the prompt are cut off"  # in the warning on such an answer


@dataclass(slots=True)
class Encoded:
    text: str  # as tokenised, chat template included
    ids: list[int]
    warnings: tuple[str, ...] = ()
    marked: str | None = None  # the text for ControlTokens.encode, where control tokens' names stand in it as text


def conversation(prompt: Prompt, shared: str, system: str | None) -> list[dict[str, str]]:
    """What a chat model is told: the system's message, the turns before, and the prompt."""
    return conversation_of((*prompt.earlier, shared + prompt.own), prompt.system or system)


class Encoder:
    """Tokenises for one model: its window, its BOS, its chat template (`template`, or the default one)."""

    def __init__(
        self,
        tokenizer: Any,
        window: int,
        chat: bool = False,
        system: str | None = None,
        template: ChatTemplate | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.window = window
        self.chat = chat
        self.system = system
        self.template = (template or ChatTemplate(tokenizer)) if chat else None
        self._fast = tokenizer.backend_tokenizer
        self.control = ControlTokens(tokenizer, self._turns() if chat else "")
        self._expected: dict[tuple[int, bool], list[int]] = {}
        self._continuations: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        self._local = type(self._fast.model).__name__ == "BPE"  # joining is proved for it alone
        with_special = self._fast.encode("a", add_special_tokens=True).ids
        self._prefix = len(with_special) - len(self._fast.encode("a", add_special_tokens=False).ids)
        bos = tokenizer.bos_token_id
        self._adds_bos = self._prefix == 1 and bos is not None and with_special[0] == bos
        if self._prefix and not self._adds_bos:
            self._prefix = -1  # something else than one BOS is added: no joining

    @property
    def start_token(self) -> int:
        """What a text without context is conditioned on: BOS, or EOS where there is no BOS."""
        bos = self.tokenizer.bos_token_id
        return self.tokenizer.eos_token_id if bos is None else bos

    def ids(self, text: str) -> list[int]:
        """The ids of a whole text as the tokenizer reads it (names of control tokens as these tokens), with exactly one
        BOS where the tokenizer adds one. Not for what comes from data: see `text_ids`."""
        return self._fast.encode(text, add_special_tokens=not self._begins_with_bos(text)).ids

    def text_ids(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """The ids of a text in which nothing is a control token, behind what the tokenizer itself puts there."""
        ids = self._fast.encode(text, add_special_tokens=add_special_tokens).ids
        if self.control.misread(text, ids, self.control.added if add_special_tokens else []):
            return self.control.encode(text, add_special_tokens).ids
        return ids

    def _begins_with_bos(self, text: str) -> bool:
        bos = self.tokenizer.bos_token
        return bool(bos) and text.startswith(bos)

    def _brings_bos(self, rendered: str) -> bool:
        """Whether the chat template has put a BOS there."""
        return self.chat and self._begins_with_bos(rendered)

    def render(self, prompt: Prompt, cut: int | None = None) -> tuple[str, str]:
        """(shared, own) as the model sees them; `cut` keeps only shared[:cut]."""
        shared = prompt.shared if cut is None else prompt.shared[:cut]
        if not self.chat:
            return shared, prompt.own
        assert self.template is not None
        text = self.template.render(conversation(prompt, shared, self.system))
        at = text.find(shared) if shared else -1
        return ("", text) if at < 0 else (text[: at + len(shared)], text[at + len(shared) :])

    def prompts(self, prompts: Sequence[Prompt], reserve: Sequence[int]) -> list[Encoded]:
        """Token ids of each prompt, leaving `reserve[i]` tokens of the window for its answer.

        A prompt that is too long loses shots from the end; one that is too long without shots loses
        its beginning. Either is said in `warnings`."""
        rendered = [self.render(p) for p in prompts]
        encoded = self._join(rendered)
        out = []
        for prompt, room, (shared, own), ids in zip(prompts, reserve, rendered, encoded, strict=True):
            limit = self.window - room
            if len(ids) > limit or (prompt.cap is not None and len(ids) > prompt.cap):
                out.append(self._fit(prompt, self._checked(prompt, None, shared + own, ids), limit))
            else:
                out.append(self._checked(prompt, None, shared + own, ids))
        return out

    def _whole(self, prompt: Prompt, cut: int) -> Encoded:
        shared, own = self.render(prompt, cut)
        return self._checked(prompt, cut, shared + own, self._again(shared, own))

    def _checked(self, prompt: Prompt, cut: int | None, text: str, ids: list[int]) -> Encoded:
        """The ids of a rendered prompt, or those in which what the task wrote is text, where the tokenizer has read
        control tokens in it."""
        control = self.control
        if not control.misread(text, ids, self._control_of(prompt)):
            return Encoded(text, ids)
        shared = prompt.shared if cut is None else prompt.shared[:cut]
        messages = conversation(prompt, shared, self.system)
        marked = text
        if self.template is not None:
            marked = control.mark(
                self.template.render([{**message, "content": control.hide(message["content"])} for message in messages])
            )
        brings_bos = control.begins_with(marked, self.tokenizer.bos_token_id)
        as_text = control.encode(marked, not brings_bos).ids
        if as_text == ids:  # the template itself wrote them, for this conversation and not for every one
            return Encoded(text, ids)
        names = dict.fromkeys(name for message in messages for name in control.in_text(message["content"]))
        warning = f"control tokens' names in the prompt are taken as text: {', '.join(names) or 'in another spelling'}"
        return Encoded(text, as_text, (warning,), marked)

    def _control_of(self, prompt: Prompt) -> list[int]:
        """The control tokens that the tokenizer and the chat template put into a prompt."""
        if not self.chat:
            return self.control.added
        kind = (len(prompt.earlier), bool(prompt.system or self.system))
        if kind not in self._expected:
            self._expected[kind] = self.control.of(self.ids(self._skeleton(*kind)))
        return self._expected[kind]

    def _turns(self) -> str:
        """What the chat template writes around turns, and around a system text if it takes one."""
        for earlier, system in ((2, True), (2, False)):
            try:
                return self._skeleton(earlier, system)
            except HarnessError:
                continue
        return self._skeleton(0, False)

    def _skeleton(self, earlier: int, system: bool) -> str:
        """A conversation that says nothing, as the chat template writes it."""
        assert self.template is not None
        return self.template.render(conversation_of(["x"] * (earlier + 1), "x" if system else None))

    def _join(self, rendered: list[tuple[str, str]]) -> list[list[int]]:
        joints = {s: self._joint(s) for s in dict.fromkeys(s for s, _ in rendered)}
        texts = []
        for shared, own in rendered:
            joint = joints[shared]
            texts.append(shared + own if joint is None else joint.tail + own)
        whole = [joints[s] is None for s, _ in rendered]
        plain = [i for i, (w, t) in enumerate(zip(whole, texts, strict=True)) if w and not self._brings_bos(t)]
        result: list[list[int]] = [[] for _ in texts]
        for i, e in zip(plain, self._fast.encode_batch([texts[i] for i in plain]), strict=True):
            result[i] = e.ids
        rest = [i for i in range(len(texts)) if i not in set(plain)]
        encodings = self._fast.encode_batch([texts[i] for i in rest], add_special_tokens=False)
        for i, e in zip(rest, encodings, strict=True):
            joint = joints[rendered[i][0]]
            if joint is None:
                result[i] = e.ids  # its BOS is in the text
                continue
            at = e.char_to_token(joint.char)
            agrees = at is not None and e.token_to_chars(at)[0] == joint.char and e.ids[at : at + LEAD] == joint.after
            result[i] = joint.before + e.ids[at:] if agrees else self._again(*rendered[i])
        return result

    def _again(self, shared: str, own: str) -> list[int]:
        text = shared + own
        return self._fast.encode(text, add_special_tokens=not self._brings_bos(text)).ids

    def _joint(self, shared: str) -> _Joint | None:
        """Where a shared text's ids are joined to those of (its last line or so + own part)."""
        if self._prefix < 0 or len(shared) < 40:
            return None
        bos_in_text = self._brings_bos(shared)
        e = self._fast.encode(shared, add_special_tokens=not bos_in_text)
        n = len(e.ids)
        line = len(shared)
        for _ in range(4):  # a line's start is a boundary for every splitter; look back a few lines for a joint
            line = shared.rfind("\n", 0, max(0, line - 1)) + 1
            first = e.char_to_token(line)
            if line == 0 or first is None:
                return None
            alone = self._fast.encode(shared[line:], add_special_tokens=False)
            for at in range(first, n - TAIL + 1):
                char = e.token_to_chars(at)[0] - line
                other = alone.char_to_token(char) if char >= 0 else None
                if (
                    other  # not the first: some tokenizers put a space before it
                    and alone.token_to_chars(other)[0] == char
                    and alone.ids[other : other + LEAD] == e.ids[at : at + LEAD]
                    and shared[line + char].isascii()
                ):
                    return _Joint(shared[line:], char, e.ids[:at], e.ids[at : at + LEAD])
        return None

    def _fit(self, prompt: Prompt, encoded: Encoded, limit: int) -> Encoded:
        target = limit if prompt.cap is None else min(limit, prompt.cap)
        asked, shots = len(encoded.ids), len(prompt.cuts)
        dropped = 0
        for cut in reversed(prompt.cuts):
            if len(encoded.ids) <= target:
                break
            if cut == len(prompt.shared):
                shots -= 1  # the uncut prompt is among the cuts
                continue
            encoded = self._whole(prompt, cut)
            dropped += 1
        warnings = list(encoded.warnings)
        if dropped:
            warnings.append(f"{dropped} of {shots} shots dropped: the prompt has {asked} tokens, the limit is {target}")
        ids = encoded.ids
        if len(ids) > limit:
            keep = 1 if ids[:1] == [self.tokenizer.bos_token_id] else 0
            gone = len(ids) - limit
            ids = ids[:keep] + ids[keep + gone :]
            warnings.append(f"the first {gone} {PROMPT_CUT}: without shots it is still over {limit}")
        return replace(encoded, ids=ids, warnings=tuple(warnings))

    def continuation(self, prompt: Encoded, option: str) -> list[int]:
        """The ids that `option` adds to the prompt, as lm-eval finds them (`TemplateLM._encode_pair`):
        tokenise(prompt + option) from len(tokenise(prompt)) on. Empty where it adds none."""
        if prompt.marked is not None or self._names_control(prompt.text, option):
            return self._continuation_as_text(prompt, option)
        newline = prompt.text.rfind("\n", 0, max(0, len(prompt.text) - 3))
        tail = prompt.text[newline:] if newline >= 0 else ""
        if self._local and tail and len(tail) <= 200:
            known = self._continuations.get((tail, option))
            if known is None:
                known = self._continuation_of_line(tail, option)
                self._continuations[tail, option] = known
            after, ending = known
            # The prompt's own last tokens, from where those of the line and of the line with the option are the same.
            if ending and prompt.ids[-len(ending) :] == ending:
                return after
        return self.ids(prompt.text + option)[len(self.ids(prompt.text)) :]

    def _continuation_of_line(self, tail: str, option: str) -> tuple[list[int], list[int]]:
        """The ids that `option` adds to a last line, and the line's ids from the first place on (not the very first:
        some tokenizers put a space there) where two are the same with the option and without; [] where none are."""
        before = self._fast.encode(tail, add_special_tokens=False).ids
        whole = self._fast.encode(tail + option, add_special_tokens=False).ids
        same = len(before) > LEAD and whole[1 : 1 + LEAD] == before[1 : 1 + LEAD]
        return whole[len(before) :], before[1:] if same else []

    def _names_control(self, text: str, option: str) -> bool:
        """Whether an option has a control token's name, perhaps together with the end of the text before it."""
        before = text[-self.control.longest :]
        return self.control.count(before + option) > self.control.count(before)

    def _continuation_as_text(self, prompt: Encoded, option: str) -> list[int]:
        """`continuation` where the prompt or the option has control tokens' names as text."""
        marked = prompt.marked
        if marked is None:
            marked = self.control.mark(prompt.text) if self.chat else prompt.text
        add = not self.control.begins_with(marked, self.tokenizer.bos_token_id)
        return self.control.encode(marked + option, add).ids[len(self.control.encode(marked, add).ids) :]


@dataclass(slots=True)
class _Joint:
    tail: str  # put in front of each own part
    char: int  # where in the tail the joint is
    before: list[int]  # the shared text's ids before the joint
    after: list[int]  # and the first ones from it on
