"""What a run's requests are for the backend `transformers`: passes, tokens and operations, from its own plan of them.

Batches are those that the backend will make (prefix_tree.py): shared prompts are counted once, as they are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.backends.transformers.attention.decode import ROOM, like_lengths
from harness.backends.transformers.jobs import make_jobs, parts, rows_of
from harness.backends.transformers.plain_engine import PlainEngine
from harness.backends.transformers.prefix_tree import Batch, plan
from harness.types import Generate, Request

if TYPE_CHECKING:
    from harness.backends.transformers.backend import TransformersLM
    from harness.estimate.model_size import ModelSize


@dataclass(slots=True)
class Workload:
    """`lengths`: of texts that are generated, their rows' most new tokens, a list a batch."""

    asked: int = 0  # tokens of prompts
    computed: int = 0  # of these, that are no repetition
    operations: float = 0.0
    batches: int = 0
    lengths: list[list[int]] = field(default_factory=list)
    requests: list[list[int]] = field(default_factory=list)  # of each batch
    kept: int = 0  # the most tokens whose keys and values one batch of texts holds, when it begins to generate
    most_read: int = 0  # the batch whose logits take the most memory
    most_reads: int = 0  # positions that it reads


def of_requests(backend: TransformersLM, size: ModelSize, requests: Sequence[Request]) -> tuple[Workload, Workload]:
    """What is scored, and what is generated."""
    shared = not isinstance(backend.engine, PlainEngine)
    scored, generated = Workload(), Workload()
    for which in parts([i for i, r in enumerate(requests) if not isinstance(r, Generate)], requests):
        jobs = dict(zip(which, make_jobs([requests[i] for i in which], backend.encoder), strict=True))
        batches = plan(rows_of(jobs), backend.pass_tokens, batch_tokens=backend.batch_tokens)
        _add(scored, batches, size, shared)
    for which in parts([i for i, r in enumerate(requests) if isinstance(r, Generate)], requests):
        asked = {i: r for i in which if isinstance(r := requests[i], Generate)}
        batches = backend.plan_texts(asked)[1]
        _add(generated, batches, size, shared)
        generated.lengths += [[max(1, row.new) for row in batch.rows] for batch in batches]
        if shared:
            generated.kept = max(generated.kept, *map(_kept, batches))
        elif isinstance(backend.engine, PlainEngine) and backend.engine.keeps_cache:
            generated.kept = max(generated.kept, *(sum(len(row.ids) for row in batch.rows) for batch in batches))
    return scored, generated


def _kept(batch: Batch) -> int:
    """The rows' own prompts, and the buffers (attention/decode.py) that these are copied to."""
    own = [len(segment.ids) for segments in batch.passes for segment in segments if segment.row is not None]
    return sum(own) + sum(len(which) * (max(own[n] for n in which) + ROOM) for which in like_lengths(own))


def _add(load: Workload, batches: Sequence[Batch], size: ModelSize, shared: bool) -> None:
    for batch in batches:
        rows = batch.rows
        reads = sum(row.reads for row in rows)
        if reads > load.most_reads:
            load.most_read, load.most_reads = load.batches, reads
        load.batches += 1
        load.requests.append(sorted({row.request for row in rows}))
        load.asked += sum(len(row.ids) for row in rows)
        if shared:
            segments = [segment for segments in batch.passes for segment in segments]
            tokens = sum(len(s.ids) for s in segments)
            pairs = sum(len(s.ids) * (s.start + len(s.ids) / 2) for s in segments)
        else:
            tokens = sum(len(row.ids) for row in rows)
            pairs = sum(len(row.ids) ** 2 / 2 for row in rows)
        load.computed += tokens
        load.operations += size.forward(tokens, pairs, reads)
