"""What trainings of a study warned of, and why trials failed, each said once with whom it is of."""

from __future__ import annotations

from collections.abc import Iterable

from tuning.study.ledger import Ledger

MOST = 6  # trials named


def warnings(ledger: Ledger) -> list[str]:
    """Of all trainings, also those of `tune top`; one that not every trained trial has names its trials."""
    trained = {a.trial for a in ledger.attempts.values() if a.trial and not a.failed}
    trials: dict[str, set[int]] = {}
    for attempt in ledger.attempts.values():
        for text in attempt.warnings:
            trials.setdefault(text, set()).add(attempt.trial)
    return [text if whose >= trained else f"{_named(whose)}: {text}" for text, whose in trials.items()]


def failures(ledger: Ledger) -> list[str]:
    """Why trials failed."""
    trials: dict[str, set[int]] = {}
    for trial in ledger.trials:
        if trial.state == "failed":
            trials.setdefault(trial.reason, set()).add(trial.number)
    return [f"{_named(whose)} failed: {reason}" for reason, whose in trials.items()]


def _named(trials: Iterable[int]) -> str:
    """ "Trial 3", "Trials 1, 2, 3 and 9 more"."""
    numbers = sorted(trials)
    more = f" and {len(numbers) - MOST} more" if len(numbers) > MOST else ""
    return f"Trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:MOST]))}{more}"
