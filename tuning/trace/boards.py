"""The leaderboard: the scores that stand on it, and what is preferred."""

from __future__ import annotations

from harness.errors import UsageError
from tuning.store import Store
from tuning.trace.comparisons import configuration_link, configurations
from tuning.trace.links import Link, address, command
from tuning.trace.preference import ranking_link
from tuning.trace.runs import score_link


def leaderboard_link(store: Store, protocol: str = "") -> Link:
    """Every run that `harness show` lists, of one protocol where it is given, without its own chain; configurations
    whose runs these are; and the rankings. UsageError where nothing is measured."""
    from harness.evaluation.leaderboard import leaderboard

    rows = [row for row in leaderboard(store) if protocol in ("", row["protocol"])]
    if not rows:
        raise UsageError(f"{store.path} holds no scores{f' of the protocol {protocol}' if protocol else ''} yet.")
    runs = {run.id: run for run in store.runs()}
    shown: dict[str, set[str]] = {}  # tasks by run
    for row in rows:
        for training in row["trainings"]:
            for run in training["runs"]:
                shown.setdefault(run, set()).update(training["scores"])
    measured = {(task.run, task.task) for task in store.tasks()}
    scores = [
        score_link(store, runs[run], task, deep=False)
        for run, tasks in shown.items()
        for task in sorted(tasks)
        if (run, task) in measured
    ]
    several = [one for one in configurations(store).values() if len(one.trainings) > 1]
    means = [
        configuration_link(store, one.key, own)
        for one in several
        if len(own := [run for run in reversed(one.runs) if run.id in shown]) > 1
    ]
    rankings = []
    for prompts in store.compared_prompts():
        for source in ("people", "judges"):
            try:
                rankings.append(ranking_link(store, prompts["digest"], source))
            except UsageError:
                continue  # nobody of this kind has compared
    return Link(
        "leaderboard",
        protocol or "all protocols",
        {"runs": len(shown)},
        command=command(store, "show"),
        page=address("leaderboard", protocol=protocol),
        sources=(*means, *scores, *rankings),
    )
