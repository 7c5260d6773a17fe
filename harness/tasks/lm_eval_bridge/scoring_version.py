"""Which program scores lm-eval's tasks: a part of their versions and settings, and so of a run's identity. The version
is what lm-eval's own results have, so that runs which come in can be compared."""

from __future__ import annotations

SCORING = "2"  # changes whenever our part of the scoring does


def version_end() -> str:
    """What a task's version has of lm-eval."""
    from importlib.metadata import version

    return f"+lm_eval-{version('lm_eval')}"
