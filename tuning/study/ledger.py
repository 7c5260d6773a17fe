"""The ledger of a study: every trial and attempt in the order of proposal, in memory and in the store.

The store has an attempt before anything is told of it; memory never knows more than the store, but for the last
seconds of a loss curve.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.evaluation.identity import digest
from tuning.search.failures import one_reason
from tuning.search.workers import Job, Reply
from tuning.store import AttemptRow, StepRow, Store, TrialRow
from tuning.store.rows import Source
from tuning.study.results import Results
from tuning.types import Hyperparameters, Point, Step

FLUSH = 2.0  # seconds between writes of a loss curve


def key_of(hyper: Hyperparameters) -> str:
    """The same for hyperparameters that train the same: numbers are compared as real numbers."""
    values = hyper.to_dict().items()
    return digest({k: float(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in values})


def hyper_of(written: Mapping[str, Any]) -> Hyperparameters:
    """Hyperparameters as the store wrote them."""
    return Hyperparameters.from_dict(written)


@dataclass(slots=True, kw_only=True)
class Ledger(Results):
    store: Store
    _by_key: dict[str, int] = field(default_factory=dict)
    _settled: list[TrialRow] = field(default_factory=list)  # that the store does not have as such yet
    _steps: list[StepRow] = field(default_factory=list)
    _flushed: float = 0.0

    def load(self) -> Ledger:
        """Read what the store has."""
        self.trials = self.store.trials(self.study)
        self.attempts = {(a.trial, a.purpose, a.fraction, a.seed): a for a in self.store.attempts(self.study)}
        self._by_key = {trial.digest: trial.number for trial in self.trials}
        return self

    def find(self, hyper: Hyperparameters) -> TrialRow | None:
        number = self._by_key.get(key_of(hyper))
        return None if number is None else self.trials[number - 1]

    def start(
        self, wanted: Sequence[tuple[Hyperparameters, Point, Source, str]], budget: int, taken: Sequence[Point] = ()
    ) -> list[TrialRow | None]:
        """The trial of each: one that is there, or a new one; None where the budget has no room. New ones are stored
        before this returns."""
        asked: list[TrialRow | None] = []
        new: list[TrialRow] = []
        for hyper, point, source, label in wanted:
            trial = self.find(hyper)
            if trial is None and len(self.trials) < budget:
                trial = TrialRow(
                    study=self.study,
                    number=len(self.trials) + 1,
                    digest=key_of(hyper),
                    source=source,
                    label=label,
                    hyperparameters=hyper.to_dict(),
                    point=dict(point),
                    state="running",
                    created=datetime.now(UTC),
                )
                new.append(trial)
                self.trials.append(trial)
                self._by_key[trial.digest] = trial.number
            asked.append(trial)
        if new or taken:
            self.store.save_trials(self.study, new, self._settled, taken)
            self._settled.clear()
        return asked

    def settle(self, trials: Sequence[TrialRow]) -> list[TrialRow]:
        """Say what has become of trials whose rungs are done. The store has their attempts, from which this follows; it
        is told with the next trials that start, or by `flush`."""
        settled = [self._become(trial) for trial in trials]
        for trial in settled:
            self.trials[trial.number - 1] = trial
        self._settled += settled
        return settled

    def flush(self) -> None:
        """Write what the store does not have yet."""
        if self._settled:
            self.store.save_trials(self.study, changed=self._settled)
            self._settled.clear()

    def _become(self, trial: TrialRow) -> TrialRow:
        last = max(self.searched(trial.number), key=lambda attempt: attempt.fraction)
        done = replace(trial, finished=datetime.now(UTC))
        if last.failed:
            return replace(done, state="failed", reason=last.reason)
        if last.fraction == self.fractions[-1]:
            return replace(done, state="finished", objectives=last.objectives, constraints=last.constraints)
        objectives = len(self.measures.objectives)
        guess = self.estimate(trial.number)
        return replace(
            done,
            state="stopped",
            objectives=tuple(one.penalized for one in guess[:objectives]),
            constraints=tuple(one.value for one in guess[objectives:]),
            estimated=True,
            reason=f"stopped at {last.fraction:.0%} of the rows: {self.why_stopped(trial.number, guess)}",
        )

    def try_again(self) -> None:
        """Forget the failures of a study in which all trials failed for one reason, which may be put right by now."""
        if not one_reason(self.attempts.values(), 1):
            return
        self.store.forget_failures(self.study)
        self.load()

    def record(
        self, job: Job, reply: Reply, objectives: tuple[float, ...], constraints: tuple[float, ...], reason: str = ""
    ) -> AttemptRow:
        """Commit what came of a job. Its adapter is kept where it was trained on all rows."""
        attempt = AttemptRow(
            study=self.study,
            trial=job.trial,
            purpose=job.purpose,
            fraction=job.fraction,
            seed=job.seed,
            finished=datetime.now(UTC),
            failed=bool(reply.failed or reason),
            reason=reply.failed or reason,
            objectives=objectives,
            constraints=constraints,
            adapter_bytes=reply.adapter_bytes,
        )
        if reply.test is not None:
            nats, tokens = zip(*reply.test.rows, strict=True)
            attempt = replace(attempt, test_nats=nats, test_tokens=tokens)
        if reply.trained is not None:
            done, cost = reply.trained, reply.trained.compute
            attempt = replace(
                attempt,
                validation_nats=done.validation.total,
                validation_tokens=done.validation.tokens,
                train_loss=done.train_loss,
                forward_tokens=cost.forward,
                backward_tokens=cost.backward,
                measured_tokens=cost.validation,
                padding_tokens=cost.padding,
                seconds=done.seconds,
                peak_bytes=done.peak_bytes,
                steps=done.steps,
                micro_batch=done.micro_batch,
                adapter=str(done.adapter) if job.fraction == self.fractions[-1] else "",
                warnings=done.warnings,
            )
        self.store.save_attempt(attempt, self._steps_of(job))
        self.attempts[job.trial, job.purpose, job.fraction, job.seed] = attempt
        if not attempt.adapter:
            shutil.rmtree(job.to, ignore_errors=True)
        return attempt

    def step(self, job: Job, step: Step) -> None:
        """A step of a training, written every few seconds."""
        if (job.trial, job.purpose, job.fraction, job.seed) in self.attempts:
            return  # trained anew beside a companion that lacks: its curve is there
        if step.step == 1:
            self._steps_of(job)  # of a worker that died: its job is done anew
        self._steps.append(
            StepRow(self.study, job.trial, job.purpose, job.fraction, job.seed, step.step, step.loss, step.lr)
        )
        if time.monotonic() - self._flushed > FLUSH:
            self._flushed = time.monotonic()
            self.store.add_steps(self._steps)
            self._steps.clear()

    def _steps_of(self, job: Job) -> list[StepRow]:
        """Steps of this job that wait to be written; they wait no more."""
        own = (job.trial, job.purpose, job.fraction, job.seed)
        mine = [s for s in self._steps if (s.trial, s.purpose, s.fraction, s.seed) == own]
        self._steps = [s for s in self._steps if (s.trial, s.purpose, s.fraction, s.seed) != own]
        return mine

    def place_adapter(self, attempt: AttemptRow, folder: str) -> None:
        """An adapter that was missing is there again."""
        self.store.place_adapter(attempt, folder)
        key = (attempt.trial, attempt.purpose, attempt.fraction, attempt.seed)
        self.attempts[key] = replace(attempt, adapter=folder)

    def drop(self, keep: int) -> None:
        """Remove the adapters of the search but those of the best `keep` trials; later measurements are kept whole."""
        best = set(self.best_whole()[:keep])
        gone = [a for a in self.attempts.values() if a.adapter and a.trial not in best and a.seed == self.seed]
        if not gone:
            return
        self.store.drop_adapters(self.study, [a.adapter for a in gone])
        for attempt in gone:
            shutil.rmtree(Path(attempt.adapter), ignore_errors=True)
            key = (attempt.trial, attempt.purpose, attempt.fraction, attempt.seed)
            self.attempts[key] = replace(attempt, adapter="")
