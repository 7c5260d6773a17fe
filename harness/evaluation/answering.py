"""The loop of a run: ask what is missing, store each batch as it comes, score what is complete.

A batch of answers is committed before the next is computed; that is all of resume. Scoring that runs
programs (`slow_scoring`) goes on in threads beside the model, and its samples follow in later commits.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.evaluation import no_answer
from harness.evaluation.planning import TaskPlan
from harness.evaluation.task_result import more_is_better
from harness.progress import Progress
from harness.prompting import thinking
from harness.prompting.chat_templates import conversation
from harness.types import Choice, Generate, Item, Loglikelihood, Request, Response, Rolling, Sample

if TYPE_CHECKING:
    from harness.results import ResponseRow, SampleRow, Store
    from harness.results.rows import ResponseKind
    from harness.types import Backend


@dataclass(slots=True)
class Clock:
    """Seconds by kind of work, on the run's own thread."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, kind: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - began


def answer_task(
    plan: TaskPlan, backend: Backend, store: Store, run_id: str, strip_thinking: bool, clock: Clock, progress: Progress
) -> None:
    """Answer and score all of a task that the store does not hold yet. Of a task whose answers a grader reads
    (grading.py), answer only."""
    scorer = Scorer(plan, store, run_id, strip_thinking, clock, progress)
    with scorer:
        done = scorer.take_stored()
        if len(done) == len(plan.requests):
            return
        batches = backend.answer(plan.requests, done)
        while True:
            with clock("model"):
                batch = next(batches, None)
            if batch is None:
                break
            scorer.take(batch)


class Scorer:
    """Stores answers as they come, scores what is complete, and tells how far it is."""

    def __init__(
        self, plan: TaskPlan, store: Store, run_id: str, strip_thinking: bool, clock: Clock, progress: Progress
    ) -> None:
        self.plan, self.store, self.run_id = plan, store, run_id
        self.strip_thinking, self.clock, self.progress = strip_thinking, clock, progress
        self.place = {(plan.items[i].id, repeat, part): n for n, (i, repeat, part) in enumerate(plan.keys)}
        self.parts: dict[tuple[int, int], int] = {}
        for i, repeat, _ in plan.keys:
            self.parts[i, repeat] = self.parts.get((i, repeat), 0) + 1
        self.waiting: dict[tuple[int, int], dict[int, Response]] = {}  # answered in part
        self.scored = self.tokens = 0  # scored: of a task that is graded, answered
        self.detail = ""
        self.is_graded = getattr(plan.task, "grading", None) is not None
        threads = os.cpu_count() or 1
        self.pool = ThreadPoolExecutor(threads) if plan.task.slow_scoring else None
        self.pending: deque[tuple[int, Future[Sample]]] = deque()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *rest: object) -> None:
        if self.pool is None:
            return
        if kind is None:
            self.settle()
        self.pool.shutdown(wait=kind is None, cancel_futures=True)

    def settle(self) -> None:
        """Wait until all that was answered is scored and stored."""
        while self.pending:
            self._store([], self._finished(wait=True))

    def take_stored(self) -> set[int]:
        """What an earlier session left: returns the answered requests, scores what it had not come to."""
        with self.clock("store"):
            answered = self.store.answered(self.run_id, self.plan.task.name)
            scored = self.store.scored(self.run_id, self.plan.task.name)
        done = {self.place[key] for key in answered if key in self.place}
        self.scored = len(done) if self.is_graded else len(scored)
        self.show()
        if self.is_graded:
            return done
        open_items = {item for item, repeat, _ in answered if (item, repeat) not in scored}
        if open_items:
            with self.clock("store"):
                rows = self.store.responses(self.run_id, self.plan.task.name, open_items)
            rows = [r for r in rows if (r.item, r.repeat) not in scored]
            self._score(self._complete([(self.place[r.item, r.repeat, r.part], response_of(r)) for r in rows]), [])
        return done

    def take(self, batch: Sequence[tuple[int, Response]]) -> None:
        rows = [self._row(n, response) for n, response in batch]
        self.tokens += sum(row.asked - row.reused + row.generated for row in rows)
        self._score(self._complete(batch), rows)

    def _complete(self, batch: Sequence[tuple[int, Response]]) -> list[tuple[int, int, list[Response]]]:
        """(item, repeat, its responses in order) for all whose last part is in this batch."""
        complete = []
        for n, response in batch:
            i, repeat, part = self.plan.keys[n]
            parts = self.waiting.setdefault((i, repeat), {})
            parts[part] = response
            if len(parts) == self.parts[i, repeat]:
                complete.append((i, repeat, [parts[p] for p in sorted(parts)]))
                del self.waiting[i, repeat]
        return complete

    def _score(self, complete: list[tuple[int, int, list[Response]]], rows: list[ResponseRow]) -> None:
        if self.is_graded:
            self.scored += len(complete)
            self._store(rows, [])
            return
        if self.pool is not None:
            self._store(rows, self._finished(wait=False))
            for i, repeat, responses in complete:
                self.pending.append((repeat, self.pool.submit(self._score_one, self.plan.items[i], responses)))
            return
        with self.clock("scoring"):
            samples = [self._sample_row(r, self._score_one(self.plan.items[i], rs)) for i, r, rs in complete]
        self._store(rows, samples)

    def _score_one(self, item: Item, responses: list[Response]) -> Sample:
        sample = self._score_of_task(item, responses)
        better = {name: more_is_better(name, self.plan.task.settings) for name in sample.metrics}
        return no_answer.overlooked(sample, responses, better)

    def _score_of_task(self, item: Item, responses: list[Response]) -> Sample:
        if not self.strip_thinking:
            return self.plan.task.score(item, responses)
        sample = self.plan.task.score(item, [replace(r, text=thinking.answer_of(r.text)) for r in responses])
        unfinished = [thinking.is_unfinished(r.text) for r in responses]
        if not any(unfinished):
            return sample
        note = "; ".join(filter(None, (f"no answer: {thinking.UNFINISHED}", sample.note)))
        return replace(
            sample, metrics=self._no_answer(sample.metrics) if all(unfinished) else sample.metrics, note=note
        )

    def _no_answer(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """No metric of which more is better is above 0: an empty text may be a right answer, a thought is none."""
        settings = self.plan.task.settings
        return {name: min(value, 0.0) if more_is_better(name, settings) else value for name, value in metrics.items()}

    def _finished(self, wait: bool) -> list[SampleRow]:
        """Samples whose programs have run; with `wait`, at least one."""
        rows = []
        while self.pending and (wait or self.pending[0][1].done()):
            repeat, future = self.pending.popleft()
            with self.clock("scoring"):
                rows.append(self._sample_row(repeat, future.result()))
            wait = False
        return rows

    def _store(self, rows: list[ResponseRow], samples: list[SampleRow]) -> None:
        if rows or samples:
            with self.clock("store"):
                self.store.record(self.run_id, rows, samples)
            self.scored += len(samples)
            self.show()

    def show(self, detail: str = "") -> None:
        """Tell how far it is; `detail` stays until another is given."""
        self.detail = detail or self.detail
        self.progress.update(
            self.plan.task.name,
            self.scored,
            self.plan.samples,
            unit="samples",
            tokens=self.tokens,
            detail=self.detail,
        )

    def _row(self, n: int, response: Response) -> ResponseRow:
        from harness.results import ResponseRow

        i, repeat, part = self.plan.keys[n]
        request = self.plan.requests[n]
        shared, own = _prompt(request)
        return ResponseRow(
            run=self.run_id,
            task=self.plan.task.name,
            item=self.plan.items[i].id,
            repeat=repeat,
            part=part,
            kind=KINDS[type(request)],
            shared=shared,
            own=own,
            options=request.options if isinstance(request, Choice | Loglikelihood) else (),
            text=response.text,
            logprobs=response.logprobs,
            greedy=response.greedy,
            tokens=response.tokens,
            finish=response.finish,
            asked=response.asked,
            reused=response.reused,
            generated=response.generated,
            warnings=response.warnings,
        )

    def _sample_row(self, repeat: int, sample: Sample) -> SampleRow:
        return sample_row(self.run_id, self.plan.task.name, repeat, sample)


def sample_row(run_id: str, task: str, repeat: int, sample: Sample) -> SampleRow:
    """A sample as it is stored."""
    from harness.results import SampleRow

    return SampleRow(
        run=run_id,
        task=task,
        item=sample.item.id,
        repeat=repeat,
        group=sample.item.group,
        cluster=sample.item.cluster,
        metrics=sample.metrics,
        answer=sample.answer,
        expected=sample.expected,
        note=sample.note,
    )


KINDS: dict[type, ResponseKind] = {
    Choice: "choice",
    Loglikelihood: "loglikelihood",
    Rolling: "rolling",
    Generate: "generate",
}


def response_of(row: ResponseRow) -> Response:
    return Response(
        text=row.text,
        logprobs=row.logprobs,
        greedy=row.greedy,
        tokens=row.tokens,
        finish=row.finish,
        asked=row.asked,
        reused=row.reused,
        generated=row.generated,
        warnings=row.warnings,
    )


def _prompt(request: Request) -> tuple[str, str]:
    """What is stored as asked: the shared text and the item's own; a conversation is all its turns."""
    if isinstance(request, Rolling):
        return "", request.text
    prompt = request.prompt
    if not prompt.earlier and not prompt.system:
        return prompt.shared, prompt.own
    turns = conversation((*prompt.earlier, prompt.shared + prompt.own), prompt.system)
    return "", "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
