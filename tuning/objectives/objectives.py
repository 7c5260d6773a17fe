"""What a search makes small: one objective, several, or one under constraints. All are "lower is better".

    validation          mean negative log-likelihood of the validation responses, nats a token
    seconds             of the training
    memory              peak bytes of the device
    adapter-size        bytes of the adapter's tensors
    benchmark:TASK@N    1 - the task's headline score on the first N items of each group, through `harness run` on
                        the merged adapter; `tune top --run` then leaves these items out of what it reports
    win-rate:JUDGE@N    1 - the adapter's win rate against the base on N open prompts (win_rate_objective.py)
    forgetting[:FILE]   loss on neutral text less the base's own, nats a token (forgetting.py)

A constraint is one of these with a limit: "seconds<=600". Objectives are parts (harness/registry.py), found by the word
before the colon.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness import registry
from harness.errors import IncompleteError, ModelError, UsageError
from harness.progress.named import Named
from harness.tasks import parse
from tuning.objectives.forgetting import NAME as FORGETTING
from tuning.objectives.forgetting import Forgetting
from tuning.objectives.win_rate_objective import WinRate
from tuning.types import Measured, Objective, ObjectiveFactory, Surroundings, TrialError

if TYPE_CHECKING:
    from harness.evaluation.task_result import Answer
    from harness.types import Score
    from tuning.store import Store

Measure = Callable[[Measured], float]
Growth = Literal["constant", "rising", "proportional", "unknown"]  # of a value with the rows that are trained on
GROWTHS: dict[str, Growth] = {"adapter-size": "constant", "memory": "rising", "seconds": "proportional"}

NOWHERE = Surroundings("", "", None, "", None, "")  # to look at words alone


@dataclass(frozen=True, slots=True)
class Slice:
    """`benchmark:TASK@N`."""

    task: str
    limit: int

    @staticmethod
    def of(text: str) -> Slice:
        task, _, limit = text.removeprefix("benchmark:").rpartition("@")
        if not task or not limit.isdecimal() or int(limit) < 1:
            raise UsageError(f"A benchmark objective is written benchmark:TASK@N (items a group), not {text!r}.")
        parse(task)
        return Slice(task, int(limit))

    @property
    def word(self) -> str:
        return f"benchmark:{self.task}@{self.limit}"

    @property
    def tag(self) -> str:
        """Of the runs that measured it."""
        return f"objective:{self.task}@{self.limit}"

    def measure(self, measured: Measured, where: Surroundings) -> float:
        """TrialError where the run cannot end well with this adapter; what stops any run stops the study."""
        from harness.evaluation.run import run
        from harness.options import RunOptions

        adapter = str(measured.trained.adapter)
        options = RunOptions(
            model=adapter,
            base=where.model,
            tasks=self.task,
            db=where.db,
            data=where.bench_data,
            limit=self.limit,
            device=where.device,
            add_bos=where.add_bos,
            chat=where.template == "chat",
            tags=(self.tag,),
        )
        try:
            with Named(where.progress, self.word) as progress:
                scores = run(options, progress).scores
        except (ModelError, IncompleteError) as error:
            raise TrialError(f"{self.task}: {error}") from error
        overall = [score for score in scores if score.group == "all"]
        if not overall:
            raise TrialError(f"{self.task}: the run has no figure; `harness show` says why")
        # a group of lm-eval's stands behind its tasks, and is what was asked for
        return 1 - next((score.value for score in overall if score.task == self.task), overall[0].value)


def slices(objectives: Sequence[str], constraints: Sequence[str]) -> list[Slice]:
    """Of all benchmark objectives and constraints."""
    words = [*objectives, *(c.partition("<=")[0] for c in constraints)]
    return [Slice.of(word) for word in words if word.startswith("benchmark:")]


def objective_of(word: str) -> Objective:
    """UsageError for an objective that there is not."""
    of: ObjectiveFactory = registry.load("objectives", word.partition(":")[0])
    return of(word)


def measure_of(word: str, where: Surroundings) -> Measure:
    """UsageError for an objective that there is not."""
    objective = objective_of(word)
    return lambda measured: objective.measure(measured, where)


def growth(text: str) -> Growth:
    """How the value of an objective, or of what a constraint limits, changes with the rows. Only the first three never
    fall."""
    return GROWTHS.get(text.partition("<=")[0].partition(":")[0].strip(), "unknown")


def words_of(text: str) -> tuple[str, ...]:
    """Objectives that stand one after the other with commas. UsageError where there is no such one, or one twice."""
    words = tuple(word.strip() for word in text.split(","))
    for word in words:
        objective_of(word)
        if words.count(word) > 1:
            raise UsageError(f"The objective {word} stands twice.")
    return words


def check_constraint(text: str) -> None:
    """UsageError where this is no constraint."""
    constraint_of(text, NOWHERE)


def kept(text: str, where: Surroundings) -> str:
    """An objective or a constraint as a study keeps it."""
    word, sign, limit = (part.strip() for part in text.partition("<="))
    if word.startswith("win-rate:"):
        return WinRate.of(word).kept(where.prompts) + sign + limit
    return Forgetting.of(word).kept() + sign + limit if word.partition(":")[0] == FORGETTING else text


def constraint_of(text: str, where: Surroundings) -> Measure:
    """ "seconds<=600" as a measure that is at most 0 where it holds."""
    word, most = limit_of(text)
    measure = measure_of(word, where)
    return lambda measured: measure(measured) - most


def limit_of(text: str) -> tuple[str, float]:
    """What "seconds<=600" limits, and its limit. UsageError where the text is not written so."""
    word, sign, limit = (part.strip() for part in text.partition("<="))
    try:
        most = float(limit)
    except ValueError:
        most = float("nan")
    if not sign or not 0 <= most < math.inf:
        raise UsageError(f"A constraint is written NAME<=NUMBER (from 0 up), for example seconds<=600, not {text!r}.")
    return word, most


def outside(store: Store, run: str, task: str, part: Slice) -> list[Score]:
    """A finished run's headline scores of a task over the items that the objective never saw."""
    metric = next(row.metric for row in store.tasks(run) if row.task == task)
    own = seen(store, task, part)
    return scores_of([row for row in store.samples(run, task) if row.item not in own], metric)


def seen(store: Store, task: str, part: Slice) -> set[str]:
    """The items of a task that the objective was measured on."""
    measured = [name for name, tags in store.tags().items() if part.tag in tags]
    return {row.item for name in measured for row in store.samples(name, task)}


def scores_of(rows: Sequence[Answer], metric: str) -> list[Score]:
    """The headline score of these samples; [] where the metric is no mean over items."""
    from harness.stats import intervals
    from harness.types import Item, Sample

    samples = [Sample(Item(row.item, row.group, {}, row.cluster), row.metrics) for row in rows]
    plain = metric.removesuffix("_macro")
    scores = intervals.scores(samples, plain, macro=metric != plain, by_group=False)
    return [score for score in scores if score.metric == metric]
