"""After the search: the best trials, a spread of the others and the fixed points, trained over new seeds and measured
on the test rows, which no search has seen.

A comparison is the difference b - a of negative log-likelihoods, in nats a response token, over rows and seeds, which
are crossed (harness/stats/crossed.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.progress import SILENT, Progress
from harness.stats.crossed import crossed_difference
from harness.stats.intervals import Interval
from tuning.objectives.objectives import Measure
from tuning.search.loop import Halted, record
from tuning.search.search_progress import SearchProgress
from tuning.search.worker_pool import WorkerPool
from tuning.search.workers import Job, Reply
from tuning.store import AttemptRow, StudyRow
from tuning.store.rows import BASE
from tuning.study.ledger import Ledger, hyper_of
from tuning.types import Phase, Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finalist:
    study: StudyRow
    ledger: Ledger
    trial: int  # BASE: the base itself
    why: str  # "best 1", "quantile 2 of 5", "paper-default", "base", "best of STUDY"

    @property
    def label(self) -> str:
        """Of a fixed point; "" for others."""
        return "" if self.trial == BASE else self.ledger.trials[self.trial - 1].label

    @property
    def name(self) -> str:
        return "base" if self.trial == BASE else f"trial {self.trial}"

    @property
    def configuration(self) -> str:
        """What its runs and answers over all seeds belong to (harness/evaluation/configurations.py); of the base, the
        same in every study on it."""
        if self.trial == BASE:
            return f"{Path(self.study.model).name}@{self.study.base_digest.removeprefix('sha256:')[:6]}"
        return f"{self.study.name}/{self.label or f'trial-{self.trial}'}@{self.study.id[:6]}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A finalist's test losses, in nats a response token."""

    finalist: Finalist
    losses: tuple[float, ...]  # of each seed
    failed: int  # seeds that could not be trained

    @property
    def mean(self) -> float:
        return sum(self.losses) / len(self.losses)


@dataclass(frozen=True, slots=True)
class Comparison:
    """b - a: below zero, b is better."""

    a: Finalist
    b: Finalist
    difference: Interval
    rows: int
    seeds: int  # of the side that has fewer; the base has none

    @property
    def verdict(self) -> str:
        if self.difference.high < 0:
            return "better"
        return "worse" if self.difference.low > 0 else "cannot be told apart"

    @property
    def sentence(self) -> str:
        d = self.difference
        figure = f"{d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}] nats a token"
        return f"{self.b.name} ({self.b.why}) against {self.a.name} ({self.a.why}): {figure}: {self.verdict}"


def choose(row: StudyRow, ledger: Ledger, best: int, spread: int = 0) -> list[Finalist]:
    """The best by validation loss, `spread` quantiles of all that did not fail, the fixed points, and the base.

    A trial stands once, under its first reason. UsageError where no trial ended well."""
    ranked = ledger.ranked()
    if not ranked:
        raise UsageError(f"No trial of the study {row.name} ended well: there is nothing to measure.")
    whole = [number for number in ranked if ledger.whole(number)]
    # estimates do not outrank what was measured
    first = list(dict.fromkeys([*whole, *ranked]))[:best]
    wanted = {number: f"best {place}" for place, number in enumerate(first, 1)}
    for part in range(1, spread + 1):
        place = round((part - 0.5) / spread * len(ranked) - 0.5)
        wanted.setdefault(ranked[place], f"quantile {part} of {spread}")
    for trial in ledger.trials:
        if trial.label:
            known = wanted.get(trial.number)
            wanted[trial.number] = f"{known}, {trial.label}" if known else trial.label
    return [Finalist(row, ledger, n, why) for n, why in wanted.items()] + [Finalist(row, ledger, BASE, "base")]


def train(
    finalists: Sequence[Finalist],
    seeds: int,
    pool: WorkerPool,
    folder: Callable[[StudyRow], Path],
    objectives: Sequence[Measure],
    progress: Progress = SILENT,
) -> None:
    """Train each over `seeds` new seeds on all rows, and measure on test. What is there already is not done again."""
    jobs: dict[Job, Ledger] = {}
    for finalist in finalists:
        ledger = finalist.ledger
        hyper = None if finalist.trial == BASE else hyper_of(ledger.trials[finalist.trial - 1].hyperparameters)
        for seed in _seeds(ledger, 1 if hyper is None else seeds):
            if (finalist.trial, "final", ledger.fractions[-1], seed) in ledger.attempts:
                continue
            to = place_of(folder(finalist.study), finalist.trial, seed)
            jobs[Job(finalist.trial, hyper, ledger.fractions[-1], seed, to, "final", test=True)] = ledger
    first = finalists[0]
    train_each(
        list(jobs),
        pool,
        lambda job, reply: record(jobs[job], job, reply, objectives, ()),
        lambda job, step: jobs[job].step(job, step),
        lambda text: first.ledger.store.note(first.study.id, text),
        SearchProgress(progress, "finalists"),
    )


def train_each(
    jobs: Sequence[Job],
    pool: WorkerPool,
    take: Callable[[Job, Reply], AttemptRow],
    on_step: Callable[[Job, Step], None],
    note: Callable[[str], None],
    shown: SearchProgress,
) -> None:
    """Trainings over new seeds, each alone. `take` keeps what came of one and gives its attempt. Raises Halted where
    not all of them were done."""
    done = 0

    def on_reply(job: Job, reply: Reply) -> None:
        nonlocal done
        attempt = take(job, reply)
        done += 1
        shown.ended(job, attempt, ())
        shown.overall(done, len(jobs))

    def on_progress(job: Job, message: Step | Phase) -> None:
        if isinstance(message, Step):
            on_step(job, message)
        shown.follow(job, message)

    shown.expect(len(jobs), (1.0,), pool.size, (), "final")
    shown.overall(0, len(jobs))
    pool.run([[job] for job in jobs], on_progress, on_reply, lambda: True, note)
    if done < len(jobs):
        raise Halted


def place_of(folder: Path, trial: int, seed: int) -> Path:
    """Where a study's folder has the adapter of a training over a new seed."""
    return folder / f"trial-{trial:04d}" / f"final-1-seed{seed}"


def trainings(finalist: Finalist) -> list[AttemptRow]:
    """Over new seeds, that ended well, by seed; of the base, its measurement."""
    return sorted(
        (
            attempt
            for attempt in finalist.ledger.attempts.values()
            if attempt.trial == finalist.trial and attempt.test_nats and not attempt.failed
        ),
        key=lambda attempt: attempt.seed,
    )


def adapters(finalist: Finalist) -> list[tuple[int, str]]:
    """(seed, folder) of each training over a new seed, by seed."""
    return [(attempt.seed, attempt.adapter) for attempt in trainings(finalist) if attempt.adapter]


def measurements(finalists: Sequence[Finalist], seeds: int) -> list[Measurement]:
    """The test losses of all that were trained well with at least one seed, the lowest first."""
    measured = []
    for finalist in finalists:
        rows, tokens = _test(finalist, seeds)
        if len(rows):
            wanted = 1 if finalist.trial == BASE else seeds
            losses = tuple(float(loss) for loss in rows.sum(axis=1) / tokens.sum())
            measured.append(Measurement(finalist, losses, wanted - len(losses)))
    return sorted(measured, key=lambda m: m.mean)


def remarks(finalists: Sequence[Finalist], seeds: int) -> list[str]:
    """What the trainings over new seeds warned of, and why some failed, each once; with the finalists' names where it
    is not of all."""
    whose: dict[str, list[str]] = {}
    trained = [finalist for finalist in finalists if finalist.trial != BASE]
    for finalist in trained:
        keys = [
            (finalist.trial, "final", finalist.ledger.fractions[-1], seed) for seed in _seeds(finalist.ledger, seeds)
        ]
        attempts = [finalist.ledger.attempts[key] for key in keys if key in finalist.ledger.attempts]
        failed = [f"a training failed: {attempt.reason}" for attempt in attempts if attempt.failed]
        for text in dict.fromkeys((*(text for attempt in attempts for text in attempt.warnings), *failed)):
            whose.setdefault(text, []).append(finalist.name)
    return [text if len(names) == len(trained) else f"{', '.join(names)}: {text}" for text, names in whose.items()]


def compare(a: Finalist, b: Finalist, seeds: int) -> Comparison:
    """ValueError where one has no measurement, or they were measured on other rows."""
    import numpy as np

    left, tokens = _test(a, seeds)
    right, same = _test(b, seeds)
    if not len(left) or not len(right) or not np.array_equal(tokens, same):
        raise ValueError(f"{a.name} and {b.name} have no test rows in common")
    difference = crossed_difference(ratio(left, tokens), ratio(right, tokens), reach=None).interval
    seeds_measured = [len(nats) for nats, finalist in ((left, a), (right, b)) if finalist.trial != BASE]
    return Comparison(a, b, difference, len(tokens), min(seeds_measured, default=1))


def ratio(nats: Floats, tokens: NDArray[np.int64]) -> Floats:
    """Values [seeds, rows] whose mean is total nats over total tokens, and whose spread is that of this ratio: each
    row's departure from it, linearised (Cochran 1977, section 6.3). A long row is not spread by being long."""
    value = nats.sum() / (tokens.sum() * len(nats))
    departure: Floats = (nats - value * tokens) / tokens.mean()
    return value + departure


def _seeds(ledger: Ledger, seeds: int) -> range:
    """New ones: the seed of the search has chosen the trials, and flatters them."""
    return range(ledger.seed + 1, ledger.seed + 1 + seeds)


def _test(finalist: Finalist, seeds: int) -> tuple[Floats, NDArray[np.int64]]:
    """Nats of each test row, [seeds, rows], and the rows' tokens."""
    import numpy as np

    ledger = finalist.ledger
    wanted = _seeds(ledger, 1 if finalist.trial == BASE else seeds)
    keys = [(finalist.trial, "final", ledger.fractions[-1], seed) for seed in wanted]
    attempts = [ledger.attempts[key] for key in keys if key in ledger.attempts and not ledger.attempts[key].failed]
    tokens = np.asarray(attempts[0].test_tokens if attempts else [], dtype=np.int64)
    return np.asarray([attempt.test_nats for attempt in attempts], dtype=float), tokens


def document(measured: Sequence[Measurement], compared: Sequence[Comparison]) -> dict[str, Any]:
    """`finalists` and `comparisons` as plain data."""
    return {
        "finalists": [
            {
                "study": m.finalist.study.id,
                "trial": m.finalist.trial,
                "why": m.finalist.why,
                "test_loss": m.mean,
                "test_losses": list(m.losses),
                "failed": m.failed,
            }
            for m in measured
        ],
        "comparisons": [
            {
                "a": c.a.why,
                "b": c.b.why,
                "difference": c.difference.value,
                "low": c.difference.low,
                "high": c.difference.high,
                "rows": c.rows,
                "seeds": c.seeds,
                "verdict": c.verdict,
                "sentence": c.sentence,
            }
            for c in compared
        ],
    }
