"""Requests for log-probabilities as token sequences: what is computed for each, and what is read from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.backends.transformers.prefix_tree import Row
from harness.evaluation.no_answer import NO_TOKENS, NOT_A_NUMBER, is_logprob
from harness.prompting.tokens import Encoded, Encoder
from harness.types import Generate, Prompt, Request, Response, Rolling

if TYPE_CHECKING:
    import torch

PART = 500  # requests, at least, that are tokenised and planned together
NUMBERS = 2**22  # logits that are summed at once
Read = tuple[Row, list[float], list[bool]]  # log-probabilities, and whether greedy decoding would say it


def parts(which: list[int], requests: Sequence[Request]) -> Iterator[list[int]]:
    """Requests that share a prompt stay together; some groups at a time, so that the first answer does not
    wait until everything is tokenised."""
    groups: dict[str, list[int]] = {}
    for i in which:
        request = requests[i]
        groups.setdefault("" if isinstance(request, Rolling) else request.prompt.shared, []).append(i)
    part: list[int] = []
    for group in groups.values():
        part += group
        if len(part) >= PART:
            yield part
            part = []
    if part:
        yield part


class Job:
    """The rows of one request and what is read from them.

    `places`: of an option that has tokens, its place among the request's `count` options (all of them, where it is
    left out). One without tokens has no row and gets no log-probability."""

    def __init__(
        self,
        rows: list[tuple[list[int], int]],
        targets: list[list[int]],
        one_position: bool,
        warnings: tuple[str, ...],
        total: bool = False,
        places: Sequence[int] | None = None,
        count: int | None = None,
    ) -> None:
        self.rows, self.targets, self.one_position = rows, targets, one_position
        self.warnings, self.total = warnings, total
        self.places, self.count = places, count
        self.logprobs: dict[int, list[float]] = {}
        self.greedy: dict[int, list[bool]] = {}
        self.asked = self.reused = 0

    def take(self, part: int, logprobs: list[float], greedy: list[bool], reused: int) -> bool:
        """Take what was read from one row; True when the request has all it needs."""
        self.asked += len(self.rows[part][0])
        self.reused += reused
        self.logprobs[part], self.greedy[part] = logprobs, greedy
        return len(self.logprobs) == len(self.rows)

    def response(self) -> Response:
        logprobs = [v for part in range(len(self.rows)) for v in self.logprobs.get(part, [])]
        greedy = [v for part in range(len(self.rows)) for v in self.greedy.get(part, [])]
        if self.total:
            logprobs, greedy = [sum(logprobs)], [all(greedy)]
        warnings = self.warnings
        if not all(map(is_logprob, logprobs)):
            warnings = (*warnings, NOT_A_NUMBER)
        if self.places is not None and self.count is not None and len(self.places) < self.count:
            logprobs, greedy = _spread(self.places, logprobs, self.count), _spread(self.places, greedy, self.count)
            warnings = (*warnings, NO_TOKENS)
        return Response(
            logprobs=tuple(math.nan if value is None else value for value in logprobs),
            greedy=tuple(bool(value) for value in greedy),
            asked=self.asked,
            reused=self.reused,
            warnings=warnings,
        )


def read(jobs: Mapping[int, Job], rows: Sequence[Row], logits: torch.Tensor) -> list[Read]:
    """What is asked of the rows of one pass, from logits [reads of all rows, vocabulary]. Everything is read at once:
    the device is waited for here."""
    import torch

    places: list[int] = []  # of each target, in `logits`
    targets: list[int] = []
    at = 0
    for row in rows:
        job = jobs[row.request]
        own = job.targets[row.part]
        places += [at] * len(own) if job.one_position else range(at, at + len(own))
        targets += own
        at += row.reads
    if not targets:
        return []
    best, norm = _best_and_norm(logits)
    place, target = torch.tensor([places, targets], device=logits.device)
    values = (logits[place, target] - norm[place]).double()
    logprobs, is_best = torch.stack([values, (best[place] == target).double()]).tolist()
    reads: list[Read] = []
    begin = 0
    for row in rows:
        job = jobs[row.request]
        end = begin + len(job.targets[row.part])
        own_logprobs, greedy = logprobs[begin:end], [bool(value) for value in is_best[begin:end]]
        reads.append((row, own_logprobs, greedy) if job.one_position else (row, [sum(own_logprobs)], [all(greedy)]))
        begin = end
    return reads


def _best_and_norm(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each position the likeliest token and the log of the sum, some positions at a time: the sum takes a copy."""
    import torch

    size = max(1, NUMBERS // logits.shape[-1])
    best = torch.cat([part.argmax(dim=-1) for part in logits.split(size)])
    norm = torch.cat([torch.logsumexp(part, dim=-1) for part in logits.split(size)])
    return best, norm.masked_fill(~norm.isfinite(), math.nan)  # one infinite logit spoils all of its position


def rows_of(jobs: Mapping[int, Job]) -> list[Row]:
    """What goes through the model for these requests."""
    return [Row(ids, reads, i, part) for i, job in jobs.items() for part, (ids, reads) in enumerate(job.rows)]


def encode_prompts(requests: Sequence[Generate], encoder: Encoder) -> list[Encoded]:
    """The prompts of texts that are to be generated, each with room left for its answer, and none without a token."""
    room = [min(request.max_tokens, encoder.window // 4) for request in requests]
    encoded = encoder.prompts([request.prompt for request in requests], room)
    return [prompt if prompt.ids else Encoded("", [encoder.start_token], prompt.warnings) for prompt in encoded]


def _spread(places: Sequence[int], values: Sequence[Any], count: int) -> list[Any]:
    """`values` at their places among `count`; None elsewhere."""
    known = dict(zip(places, values, strict=True))
    return [known.get(place) for place in range(count)]


def make_jobs(requests: list[Any], encoder: Encoder, spare: int = 0) -> list[Job]:
    """What each Choice, Loglikelihood or Rolling computes and reads. `spare`: tokens of the window that a Rolling
    leaves, for engines that must generate one (lm-eval's vLLM backend leaves one too)."""
    moved = [move_space(r, encoder.chat) for r in requests]
    with_prompt = [(n, m) for n, m in enumerate(moved) if m is not None]
    longest = {o: len(encoder.text_ids(o)) for _, (_, options) in with_prompt for o in set(options)}
    encoded = encoder.prompts(
        [p for _, (p, _) in with_prompt], [max(longest[o] for o in options) for _, (_, options) in with_prompt]
    )
    jobs: list[Job] = [Job([], [], False, ()) for _ in requests]
    for (n, (_, options)), prompt in zip(with_prompt, encoded, strict=True):
        jobs[n] = _job(prompt, options, encoder)
    for n, request in enumerate(requests):
        if isinstance(request, Rolling):
            jobs[n] = _rolling(request.text, encoder, encoder.window - spare)
    return jobs


def _job(prompt: Encoded, options: Sequence[str], encoder: Encoder) -> Job:
    if not prompt.text:  # nothing to condition on: BOS, as lm-eval does
        prompt = Encoded("", [encoder.start_token])
        ids = [encoder.text_ids(o, add_special_tokens=False) for o in options]
        ids = [o[1:] if o[:1] == [encoder.start_token] else o for o in ids]
    else:
        ids = [encoder.continuation(prompt, o) for o in options]
    before = prompt.ids or [encoder.start_token]
    places = [place for place, own in enumerate(ids) if own]
    targets = [ids[place] for place in places]
    one_position = bool(targets) and all(len(own) == 1 for own in targets)
    if one_position:
        rows, targets = [(before, 1)], [[own[0] for own in targets]]
    else:
        rows = [(before + own[:-1], len(own)) for own in targets]
    return Job(rows, targets, one_position, prompt.warnings, places=places, count=len(ids))


def _rolling(text: str, encoder: Encoder, window: int) -> Job:
    """Every token is predicted once; windows after the first are filled up with what came before."""
    ids = encoder.text_ids(text)
    start = encoder.start_token
    if ids and ids[0] == start:
        ids = ids[1:]  # the text's own BOS is the condition, not a second one
    rows, targets = [], []
    for at in range(0, len(ids), window):
        end = min(at + window, len(ids))
        seen = [start, *ids[: end - 1]] if at == 0 else ids[end - 1 - window : end - 1]
        rows.append((seen, end - at))
        targets.append(ids[at:end])
    return Job(rows, targets, False, (), total=True)


def move_space(request: Any, chat: bool) -> tuple[Prompt, tuple[str, ...]] | None:
    """A prompt's trailing white space belongs to what follows (as lm-eval has it), for a tokenizer
    makes one token of a space and the word after it."""
    if isinstance(request, Rolling):
        return None
    prompt, options = request.prompt, request.options
    text = prompt.shared + prompt.own
    kept = len(text.rstrip())
    if chat or kept == len(text):
        return prompt, options
    shared, own = prompt.shared[:kept], prompt.own[: max(0, kept - len(prompt.shared))]
    cuts = tuple(cut for cut in prompt.cuts if cut <= len(shared))
    return replace(prompt, shared=shared, own=own, cuts=cuts), tuple(text[kept:] + option for option in options)
