"""Requests for log-probabilities as token sequences: what is computed for each, and what is read from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.backends.tokens import Encoded, Encoder
from harness.types import Prompt, Request, Response, Rolling

if TYPE_CHECKING:
    import torch

    from harness.backends.prefix_tree import Row

PART = 500  # requests, at least, that are tokenised and planned together


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
    """The rows of one request and what is read from them."""

    def __init__(
        self,
        rows: list[tuple[list[int], int]],
        targets: list[list[int]],
        one_position: bool,
        warnings: tuple[str, ...],
        total: bool = False,
    ) -> None:
        self.rows, self.targets, self.one_position = rows, targets, one_position
        self.warnings, self.total = warnings, total
        self.logprobs: dict[int, list[float]] = {}
        self.greedy: dict[int, list[bool]] = {}
        self.asked = self.reused = 0

    def read(self, row: Row, logits: torch.Tensor) -> bool:
        """Take a row's logits [reads, vocabulary]; True when the request has all it needs."""
        import torch

        best = logits.argmax(dim=-1)
        norm = torch.logsumexp(logits, dim=-1)
        if self.one_position:
            ids = torch.tensor(self.targets[0], device=logits.device)
            each = logits[0, ids] - norm[0]
            return self.take(0, each.tolist(), (ids == best[0]).tolist(), row.reused)
        ids = torch.tensor(self.targets[row.part], device=logits.device, dtype=torch.long)
        each = (logits[: len(ids)].gather(1, ids[:, None])[:, 0] - norm[: len(ids)]).double()
        greedy = bool((ids == best[: len(ids)]).all())
        return self.take(row.part, [each.sum().item()], [greedy], row.reused)

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
        return Response(
            logprobs=tuple(logprobs),
            greedy=tuple(greedy),
            asked=self.asked,
            reused=self.reused,
            warnings=self.warnings,
        )


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
        ids = [o[1:] if len(o) > 1 and o[0] == encoder.start_token else o for o in ids]
    else:
        ids = [encoder.continuation(prompt, o) for o in options]
    if all(len(o) == 1 for o in ids):
        return Job([(prompt.ids, 1)], [[o[0] for o in ids]], True, prompt.warnings)
    rows = [(prompt.ids + o[:-1], max(1, len(o))) for o in ids]
    return Job(rows, ids, False, prompt.warnings)


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
    own = prompt.own.rstrip()
    if chat or own == prompt.own:
        return prompt, options
    space = prompt.own[len(own) :]
    if not own and prompt.shared:
        return prompt, options
    return Prompt(prompt.shared, own, prompt.cuts, prompt.cap), tuple(space + o for o in options)
