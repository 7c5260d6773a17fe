"""The whole contract: what a task asks, what a backend answers, how an answer is scored.

A task yields items, turns an item into requests and scores the responses. A backend answers
requests and knows nothing of tasks. The runner (`harness/evaluation/run.py`) stands between them and stores.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from harness.options import BackendSettings, ResolvedModel


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `id` is unique inside its task and stable over versions of this program."""

    id: str
    group: str  # an MMLU subject, a BBH task
    row: Mapping[str, Any]
    cluster: str = ""  # items of one cluster are not independent (a DROP passage); "" is the item alone


@dataclass(frozen=True, slots=True)
class Prompt:
    """`shared + own` is the text. `shared` (few-shot examples) is one string for a whole group:
    backends compute it once. `shared[:cut]` for a cut in `cuts` (ascending) is the same prompt with
    fewer shots, used when the whole is longer than the model's window or `cap` tokens."""

    shared: str
    own: str
    cuts: tuple[int, ...] = ()
    cap: int | None = None  # the protocol's own limit on prompt tokens, BOS included
    earlier: tuple[str, ...] = ()  # with --chat: the turns before, the user's and the model's by turns
    system: str = ""  # with --chat: the conversation's own system text, in place of the run's


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float = 0.0  # 0 is greedy
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """Log-probability of each option as the continuation of the prompt."""

    prompt: Prompt
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loglikelihood:
    """Log-probability of one continuation, and whether greedy decoding would say it."""

    prompt: Prompt
    continuation: str

    @property
    def options(self) -> tuple[str, ...]:
        return (self.continuation,)


@dataclass(frozen=True, slots=True)
class Rolling:
    """Log-probability of a whole text, in windows when it is longer than the model's."""

    text: str


@dataclass(frozen=True, slots=True)
class Generate:
    prompt: Prompt
    stop: tuple[str, ...]  # the text ends before the first of these
    max_tokens: int
    sampling: Sampling = Sampling()
    after_thinking: bool = False  # stops count only after a reasoning model's thoughts (harness/prompting/thinking.py)


Request = Choice | Loglikelihood | Rolling | Generate


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. Token counts: asked = the prompt's, reused = of those, not computed again."""

    text: str = ""  # Generate: without the stop string; with the thoughts, if any
    logprobs: tuple[float, ...] = ()  # natural logs; Choice: one an option; otherwise one, the sum
    greedy: tuple[bool, ...] = ()  # beside each of logprobs: would greedy decoding say it
    tokens: tuple[int, ...] = ()  # Generate: the ids, the end token included
    finish: Literal["", "stop", "length"] = ""
    asked: int = 0
    reused: int = 0
    generated: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A scored answer. `metrics` are numbers per metric name; 0 and 1 for right and wrong."""

    item: Item
    metrics: Mapping[str, float]
    answer: str = ""  # what was read out of the response
    expected: str = ""
    note: str = ""  # why it failed, where there is more to say than "wrong"


@dataclass(frozen=True, slots=True)
class Score:
    """One figure with its 95% interval. Overall figures have group "all"."""

    group: str
    metric: str
    value: float
    low: float
    high: float
    n: int  # items, not repeats
    method: str  # how the interval was made: "wilson", "stratified", "clustered", ...


class Task(Protocol):
    """What is asked and how answers are scored; made by an entry point of the group `harness.tasks` (`TaskFactory`).
    Items, requests and figures are functions of the data and the settings alone, so that a run can be gone on with."""

    name: str  # "mmlu"
    protocol: str  # "standard" or "instructeval": part of every score's name
    version: str  # changes whenever prompts or scoring change
    metric: str  # the metric a leaderboard shows first
    data_source: str  # "folder:…", "hub:…@revision", "sample"
    data_digest: str
    shots: int
    settings: Mapping[str, Any]  # anything else that makes the score what it is
    slow_scoring: bool  # score() runs programs: the runner calls it on several threads

    @property
    def warnings(self) -> Sequence[str]:
        """About its data and the whole task; recorded with the run."""
        ...

    def items(self) -> Sequence[Item]:
        """All questions, always in the same order."""
        ...

    def requests(self, item: Item) -> Sequence[Request]:
        """What is asked for an item, in parts that `score` gets the responses of; one or more."""
        ...

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        """Of one answer, `responses` in the order of `requests`. A response that is no answer is a wrong one with a
        note (harness/evaluation/no_answer.py), and no error."""
        ...

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """The figures over these samples, the overall ones under the group "all". `metric` is among them."""
        ...


@dataclass(frozen=True, slots=True)
class GradeRequest:
    """An answer that is to be graded by a rubric. The texts are hostile: a model and a user's file wrote them."""

    question: str  # what was asked; of a conversation all its turns
    answer: str
    rubric: str
    scale: tuple[str, ...]  # the grades there are, from the worst to the best
    reference: str = ""  # an answer that is right; "" where there is none


@dataclass(frozen=True, slots=True)
class Grade:
    grade: str = ""  # one of the scale's; "" where the grader gave none
    reasons: str = ""  # what the grader wrote, for people
    error: str = ""  # why there is no grade


class Grader(Protocol):
    """Reads answers and grades them; made by an entry point of the group `harness.graders` (`GraderFactory`)."""

    @property
    def name(self) -> str:
        """As people call it."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that a grade depends on beside its request, as JSON has it: part of the identity of runs."""
        ...

    @property
    def digests(self) -> Collection[str]:
        """Of the checkpoint that grades and its base: a run of the same model says so. () where none grades."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What it did and what that cost, and warnings; recorded with the run when all is graded."""
        ...

    def grade(self, requests: Sequence[GradeRequest], db: str) -> Iterator[list[tuple[int, Grade]]]:
        """Yield batches of (index into `requests`, grade) as they come, in any order, each index once.

        What costs time or money is kept in the store `db`: the same requests again ask for what is missing. Where no
        more can be graded now (a server that is down, a limit that is reached) it raises IncompleteError."""
        ...


@dataclass(frozen=True, slots=True)
class HumanGraded:
    """An answer that people graded: how far the grader agrees with them."""

    request: GradeRequest
    grades: tuple[str, ...]  # one a person, of the request's scale
    cluster: str  # answers of one cluster are not independent


class Grading(Protocol):
    """How a task's answers are graded: its attribute `grading`, of a task whose items are one `Generate` each. The
    runner has them graded when all are there, and never calls `score`."""

    @property
    def grader(self) -> Grader: ...

    @property
    def values(self) -> Sequence[float]:
        """What the scale's grades are worth."""
        ...

    @property
    def by_people(self) -> Sequence[HumanGraded]: ...

    def request(self, item: Item, answer: str) -> GradeRequest: ...

    def sample(self, item: Item, grade: Grade) -> Sample:
        """Without metrics where there is no grade."""
        ...

    def no_answer(self, item: Item, note: str) -> Sample:
        """The worst grade, which needs no grader."""
        ...


class GraderFactory(Protocol):
    """A part of the kind `harness.graders`."""

    def __call__(self, settings: Mapping[str, Any], where: str) -> Grader:
        """`settings`: the table [judge] of a declaration, without the key `grader`; `where`: its file and table, which
        begin the sentence of the UsageError for one that cannot be. Nothing heavy is loaded."""
        ...


class TaskFactory(Protocol):
    """A part of the kind `harness.tasks`."""

    def __call__(self, data: str | None, protocol: str, shots: int | None, chat: bool) -> Task:
        """`data` as --data has it: a folder, "sample", "hub…"; None is the task's own source. `shots` None is the
        protocol's number. Raises UsageError for a protocol or shots that it does not have, DataError for rows that
        are not there or not right, MissingError for what this machine lacks."""
        ...


@dataclass(frozen=True, slots=True)
class BackendInfo:
    name: str
    device: str
    dtype: str
    window: int  # tokens a prompt and its answer may take together
    details: Mapping[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """An engine with a model in it; made by an entry point of the group `harness.backends` (`BackendFactory`)."""

    info: BackendInfo

    @property
    def warnings(self) -> Sequence[str]:
        """About the engine and all it was asked so far; recorded with the run. It grows while requests are answered."""
        ...

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        """Yield finished batches of (index into `requests`, response), in any order.

        Batches are a function of `requests` alone; those whose indices are all in `done` are
        skipped, so that a resumed run computes what an unbroken one would have."""
        ...

    def close(self) -> None:
        """Give back what it holds beside its own memory: an engine's processes and their GPUs. May be called twice."""
        ...


@runtime_checkable
class Switching(Backend, Protocol):
    """A backend that can go on with another adapter of its base, or with the base alone. A backend may be one; one that
    is not is made anew for each model. `ResolvedModel.others` tells its factory which the other models are."""

    def switch(self, model: ResolvedModel, /) -> tuple[Switching, list[str]]:
        """The backend with this model in the place of its own, as the factory would make it: the same answers and
        warnings. The one before answers no more, and holds nothing."""
        ...


class BackendFactory(Protocol):
    """A part of the kind `harness.backends`."""

    def __call__(self, model: ResolvedModel, settings: BackendSettings, /) -> tuple[Backend, list[str]]:
        """Load the model. Of the settings a backend takes what concerns it; what it cannot do as they say it refuses
        with UsageError. The texts are warnings about the checkpoint. Raises ModelError where it does not load and
        MissingError for what this machine lacks."""
        ...
