"""A model as judge: what it is asked, through any server that speaks OpenAI's API, and how its answer is read.

judges/judging/session.py asks it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.backends.endpoint import replies
from harness.backends.endpoint.text import control_names
from harness.prompting import thinking
from judges.judging.cost import Estimate, Prices, estimate, worst_tokens
from judges.judging.verdict import Said, UnclearError, parse
from judges.store.rows import ComparisonRow, JudgeRow

if TYPE_CHECKING:
    from harness.backends.endpoint.client import Remote
    from judges.judging.pairs import Asked, Contest
    from judges.judging.prompts import JudgingPrompts, Messages
    from judges.store import Store

VERSION = "2"  # changes whenever a verdict may come out differently for the same request
REFUSED, UNREADABLE, NO_ANSWER = "refused", "unreadable", "no answer"
SERVERS = (REFUSED, UNREADABLE, NO_ANSWER)  # how errors begin that are no word of the judge
MOST_ASKED = 3  # times in all, where a judge answers and gives no clear verdict
TAKEN_OVER = "taken over from an equal request"
_ASKED = re.compile(r"asked (\d+) times")


@dataclass(frozen=True, slots=True)
class Spec:
    """What makes a model's verdicts. The server's address is recorded and no part of it: a server may move."""

    model: str
    prompts: JudgingPrompts
    references: Mapping[str, Sequence[str]] | None = None  # by question; None: those of the prompt set
    temperature: float | None = 0.0  # None: sent is none, for models that take none
    max_tokens: int = 2048

    def id(self) -> str:
        parts = {
            "version": VERSION,
            "model": self.model,
            "prompts": self.prompts.digest,
            "references": self.references_digest(),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def references_digest(self) -> str:
        if self.references is None:
            return ""
        pairs = sorted((question, list(texts)) for question, texts in self.references.items())
        return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()

    def row(self, base_url: str) -> JudgeRow:
        config = {
            "base_url": base_url,
            "prompts": self.prompts.source,
            "prompts_digest": self.prompts.digest,
            "references": "a file" if self.references is not None else "the prompt set's",
            "references_digest": self.references_digest(),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "version": VERSION,
        }
        return JudgeRow(self.id(), "model", self.model, datetime.now(UTC), self.model, config)

    def reference(self, asked: Asked) -> tuple[str, ...]:
        """The references of the turns up to the one judged; () unless all of them are there."""
        known = asked.question.reference
        if self.references is not None:
            known = self.references.get(asked.question.question, ())
        return tuple(known[: asked.turn]) if len(known) >= asked.turn else ()

    def messages(self, contest: Contest, asked: Asked) -> Messages:
        turns = asked.question.turns[: asked.turn]
        sides = [contest.answers(side, asked) for side in (asked.first, asked.second)]
        return self.prompts.messages(turns, self.reference(asked), *sides)

    def body(self, messages: Messages, base_url: str) -> dict[str, Any]:
        return request_body(self.model, messages, self.max_tokens, self.temperature, base_url)


def request_body(
    model: str, messages: Messages, max_tokens: int, temperature: float | None, base_url: str
) -> dict[str, Any]:
    """Of /chat/completions."""
    # OpenAI's own server wants the newer name, which other servers do not all know
    limit = "max_completion_tokens" if "//api.openai.com" in base_url else "max_tokens"
    body: dict[str, Any] = {"model": model, "messages": messages, limit: max_tokens}
    return body if temperature is None else {**body, "temperature": temperature}


@dataclass(frozen=True, slots=True)
class Job:
    """One request."""

    asked: Asked
    id: str
    messages: Messages
    request: str  # digest
    error: ComparisonRow | None = None  # what came of it before, where it was asked and gave no verdict

    @property
    def worst(self) -> int:
        return worst_tokens(self.messages)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one judge has still to be asked."""

    spec: Spec
    jobs: Sequence[Job]  # not judged yet, or without a verdict
    there: Sequence[ComparisonRow]  # verdicts, and errors that are not asked again
    estimate: Estimate
    warnings: Sequence[str] = ()


def plan(store: Store, contest: Contest, spec: Spec, rates: Prices | None) -> Plan:
    """What this judge has still to be asked, and what that will cost. Nothing is sent.

    An error is asked again, once a session: the server may be well by now. One in which the judge did answer, and
    its text held no verdict, is asked MOST_ASKED times in all."""
    judge = spec.id()
    sides = [answers.id for answers in contest.sets]
    known = {row.id: row for row in store.comparisons([judge], sides)}
    ids = {asked.id(judge): asked for asked in contest.asked}
    jobs = []
    for key, asked in ids.items():
        before = known.get(key)
        if before is None or _open(before):
            messages = spec.messages(contest, asked)
            jobs.append(Job(asked, key, messages, _digest(messages, asked.repeat), before))
    there = [row for key, row in known.items() if key in ids and not _open(row)]
    first_of_its_kind = {job.request: job for job in jobs}.values()
    costs = estimate([job.worst for job in first_of_its_kind], spec.max_tokens, rates)
    return Plan(spec, jobs, there, costs, _warnings(contest))


def _warnings(contest: Contest) -> list[str]:
    """Of texts that the server may read otherwise than as text: from here that can be neither helped nor seen."""
    per_comparison = (
        control_names((*asked.question.turns[: asked.turn], *contest.answers(asked.first, asked)))
        + control_names(contest.answers(asked.second, asked))
        for asked in contest.asked
    )
    marked = [names for names in per_comparison if names]
    if not marked:
        return []
    every = list(dict.fromkeys(name for names in marked for name in names))
    more = f" and {len(every) - 6} more" if len(every) > 6 else ""
    return [
        f"{len(marked)} of {len(contest.asked)} comparisons have {', '.join(every[:6])}{more} in a question or an "
        "answer; the server may read such names as control tokens."
    ]


def ask(remote: Remote, spec: Spec, rates: Prices | None, judge_id: str, job: Job) -> ComparisonRow:
    """One request and what its answer says. Raises what `Remote.chat` raises."""
    began = time.perf_counter()
    reply = replies.chat(remote.chat(**spec.body(job.messages, remote.base_url)))
    asked, generated = reply.asked, reply.generated
    if asked is None or generated is None:
        asked, generated = job.worst, spec.max_tokens  # a server that does not count is taken at its worst
    row = replace(
        empty_row(judge_id, job),
        text=reply.text or (f"({reply.missing})\n{reply.thought}" if reply.thought else ""),
        tokens_in=asked,
        tokens_out=generated,
        cost=rates.of(asked, generated) if rates else None,
        seconds=time.perf_counter() - began,
    )
    if reply.missing:
        return replace(row, error=f"{NO_ANSWER}: {reply.missing}")
    try:
        return replace(row, verdict=_verdict(reply.text, reply.finish == "length" and not reply.thought))
    except UnclearError as unclear:
        cut = " (cut off at the limit of tokens)" if reply.finish == "length" else ""
        return replace(row, error=f"{unclear}{cut}", note=f"asked {_times(job.error) + 1} times" if job.error else "")


def _verdict(text: str, is_cut: bool) -> Said:
    """The verdict of a judge's answer. Where no tag shows a thought, a text that is cut off may be one all the same (a
    server's chat template may have opened it): then a verdict counts only as its first or last words."""
    if thinking.is_unfinished(text):
        raise UnclearError(f"no verdict: {thinking.UNFINISHED}")
    answer = thinking.answer_of(text).strip()
    if is_cut and not thinking.has_thought(text) and not answer.startswith("[[") and not answer.endswith("]]"):
        parse(answer)
        raise UnclearError("no verdict: the judge's text does not end, and its verdict may be a passing thought")
    return parse(answer)


def empty_row(judge_id: str, job: Job, error: str = "") -> ComparisonRow:
    """The verdict on a job before there is one."""
    return ComparisonRow(
        id=job.id,
        judge=judge_id,
        question=job.asked.question.question,
        turn=job.asked.turn,
        first=job.asked.first,
        second=job.asked.second,
        repeat=job.asked.repeat,
        verdict="error",
        error=error,
        request=job.request,
        created=datetime.now(UTC),
    )


def in_all(row: ComparisonRow, job: Job) -> ComparisonRow:
    """With what the times before cost, where a job was asked again."""
    before = job.error
    if before is None:
        return row
    return replace(
        row,
        tokens_in=row.tokens_in + before.tokens_in,
        tokens_out=row.tokens_out + before.tokens_out,
        cost=None if row.cost is None and before.cost is None else (row.cost or 0.0) + (before.cost or 0.0),
    )


def taken_over(row: ComparisonRow, job: Job) -> ComparisonRow:
    """The verdict on an equal request as that on this job."""
    return replace(
        empty_row(row.judge, job, row.error),
        verdict=row.verdict,
        text=row.text,
        note=TAKEN_OVER if row.verdict != "error" else row.note,
        cost=None if row.cost is None else 0.0,
    )


def _open(row: ComparisonRow) -> bool:
    """Whether a stored row is an error that is asked again."""
    if row.verdict != "error":
        return False
    return row.error.startswith(SERVERS) or _times(row) < MOST_ASKED


def _times(row: ComparisonRow) -> int:
    """How often a judge was asked that gave no clear verdict."""
    counted = _ASKED.fullmatch(row.note)
    return int(counted[1]) if counted else 1


def _digest(messages: Messages, repeat: int) -> str:
    return hashlib.sha256(json.dumps([messages, repeat]).encode()).hexdigest()
