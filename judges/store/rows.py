"""The rows of preference: prompt sets, answers, judges, comparisons, rating plans (tables in schema.sql)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Verdict = Literal["first", "second", "tie", "bad", "skip", "error"]
JudgeKind = Literal["model", "reference", "program", "person"]
VERDICTS: tuple[Verdict, ...] = ("first", "second", "tie", "bad", "skip", "error")


@dataclass(frozen=True, slots=True)
class PromptSetRow:
    digest: str  # sha256, hex
    name: str
    source: str  # "folder:…", "hub:…@revision", "sample"
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One prompt; key (prompt_set, question)."""

    prompt_set: str
    question: str
    place: int
    category: str
    turns: Sequence[str]
    reference: Sequence[str] = ()  # by turn; () where there is none


@dataclass(frozen=True, slots=True)
class AnswerSetRow:
    """One checkpoint's answers to one prompt set, made in one way."""

    id: str  # uuid4, hex
    identity: str  # sha256, hex: equal for two sets that are made alike
    name: str  # what rankings call it
    status: Literal["running", "finished", "imported"]
    prompt_set: str
    model: str
    created: datetime
    model_digest: str = ""
    base_digest: str = ""
    backend: str = ""
    device: str = ""
    dtype: str = ""
    template: str = ""
    seed: int = 0
    finished: datetime | None = None
    command: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def configuration(self) -> str:
        """Which of several trainings of it answered; "" where none is named. A ranking has them as one player."""
        return str(self.config.get("configuration") or "")


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer; key (answer_set, question, turn)."""

    answer_set: str
    question: str
    turn: int  # from 1
    text: str
    prompt: str = ""
    temperature: float = 0.0
    top_p: float = 1.0
    answer_seed: int = 0
    finish: Literal["", "stop", "length"] = ""
    asked: int = 0
    generated: int = 0
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class JudgeRow:
    """Whoever compares answers. A rater is a judge of kind "person"."""

    id: str
    kind: JudgeKind
    name: str
    created: datetime
    model: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    token: str = ""  # sha256, hex, of the invitation token
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One verdict on an ordered pair of answers. For a vote, `id` is the page's key and `turn` is 0."""

    id: str
    judge: str
    question: str
    turn: int
    first: str  # answer set shown as A, or on the left
    second: str
    verdict: Verdict
    created: datetime
    repeat: int = 0
    text: str = ""
    note: str = ""
    error: str = ""
    request: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    seconds: float = 0.0
    superseded: datetime | None = None
    assignment: str = ""


@dataclass(frozen=True, slots=True)
class GradeRow:
    """One judge's grade of one answer by one rubric; key (judge, request)."""

    judge: str
    request: str  # sha256, hex, of what the judge was asked: equal requests are asked once
    created: datetime
    grade: str = ""  # "" where there is none
    text: str = ""
    error: str = ""
    asked: int = 1  # times, while the judge's own text held no grade
    tokens_in: int = 0  # of all the times
    tokens_out: int = 0
    cost: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RatingPlanRow:
    id: str
    name: str
    prompt_set: str
    answer_sets: Sequence[str]
    ratings: int  # wanted for each pair
    created: datetime
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """A pair handed to a person, with its sides; key (plan, judge, question, {first, second})."""

    id: str  # uuid4, hex
    plan: str
    judge: str
    question: str
    first: str
    second: str
    place: int  # the person's n-th pair of the plan, from 0
    created: datetime


@dataclass(frozen=True, slots=True)
class ChosenPairsRow:
    """What one round of a choice asks of two answer sets; key (choice, round, first, second)."""

    choice: str  # a rating plan's id, or a digest of a judge and of the pairs that it chooses from
    judge: str  # "" for people
    round: int  # from 0, which has all pairs evenly
    first: str  # answer sets' ids, in their order
    second: str
    prompts: Sequence[str]  # of a plan with several ratings, one may come again
    available: int  # prompts that both answered
    created: datetime
