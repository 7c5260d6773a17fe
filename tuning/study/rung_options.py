"""Which rungs a study has, and by what they compare trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuning.objectives.objectives import growth
from tuning.search import rungs
from tuning.study.options import Options


class Rungs(NamedTuple):
    fractions: tuple[float, ...]  # of the train rows; the last is all
    by_first: bool  # trials are compared by the first objective alone, whatever else there is


def rungs_of(options: Options, by_preset: bool, objectives: Sequence[str]) -> Rungs:
    """`by_preset`: whether the preset has rungs. Where a judge is asked there are none: it would be asked at each."""
    judged = any(text.startswith("win-rate:") for text in (*objectives, *options.constraint))
    if not by_preset or options.no_rungs or judged:
        return Rungs(rungs.WHOLE, by_first=True)
    return Rungs(rungs.FRACTIONS, by_first=len(objectives) == 1 and not options.constraint)


def former_rungs(options: Options, by_preset: bool, objectives: Sequence[str]) -> Rungs:
    """As a study had them when rungs knew validation loss alone: it goes on so."""
    known = tuple(objectives) == ("validation",) and all(growth(text) == "constant" for text in options.constraint)
    fractions, _ = rungs_of(options, by_preset, objectives)
    return Rungs(fractions if known else rungs.WHOLE, by_first=True)
