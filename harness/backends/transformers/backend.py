"""Backend `transformers`: any causal language model that transformers runs.

What prompts share is computed once (see prefix_tree.py and attention/shared.py). A batch is a
function of the requests and the token budget; an out-of-memory error halves what is computed at once.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.backends.limits import bytes_of_token, end_ids, window_of, window_warning
from harness.backends.transformers.decoding import Output
from harness.backends.transformers.engines import SharedEngine, engine_of
from harness.backends.transformers.generation import generate
from harness.backends.transformers.jobs import Job, Read, encode_prompts, make_jobs, parts, read, rows_of
from harness.backends.transformers.plain_engine import PlainEngine
from harness.backends.transformers.prefix_tree import Batch, Row, Segment, plan
from harness.backends.transformers.self_check import is_out_of_memory
from harness.errors import ModelError
from harness.evaluation.no_answer import NOT_A_NUMBER
from harness.prompting import thinking
from harness.prompting.tokens import Encoded, Encoder
from harness.types import BackendInfo, Generate, Request, Response

if TYPE_CHECKING:
    import torch

    from harness.prompting.chat_templates import ChatTemplate

GENERATE_ROWS = 256  # that generate together, at most
KEPT_BYTES = {"cpu": 2**31}  # of keys and values of rows that generate together
# on a CPU, weights times tokens of a batch, so that storing it costs little, and of one pass of it, so that what goes
# from layer to layer stays near the cache
BATCH_WORK, PASS_WORK = 6e10, 3.6e10
Answers = list[tuple[int, Response]]


class TransformersLM:
    """`model` and its tokenizer, loaded and on their device (see harness/models/loading.py). `checked`: the engine that
    was found right for this model with other weights in it. `encoder` stands for chat, system and template."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        chat: bool = False,
        system: str | None = None,
        batch_tokens: int | None = None,
        template: ChatTemplate | None = None,
        checked: SharedEngine | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.warnings: list[str] = []
        self.engine, warning = engine_of(model, checked)
        self.warnings += [warning] if warning else []
        self.batch_tokens = batch_tokens or _budget(model, BATCH_WORK)
        self.pass_tokens = batch_tokens or _budget(model, PASS_WORK)
        self.rows_together = GENERATE_ROWS
        kept_bytes = KEPT_BYTES.get(model.device.type)
        self.kept_tokens = kept_bytes and kept_bytes // max(1, bytes_of_token(model))
        self.info = BackendInfo(
            name="transformers",
            device=_device_name(model),
            dtype=str(model.dtype).removeprefix("torch."),
            window=window_of(model.config.get_text_config()),
            details={"batch_tokens": self.batch_tokens, "rows_together": self.rows_together},
        )
        self.encoder = encoder or Encoder(tokenizer, self.info.window, chat, system, template)
        self.end_ids = end_ids(getattr(model, "generation_config", None), model.config, tokenizer)
        self._halvings = 0

    @property
    def computed(self) -> int:
        """Positions that have gone through the model so far."""
        return self.engine.computed

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[Answers]:
        for part in parts([i for i, r in enumerate(requests) if not isinstance(r, Generate)], requests):
            yield from self._score_all(requests, part, done)
        for part in parts([i for i, r in enumerate(requests) if isinstance(r, Generate)], requests):
            yield from self._generate_all(requests, part, done)

    def close(self) -> None:
        """It holds nothing beside its own memory."""

    # log-probabilities

    def _score_all(self, requests: Sequence[Request], which: list[int], done: Collection[int]) -> Iterator[Answers]:
        thinking.warn_of_options([requests[i] for i in which], self.encoder, self.warnings)
        jobs = dict(zip(which, make_jobs([requests[i] for i in which], self.encoder), strict=True))
        rows = rows_of(jobs)
        empty = [(i, jobs[i].response()) for i in which if not jobs[i].rows and i not in done]
        if empty:
            yield empty
        for batch in self._batches(self._plan(rows), done):
            finished = []
            for row, logprobs, greedy in self._compute(batch, jobs):
                job = jobs[row.request]
                if job.take(row.part, logprobs, greedy, row.reused) and row.request not in done:
                    finished.append((row.request, job.response()))
            if finished:
                yield finished

    # text

    def _generate_all(self, requests: Sequence[Request], which: list[int], done: Collection[int]) -> Iterator[Answers]:
        asked = {i: r for i in which if isinstance(r := requests[i], Generate)}
        encoded, batches = self.plan_texts(asked)
        opened = {i: thinking.opened(e.text) for i, e in encoded.items()}
        for batch in self._batches(batches, done):
            answers = []
            for row, output in self._generate(batch, asked, opened):
                i = row.request
                if i in done:
                    continue
                stored = output.stored_text()
                stopped = stored.stopped or output.ended
                warnings = [*encoded[i].warnings, *stored.warnings]
                if output.broken:
                    warnings.append(NOT_A_NUMBER)
                if not (stopped or output.broken) and row.new < asked[i].max_tokens:
                    warnings.append(window_warning(self.info.window, row.new))
                answers.append(
                    (
                        i,
                        Response(
                            text="" if output.broken else stored.text,
                            tokens=tuple(output.tokens),
                            finish="" if output.broken else "stop" if stopped else "length",
                            asked=len(row.ids),
                            reused=row.reused,
                            generated=len(output.tokens),
                            warnings=tuple(warnings),
                        ),
                    )
                )
            yield answers

    def plan_texts(self, asked: Mapping[int, Generate]) -> tuple[dict[int, Encoded], list[Batch]]:
        """The prompts of texts, and the batches in which they are generated."""
        encoded = dict(zip(asked, encode_prompts(list(asked.values()), self.encoder), strict=True))
        rows = [
            Row(prompt.ids, 1, i, new=min(asked[i].max_tokens, self.info.window - len(prompt.ids)))
            for i, prompt in encoded.items()
        ]
        return encoded, self._plan(rows, self._rows_of_texts(rows), self.kept_tokens)

    def _rows_of_texts(self, rows: Sequence[Row]) -> int:
        """How many generate together: whole prompts are in the plain engine's cache, of each row its own."""
        if isinstance(self.engine, SharedEngine) or not self.engine.keeps_cache or not self.kept_tokens:
            return self.rows_together
        longest = max((len(row.ids) + row.new for row in rows), default=1)
        return max(1, min(self.rows_together, self.kept_tokens // longest))

    def _generate(self, batch: Batch, asked: dict[int, Generate], opened: dict[int, str]) -> list[tuple[Row, Output]]:
        def run(passes: list[list[Segment]]) -> list[tuple[Row, Output]]:
            leaves, logits = [], []
            for segments in passes:
                logits.append(self.engine.prefill(segments, keep_rows=True))
                leaves += [s for s in segments if s.row is not None]
            if not leaves:
                return []
            outputs = []
            for s in leaves:
                assert s.row is not None
                i = s.row.request
                outputs.append((s.row, Output(self.tokenizer, s.row.ids, asked[i], opened[i])))
            generate(self.engine, leaves, [o for _, o in outputs], _cat_rows(logits), self.end_ids)
            return outputs

        return self._with_memory(batch.passes, run)

    # what both share

    def _plan(self, rows: list[Row], batch_rows: int | None = None, kept_tokens: int | None = None) -> list[Batch]:
        batches = plan(rows, self.pass_tokens, batch_rows, kept_tokens, batch_tokens=self.batch_tokens)
        if isinstance(self.engine, PlainEngine):
            for row in rows:
                row.reused = 0
        return batches

    def _batches(self, batches: list[Batch], done: Collection[int]) -> Iterator[Batch]:
        """Those with something left to do; shared segments are forgotten after their last use."""
        nodes = {id(n): n for b in batches for p in b.passes for s in p for n in [*s.ancestors(), s] if n.row is None}
        ending: dict[int, list[Segment]] = {}
        for node in nodes.values():
            ending.setdefault(node.last_batch, []).append(node)
        for n, batch in enumerate(batches):
            if not all(r.request in done for r in batch.rows):
                yield batch
            for node in ending.get(n, []):
                node.memory = None

    def _compute(self, batch: Batch, jobs: Mapping[int, Job]) -> list[Read]:
        """What is read from all rows of a batch."""

        def run(passes: list[list[Segment]]) -> list[Read]:
            outputs = []
            for segments in passes:
                rows = [s.row for s in segments if s.row is not None]
                outputs += read(jobs, rows, self.engine.prefill(segments, keep_rows=False))
            return outputs

        return self._with_memory(batch.passes, run)

    def _with_memory(self, passes: list[list[Segment]], run: Any) -> Any:
        """Run the passes, each cut in two as often as memory has asked for so far."""
        while True:
            parts = _split(passes, self._halvings)
            try:
                return [result for part in parts for result in run(part)]
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                smallest = all(len([s for s in p if s.row is not None]) <= 1 for part in parts for p in part)
                tokens = max(len(s.ids) + s.start for part in parts for p in part for s in p)
            if smallest:
                raise ModelError(
                    f"Out of memory even for one prompt of {tokens} tokens. "
                    "Take a smaller --dtype, --load-in-4bit, or a device with more memory."
                )
            self._halvings += 1
            self.warnings.append(f"out of memory: what is computed at once was halved ({self._halvings} times so far)")
            for segments in passes:
                for s in segments:
                    for n in (s, *s.ancestors()):  # ancestors too: what broke off may have half filled one
                        n.memory = None
            gc.collect()
            _empty_cache(self.model)


def _split(passes: list[list[Segment]], halvings: int) -> list[list[list[Segment]]]:
    """The passes of a batch in 2**halvings groups or so, each to be run (and decoded) by itself."""
    if halvings == 0:
        return [passes]
    segments = [s for p in passes for s in p]
    count = min(2**halvings, len(segments))
    size = -(-len(segments) // count)
    return [[segments[at : at + size]] for at in range(0, len(segments), size)]


def _empty_cache(model: Any) -> None:
    import torch

    if model.device.type == "cuda":
        torch.cuda.empty_cache()


def _cat_rows(logits: list[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.cat([x for x in logits if x.numel()])


def _budget(model: Any, work: float) -> int:
    """Tokens that are stored, or computed, at once."""
    if model.device.type != "cpu":
        return 16384
    weights = sum(p.numel() for n, p in model.named_parameters() if "embed" not in n and "lm_head" not in n)
    return int(min(16384, max(1024, work / max(1, weights))))


def _device_name(model: Any) -> str:
    import torch

    if model.device.type == "cuda":
        return torch.cuda.get_device_name(model.device)
    return f"{model.device.type} ({torch.get_num_threads()} threads)"
