"""A served model asked with text, for want of its tokenizer.

Generating needs no more. Log-probabilities of options are read from the list of likeliest next tokens where all
options stand in it, letter by letter as they are asked, and begin with a space: without one they may be one token
with what is before them, and a server that drops the space does not show which token is meant. Otherwise each option
is sent behind the prompt with `echo`. Prompts that are too long are the server's to refuse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from harness.backends.calls import Answers
from harness.backends.endpoint import replies
from harness.backends.endpoint.client import RefusedError, Remote
from harness.backends.endpoint.unanswered import Unanswered, missing_of, response
from harness.backends.transformers.jobs import move_space, parts
from harness.errors import HarnessError, ModelError
from harness.evaluation.no_answer import NO_TOKENS, NOT_A_NUMBER, is_logprob
from harness.options import OptionError, not_given
from harness.prompting import thinking
from harness.prompting.stops import Marked
from harness.prompting.tokens import conversation
from harness.types import BackendInfo, Choice, Generate, Loglikelihood, Prompt, Request, Response, Rolling

LISTS = (20, 5, 0)  # likeliest tokens asked for: vLLM's most, OpenAI's most, none given
WRITTEN_FOR_IMPOSSIBLE = -9999.0
STOPS = 4  # OpenAI takes no more; the text is cut at all of them here


# names that published models' control tokens have; which ones a server's tokenizer knows cannot be seen
_CONTROL = re.compile(
    r"</?s>|<\|[A-Za-z_]\w*\|>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn|start_of_image|end_of_utterance)>|"
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<｜[^｜<>]{1,40}｜>"
)


def names_in_prompt(prompt: Prompt) -> list[str]:
    """Names of well-known control tokens in what is asked, each once."""
    return control_names((prompt.system, *prompt.earlier, prompt.shared + prompt.own))


def control_names(texts: Iterable[str]) -> list[str]:
    """Names of well-known control tokens in texts, each once."""
    return list(dict.fromkeys(name for text in texts for name in _CONTROL.findall(text)))


class MissingPartError(ModelError):
    """The server leaves out what was asked for."""

    def __init__(self, part: str) -> None:
        super().__init__(
            f"The server does not return what multiple choice needs ({part}). vLLM's server does with --tokenizer, as "
            "do servers whose /completions has echo with logprobs; with others only tasks that generate can be run."
        )


class TextEndpoint:
    """`echo`: may the server be asked for log-probabilities of a prompt (see endpoint.py)."""

    def __init__(
        self, remote: Remote, name: str, info: BackendInfo, chat: bool, system: str | None, echo: bool = True
    ) -> None:
        self.remote, self.name, self.info, self.chat, self.system = remote, name, info, chat, system
        self.echo = echo
        self.warnings: list[str] = []
        self._listed = LISTS[0]

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[Answers]:
        left = [i for i in range(len(requests)) if i not in done]
        refuse_without_tokenizer([requests[i] for i in left], self.chat)
        order = [i for part in parts(left, requests) for i in part]  # a shared prompt's requests together
        unanswered = Unanswered(bool(done))
        for n, outcome in self.remote.map(partial(self._one, requests[i]) for i in order):
            if isinstance(outcome, HarnessError):
                raise outcome
            if passed := unanswered.take(order[n], *outcome):
                yield passed
        unanswered.end()

    def close(self) -> None:
        """It holds no connection between requests."""

    def _one(self, request: Request) -> tuple[Response, str]:
        """The response, with a warning where the server may read the request's text as control tokens; and why there
        is no answer in it."""
        assert not isinstance(request, Rolling)
        if isinstance(request, Generate):
            reply = self._chat(request) if self.chat else self._write(request)
            opened = "" if self.chat else thinking.opened(request.prompt.shared + request.prompt.own)
            answer, missing = _written(request, reply, opened), missing_of(reply)
        else:
            answer, missing = self._score(request), ""
        if names := names_in_prompt(request.prompt):
            warning = f"the server may read {', '.join(names)} in the prompt as control tokens: only ids keep them text"
            answer = replace(answer, warnings=(*answer.warnings, warning))
        return answer, missing

    def _write(self, request: Generate) -> replies.ReplyText:
        reply = self.remote.complete(
            model=self.name,
            prompt=request.prompt.shared + request.prompt.own,
            max_tokens=request.max_tokens,
            **sampling_of(request),
            **stop_of(request.stop, request.after_thinking, STOPS),
        )
        return replies.completion(reply)

    def _chat(self, request: Generate) -> replies.ReplyText:
        messages = conversation(request.prompt, request.prompt.shared, self.system)
        reply = self.remote.chat(
            model=self.name,
            messages=messages,
            max_tokens=request.max_tokens,
            **sampling_of(request),
            **stop_of(request.stop, request.after_thinking, STOPS),
        )
        return replies.chat(reply)

    def _score(self, request: Choice | Loglikelihood) -> Response:
        moved = move_space(request, False)
        assert moved is not None
        prompt, options = moved
        text = prompt.shared + prompt.own
        top, best, asked = self._likeliest(text)
        if all(option[:1].isspace() and option in top for option in options):
            return _scored([(top[o], o == best) for o in options], asked)
        if not self.echo:
            raise ModelError(
                "Not all options are among the likeliest next tokens, and vLLM with adapters is not asked for "
                "log-probabilities of a prompt: its engine can end by it. Give the model's tokenizer with --tokenizer "
                "FOLDER."
            )
        echoes = [self._echo(text, asked, option) for option in options]
        return _scored([f[:2] for f in echoes], asked + sum(f[2] for f in echoes))

    def _likeliest(self, text: str) -> tuple[dict[str, float], str, int]:
        """The likeliest next tokens' texts with their log-probabilities ({} where the server gives none), the likeliest
        (several may be listed as one, when they are parts of a character), and the number of the text's tokens."""
        count = self._listed
        try:
            reply = self._complete(text, **({"logprobs": count} if count else {}))
        except RefusedError as error:
            if not count or error.status not in (400, 422):
                raise
            self._listed = LISTS[LISTS.index(count) + 1]
            return self._likeliest(text)
        if not count:
            return {}, "", _asked(reply)
        try:
            logprobs = reply["choices"][0]["logprobs"]
            return (
                {text: logprob_of(value) for text, value in logprobs["top_logprobs"][0].items()},
                str(logprobs["tokens"][0]),
                _asked(reply),
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            self._listed = 0
            return {}, "", _asked(reply)

    def _echo(self, text: str, asked: int, option: str) -> tuple[float | None, bool, int]:
        """(log-probability, would greedy decoding say it, prompt tokens). The option's tokens are those that it adds
        to the text's own; where it adds none, there is no log-probability."""
        try:
            reply = self._complete(text + option, logprobs=1, echo=True)
        except RefusedError as error:
            if error.status not in (400, 422):
                raise
            raise MissingPartError(f"echo with logprobs: {error}") from error
        try:
            logprobs, end = reply["choices"][0]["logprobs"], reply["usage"]["prompt_tokens"]
            values, top = logprobs["token_logprobs"][asked:end], logprobs["top_logprobs"][asked:end]
            total = sum(map(logprob_of, values))
            greedy = all(value >= max(alternatives.values()) for value, alternatives in zip(values, top, strict=True))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise MissingPartError("the options among the likeliest tokens, or echo with logprobs") from error
        if not asked or len(values) != max(0, end - asked):
            raise MissingPartError("echo with logprobs of every token, and usage.prompt_tokens")
        return (total, greedy, end) if values else (None, False, end)

    def _complete(self, text: str, **more: Any) -> dict[str, Any]:
        return self.remote.complete(model=self.name, prompt=text, max_tokens=1, temperature=0.0, **more)


def refuse_without_tokenizer(requests: Sequence[Request], chat: bool) -> None:
    """OptionError for what cannot be asked with text."""
    if chat and not all(isinstance(r, Generate) for r in requests):
        text = (
            ": a chat server gives no log-probabilities of given answers, so multiple choice cannot be asked. Leave it "
            "out (/completions is asked then), give the model's `tokenizer`, or take other tasks."
        )
        raise OptionError("chat", True, text)
    if any(isinstance(r, Rolling) for r in requests):
        raise not_given("tokenizer", "log-probabilities of whole texts need the served model's")


def sampling_of(request: Generate) -> dict[str, Any]:
    """Sampling in the API's words."""
    sampling = request.sampling
    body: dict[str, Any] = {"temperature": sampling.temperature}
    if sampling.temperature:
        body |= {"top_p": sampling.top_p, "seed": sampling.seed}
    return body


def stop_of(stop: Sequence[str], after_thinking: bool, most: int | None = None) -> dict[str, Any]:
    """Stops in the API's words. One that is left out costs tokens, not the right text; all are where they count only
    after a thought, for servers look for them from the beginning."""
    stops = [string for string in stop if string][:most]
    return {"stop": stops} if stops and not after_thinking else {}


def _written(request: Generate, reply: replies.ReplyText, opened: str) -> Response:
    """A reply as a response, its text cut at the stops. `opened`: the tag of a thought that the prompt leaves open."""
    stored = thinking.stored_text(Marked(reply.text), request, opened)
    stopped = stored.stopped or reply.stopped
    warnings = stored.warnings
    is_apart = bool(reply.thought) or thinking.has_thought(stored.text)  # what is left is the answer, not a thought
    if request.after_thinking and not stopped and not is_apart and not missing_of(reply):
        warnings = (*warnings, thinking.CUT_OFF)
    made = response(reply, stored.text, stopped)
    return replace(made, warnings=(*made.warnings, *warnings))


def logprob_of(value: Any) -> float:
    """A log-probability as a server gives it: JSON has no word for -inf, and servers write -9999 (vLLM, OpenAI)."""
    return -math.inf if value == WRITTEN_FOR_IMPOSSIBLE else float(value)


def _scored(options: Sequence[tuple[float | None, bool]], asked: int) -> Response:
    """`options`: log-probability (None for an option without tokens), and would greedy decoding say it."""
    logprobs = [math.nan if value is None else value for value, _ in options]
    warnings = [NO_TOKENS] if any(value is None for value, _ in options) else []
    if not all(is_logprob(value) for value, _ in options if value is not None):
        warnings.append(NOT_A_NUMBER)
    return Response(
        logprobs=tuple(logprobs),
        greedy=tuple(greedy for _, greedy in options),
        asked=asked,
        warnings=tuple(warnings),
    )


def _asked(reply: dict[str, Any]) -> int:
    usage = reply.get("usage")
    return (usage.get("prompt_tokens") or 0) if isinstance(usage, dict) else 0
