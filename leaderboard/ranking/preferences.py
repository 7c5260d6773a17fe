"""What people and judges prefer, for the leaderboard: `judges.ranking.report`'s rankings by checkpoint. People
and judges are two rankings; they are never mixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaderboard.ranking.bands import Band

if TYPE_CHECKING:
    from tuning.store import Store


@dataclass(frozen=True, slots=True)
class Strength:
    """A model among those compared on one prompt set, over all its trainings that answered, in log-odds; 0 is their
    mean."""

    value: float
    low: float  # may be -inf
    high: float  # may be inf
    games: int
    band: Band


@dataclass(frozen=True, slots=True)
class Preferences:
    prompts: str  # the prompt set's digest
    names: Mapping[str, str]  # all that have comparisons: digest to name
    people: Mapping[str, Strength]  # by the checkpoint's digest
    judges: Mapping[str, Strength]


def preferences(store: Store, version: Any, prompts: str = "") -> Preferences | None:
    """On the prompt set of that digest, or else the one with most comparisons; None where there are none. `version` is
    `store.verdicts()`: results are kept by it."""
    from harness.errors import UsageError
    from judges.ranking.evidence import gather
    from judges.ranking.report import ranking_report

    names = {row["digest"]: row["name"] for row in store.compared_prompts()}  # the most compared first
    if not names:
        return None
    chosen = prompts if prompts in names else next(iter(names))
    sets = {row.id: row for row in store.answer_sets()}
    evidence = gather(store, chosen)
    digests: dict[str, list[str]] = {}
    for key, name in evidence.players.items():
        digests.setdefault(name, []).append(sets[key].model_digest)
    strengths: dict[str, dict[str, Strength]] = {"people": {}, "judges": {}}
    for source in ("people", "judges"):
        try:
            models = ranking_report(evidence, source, quality=False)["models"]
        except UsageError:
            continue  # nobody of this kind has compared
        for model in models:
            if not math.isfinite(model["strength"]):
                continue
            band = Band(model["rank_best"], model["rank_worst"], len(models))
            strength = Strength(model["strength"], model["low"], model["high"], model["games"], band)
            for digest in filter(None, digests[model["name"]]):
                strengths[source].setdefault(digest, strength)
    return Preferences(chosen, names, strengths["people"], strengths["judges"])
