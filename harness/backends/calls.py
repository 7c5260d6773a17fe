"""Requests as calls to an engine that takes token ids, and its answers as responses.

Two kinds of call are enough. `Scoring` reads log-probabilities: those of given tokens as the next one after a
sequence (one forward pass for all options of a question), and those of the sequence's own last tokens where an option
has several. `Writing` generates. How an engine makes them stands in vllm/engine.py and endpoint/backend.py; what is
asked, in which order, and what an answer means stands here, so that all backends mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.backends.limits import window_warning
from harness.backends.transformers.decoding import Output, special_tokens
from harness.backends.transformers.jobs import Job, make_jobs, parts
from harness.prompting import thinking
from harness.prompting.stops import Marked
from harness.prompting.tokens import Encoder
from harness.types import Generate, Request, Response

Answers = list[tuple[int, Response]]


@dataclass(frozen=True, slots=True)
class Scoring:
    """`ids`: at most window - 1 tokens; `tail`: how many of the last are to be scored themselves;
    `targets`: tokens to be scored as the one that follows."""

    ids: list[int]
    tail: int
    targets: list[int]


@dataclass(frozen=True, slots=True)
class Scored:
    """Natural logs. `tail` and `tail_greedy` are as long as the call's tail; `best` is the likeliest next token."""

    targets: dict[int, float]
    best: int
    tail: list[float]
    tail_greedy: list[bool]
    reused: int = 0  # tokens of the call that were not computed again


@dataclass(frozen=True, slots=True)
class Writing:
    ids: list[int]
    request: Generate
    room: int  # tokens it may have: no more than asked for, or than the window has left
    opened: str = ""  # the tag of a thought that the prompt leaves open


@dataclass(frozen=True, slots=True)
class Written:
    tokens: tuple[int, ...]  # the end token included
    stopped: bool  # by an end token or a stop string
    reused: int = 0
    text: str | None = None  # from engines that give no tokens: without the stop string
    generated: int = 0  # the same


Call = Scoring | Writing
Answer = Scored | Written
Key = tuple[int, int]  # (index of the request, part)
Ask = Callable[[Iterable[tuple[Key, Call]]], Iterator[list[tuple[Key, Answer]]]]


class Calls:
    """The way from requests to calls and back, for one encoder. `end_ids` end a text."""

    def __init__(self, encoder: Encoder, end_ids: frozenset[int]) -> None:
        self.encoder, self.end_ids = encoder, end_ids
        self.prompt_logprobs = 0  # calls so far that needed log-probabilities of their own tokens

    def answer(self, requests: Sequence[Request], done: Collection[int], ask: Ask) -> Iterator[Answers]:
        """Put the requests that are not `done` to `ask`; yield responses in the batches that it gives."""
        state = _State()
        for batch in ask(self._calls(requests, done, state)):
            finished = state.take_empty()
            for (i, part), answer in batch:
                response = self._response(i, part, answer, state)
                if response is not None:
                    finished.append((i, response))
            if finished:
                yield finished
        if finished := state.take_empty():
            yield finished

    def _calls(self, requests: Sequence[Request], done: Collection[int], state: _State) -> Iterator[tuple[Key, Call]]:
        left = [i for i in range(len(requests)) if i not in done]
        for which in parts([i for i in left if not isinstance(requests[i], Generate)], requests):
            yield from self._scorings(requests, which, state)
        for which in parts([i for i in left if isinstance(requests[i], Generate)], requests):
            yield from self._writings({i: r for i in which if isinstance(r := requests[i], Generate)}, state)

    def _scorings(self, requests: Sequence[Request], which: list[int], state: _State) -> Iterator[tuple[Key, Call]]:
        calls = []
        for i, job in zip(which, make_jobs([requests[i] for i in which], self.encoder, spare=1), strict=True):
            if not job.rows:
                state.empty.append((i, job.response()))
                continue
            state.jobs[i] = job
            for part, (ids, reads) in enumerate(job.rows):
                wanted = job.targets[part]
                tail = 0 if job.one_position or not wanted else reads - 1
                self.prompt_logprobs += tail > 0
                calls.append(((i, part), Scoring(ids, tail, wanted if job.one_position else wanted[-1:])))
        yield from _ordered(calls)

    def _writings(self, asked: dict[int, Generate], state: _State) -> Iterator[tuple[Key, Call]]:
        window = self.encoder.window
        prompts = [r.prompt for r in asked.values()]
        encoded = self.encoder.prompts(prompts, [min(r.max_tokens, window // 4) for r in asked.values()])
        calls = []
        for (i, request), prompt in zip(asked.items(), encoded, strict=True):
            ids = prompt.ids or [self.encoder.start_token]
            room = min(request.max_tokens, window - len(ids))
            call = Writing(ids, request, room, thinking.opened(prompt.text))
            state.writings[i] = (call, prompt.warnings)
            calls.append(((i, 0), call))
        yield from _ordered(calls)

    def _response(self, i: int, part: int, answer: Answer, state: _State) -> Response | None:
        """None while other parts of the request are still out."""
        if isinstance(answer, Written):
            return self._written(*state.writings.pop(i), answer)
        job = state.jobs[i]
        if job.one_position:
            ids = job.targets[0]
            taken = job.take(0, [answer.targets[t] for t in ids], [t == answer.best for t in ids], answer.reused)
        else:
            last = job.targets[part][-1:]
            total = sum(answer.tail) + sum(answer.targets[t] for t in last)
            greedy = all(answer.tail_greedy) and all(t == answer.best for t in last)
            taken = job.take(part, [total], [greedy], answer.reused)
        return state.jobs.pop(i).response() if taken else None

    def _written(self, call: Writing, warnings: tuple[str, ...], answer: Written) -> Response:
        if answer.text is None:
            output = self.output(call, answer.tokens)
            stored, stopped = output.stored_text(), output.ended
        else:
            stored, stopped = thinking.stored_text(Marked(answer.text), call.request, call.opened), False
        stopped = stopped or stored.stopped or answer.stopped
        warnings = (*warnings, *stored.warnings)
        if not stopped and call.room < call.request.max_tokens:
            warnings = (*warnings, window_warning(self.encoder.window, call.room))
        return Response(
            text=stored.text,
            tokens=answer.tokens,
            finish="stop" if stopped else "length",
            asked=len(call.ids),
            reused=answer.reused,
            generated=len(answer.tokens) or answer.generated,
            warnings=warnings,
        )

    def output(self, call: Writing, tokens: Sequence[int]) -> Output:
        """Generated tokens as the transformers backend would hold them."""
        output = Output(self.encoder.tokenizer, call.ids, call.request, call.opened)
        output.tokens = list(tokens)
        output.ended = bool(tokens) and tokens[-1] in self.end_ids
        return output

    def stops(self, request: Generate) -> tuple[list[str], list[int]]:
        """What an engine can be told to stop at: strings, which it looks for in a text without special tokens, and
        special tokens. Nothing where stops count only after a thought, for engines look for them from the beginning:
        then the answer costs tokens, and is cut here."""
        if request.after_thinking:
            return [], sorted(self.end_ids)
        special = {string: token for token, string in special_tokens(self.encoder.tokenizer).items()}
        strings = [s for s in request.stop if s and s not in special]
        return strings, sorted(self.end_ids | {special[s] for s in request.stop if s in special})


def singly(ask: Ask) -> Ask:
    """An `ask` that scores a sequence's own tokens with one call each, for an engine that cannot score a prompt."""

    def asked(calls: Iterable[tuple[Key, Call]]) -> Iterator[list[tuple[Key, Answer]]]:
        out: dict[Key, tuple[Scoring, dict[int, Scored]]] = {}
        places: dict[Key, tuple[Key, int]] = {}  # of each call that was made for another

        def single_calls() -> Iterator[tuple[Key, Call]]:
            for key, call in calls:
                if not isinstance(call, Scoring) or not call.tail:
                    yield key, call
                    continue
                out[key] = call, {}
                for at in range(len(call.ids) - call.tail, len(call.ids) + 1):
                    made = (-1, len(places))
                    places[made] = key, at
                    yield made, Scoring(call.ids[:at], 0, call.ids[at : at + 1] or call.targets)

        for batch in ask(single_calls()):
            finished: list[tuple[Key, Answer]] = []
            for made, answer in batch:
                if made not in places:
                    finished.append((made, answer))
                    continue
                key, at = places[made]
                call, known = out[key]
                assert isinstance(answer, Scored)
                known[at] = answer
                if len(known) == call.tail + 1:
                    finished.append((key, _joined(*out.pop(key))))
            if finished:
                yield finished

    return asked


def _joined(call: Scoring, scored: dict[int, Scored]) -> Scored:
    own = range(len(call.ids) - call.tail, len(call.ids))
    last = scored[len(call.ids)]
    return Scored(
        last.targets,
        last.best,
        [scored[at].targets[call.ids[at]] for at in own],
        [scored[at].best == call.ids[at] for at in own],
        last.reused,
    )


class _State:
    """What is out, of one pass over the requests."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.writings: dict[int, tuple[Writing, tuple[str, ...]]] = {}
        self.empty: Answers = []  # needs no call

    def take_empty(self) -> Answers:
        answers, self.empty = self.empty, []
        return answers


def _ordered(calls: list[tuple[Key, Any]]) -> list[tuple[Key, Call]]:
    """In the order of their tokens: what prompts share is computed by the first of them and found by the next."""
    return sorted(calls, key=lambda pair: pair[1].ids)
