"""What stands at the head of a study's page: its name, and its state in a few figures (HTML of
templates/shared.html)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.html.templates import macros

if TYPE_CHECKING:
    from markupsafe import Markup

    from tuning.report.views import StudyView
    from tuning.store import StudyRow

_STATES = {"finished": "on all rows", "stopped": "stopped at a rung", "failed": "failed", "running": "under way"}
_GOING_ON = {
    "running": "searching now",
    "stopping": "ends after what is under way",
    "stopped": "the same command goes on",
}
Card = tuple[str, str, str, float | None]  # name, value, words below it, and percent of a track


def title(rows: Sequence[StudyRow]) -> Markup:
    if len(rows) > 1:
        return macros("shared").title(f"{len(rows)} studies")
    row = rows[0]
    under = f"{row.model} · {row.optimizer}, seed {row.seed} · study {row.id[:12]}"
    return macros("shared").title(row.name, under, 120)


def cards(rows: Sequence[StudyRow], views: Sequence[StudyView]) -> Markup:
    """Of one study a card a figure; of several a card a study."""
    return macros("shared").cards([_of_many(view) for view in views] if len(rows) > 1 else _of_one(rows[0], views[0]))


def _of_many(view: StudyView) -> Card:
    value, trial = _best(view)
    return view.name, value, f"{trial} · {view.optimizer}, {len(view.trials)} of {view.budget} trials", None


def _of_one(row: StudyRow, view: StudyView) -> list[Card]:
    counts: Counter[str] = Counter(trial.state for trial in view.trials)
    states = ", ".join(f"{counts[state]} {words}" for state, words in _STATES.items() if counts[state]) or "none yet"
    value, trial = _best(view)
    share = min(1.0, len(view.trials) / max(1, view.budget))
    trained = [trial.seconds for trial in view.trials if trial.seconds]
    seconds = sum(trained)
    return [
        (f"Best {view.objectives[0]}", value, trial, None),
        ("Trials", f"{len(view.trials)} of {view.budget}", states, 100 * share),
        ("Training", duration(seconds), f"{seconds / max(1, len(trained)):,.0f} s a trial", None),
        ("Status", row.status, _GOING_ON.get(row.status, f"begun {row.created:%Y-%m-%d %H:%M} UTC"), None),
    ]


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _best(view: StudyView) -> tuple[str, str]:
    if not view.ranked:
        return "–", "no trial on all rows yet"
    best = view.ranked[0]
    return f"{best.first:.4f}", f"trial {best.number}" + (f" ({best.label})" if best.label else "")
