"""How judges and people rank the answers of a whole study's configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuning.pipeline.whole_study import WholeStudy


def rankings(study: WholeStudy) -> dict[str, dict[str, Any]]:
    """The ranking by people and that by judges, as far as either has compared answers. Models are called as in the
    study."""
    from harness.errors import UsageError
    from judges.ranking.evidence import Source, gather
    from judges.ranking.report import ranking_report
    from tuning.pipeline.stages import answer_names

    if study.file.judges is None and study.file.people is None:
        return {}
    made: dict[str, dict[str, Any]] = {}
    sources: Sequence[Source] = ("people", "judges")
    for source in sources:
        try:
            evidence = gather(study.store, models=answer_names(study))
            ranking = ranking_report(evidence, source, quality=False)
        except UsageError:
            continue  # nobody has compared them yet
        called: dict[str, str] = {}  # a player of several trainings as the first, whose name has no seed
        for answers, player in evidence.players.items():
            called[player] = min(called.get(player, evidence.sets[answers]), evidence.sets[answers], key=len)
        for model in ranking["models"]:
            model["name"] = called[model["name"]].removeprefix(f"{study.file.name} ")
        made[source] = ranking
    return made


def favourites(study: WholeStudy, titles: Sequence[str]) -> dict[str, str]:
    """The configuration among `titles` with the highest win rate, by judges and by people; the first of those that are
    equal."""
    chosen: dict[str, str] = {}
    for source, ranking in rankings(study).items():
        rates = {model["name"]: round(model["win_rate"], 9) for model in ranking["models"]}
        if known := [title for title in titles if title in rates]:
            chosen[source] = max(known, key=lambda title: rates[title])
    return chosen
