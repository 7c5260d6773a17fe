"""Which program scores lm-eval's tasks: a part of their versions, and so of a run's identity."""

from __future__ import annotations

SCORING = "2"  # changes whenever our part of the scoring does


def version_end() -> str:
    """What a task's version has of the programs that score it."""
    from importlib.metadata import version

    return f"+lm_eval-{version('lm_eval')}+{SCORING}"
