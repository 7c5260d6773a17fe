"""What stands at the head of a study's page: its name, and its state in a few figures. HTML; every value is text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.html import markup

if TYPE_CHECKING:
    from tuning.report.views import StudyView
    from tuning.store import StudyRow

_ORDER = ("finished", "stopped", "failed", "running")
_SAID = {"finished": "on all rows", "stopped": "stopped at a rung", "failed": "failed", "running": "under way"}


def title(rows: Sequence[StudyRow]) -> str:
    if len(rows) > 1:
        return f'<h1 class="page-title">{len(rows)} studies</h1>'
    row = rows[0]
    under = f"{row.model} · {row.optimizer}, seed {row.seed} · study {row.id[:12]}"
    return (
        f'<h1 class="page-title">{markup.text(row.name, 120)}</h1><p class="page-under">{markup.text(under, 300)}</p>'
    )


def cards(rows: Sequence[StudyRow], views: Sequence[StudyView]) -> str:
    """Of one study a card a figure; of several a card a study."""
    if len(rows) > 1:
        found = [
            card(
                view.name,
                _best(view)[0],
                f"{_best(view)[1]} · {view.optimizer}, {len(view.trials)} of {view.budget} trials",
            )
            for view in views
        ]
        return f'<div class="cards">{"".join(found)}</div>'
    row, view = rows[0], views[0]
    counts: Counter[str] = Counter(trial.state for trial in view.trials)
    states = ", ".join(f"{counts[state]} {_SAID[state]}" for state in _ORDER if counts[state]) or "none yet"
    value, trial = _best(view)
    share = 100 * min(1.0, len(view.trials) / max(1, view.budget))
    bar = f'<div class="track"><i style="width:{share:.0f}%"></i></div>'
    trained = [each.seconds for each in view.trials if each.seconds]
    seconds = sum(trained)
    going = {
        "running": "searching now",
        "stopping": "ends after what is under way",
        "stopped": "the same command goes on",
    }
    found = [
        card(f"Best {view.objectives[0]}", value, trial),
        card("Trials", f"{len(view.trials)} of {view.budget}", states, bar),
        card("Training", duration(seconds), f"{seconds / max(1, len(trained)):,.0f} s a trial"),
        card("Status", row.status, going.get(row.status, f"begun {row.created:%Y-%m-%d %H:%M} UTC")),
    ]
    return f'<div class="cards">{"".join(found)}</div>'


def card(name: str, value: str, under: str, more: str = "") -> str:
    """`more` is HTML of ours, the rest any text."""
    parts = (("what", name, 60), ("value", value, 40), ("under", under, 120))
    what, shown, below = (f'<div class="{kind}">{markup.text(text, most)}</div>' for kind, text, most in parts)
    return f'<div class="card">{what}{shown}{more}{below}</div>'


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _best(view: StudyView) -> tuple[str, str]:
    if not view.ranked:
        return "–", "no trial on all rows yet"
    best = view.ranked[0]
    return f"{best.first:.4f}", f"trial {best.number}" + (f" ({best.label})" if best.label else "")
