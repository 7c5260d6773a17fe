"""The claims of arXiv 2312.00949, held against what the real study measured: confirmed, contradicted or undecided.

A claim is decided only where the 95% interval of its figure lies on one side of zero; what has no figure yet is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

HIGH_RANK = 64  # the space goes from 8 to 512
DEFAULTS = ("-default", "common", "without-regret")  # how the names of starting points end
Word = Literal["confirmed", "contradicted", "undecided", "open"]


class Claim(NamedTuple):
    claim: str
    word: Word
    because: str


def claims(known: Mapping[str, Any]) -> list[Claim]:
    """In the order of the paper. `known` is docs/results/real.json."""
    return [*_tuned_against_defaults(known), _nomad_against_tpe(known), _loss_and_tasks(known), _high_ranks(known)]


def _tuned_against_defaults(known: Mapping[str, Any]) -> list[Claim]:
    finalists = known["finalists"]
    if not finalists or not finalists["chosen"]:
        return [Claim("Tuned hyperparameters beat defaults", "open", "Finalists are not trained yet.")]
    chosen = finalists["chosen"]
    if chosen.endswith(DEFAULTS):
        because = f"Validation loss chose a default: {chosen}."
        return [Claim("Tuned hyperparameters beat defaults", "undecided", because)]
    rivals = [one for one in finalists["against"] if one["rival"].endswith(DEFAULTS)]
    return [
        Claim(
            f"Tuned hyperparameters ({one['one']}) beat those of {one['rival']} on test rows", _lower(one), _nats(one)
        )
        for one in rivals
    ]


def _nomad_against_tpe(known: Mapping[str, Any]) -> Claim:
    claim = "NOMAD finds better hyperparameters than NNI's TPE with as many trials"
    pairs = known["finalists"]["optimizers"] if known["finalists"] else []
    for one in pairs:
        if {one["one"].split()[0], one["rival"].split()[0]} == {"nomad", "nni-tpe"}:
            signed = one if one["one"].startswith("nomad") else turned(one)
            return Claim(claim, _lower(signed), _nats(signed))
    if known["finalists"]:
        return Claim(claim, "undecided", "The best that one of the two has is a default: both were given the same.")
    return Claim(claim, "open", "Finalists are not trained yet.")


def _loss_and_tasks(known: Mapping[str, Any]) -> Claim:
    claim = "The configuration of the lowest validation loss is not the best on tasks"
    measured = known["benchmarks"]
    if not measured:
        return Claim(claim, "open", "Benchmarks are not measured yet.")
    better = [one for one in measured["best_of_each_task"] if one["word"] == "better"]
    if better:
        return Claim(claim, "confirmed", "; ".join(_points(one) for one in better) + ".")
    largest = max(measured["best_of_each_task"], key=lambda one: one["difference"], default=None)
    because = f"No task tells any other apart from it; the largest difference: {_points(largest)}." if largest else ""
    return Claim(claim, "undecided", because)


def _high_ranks(known: Mapping[str, Any]) -> Claim:
    """Of all trials that searches proposed. Estimates of trials that were stopped early count as values."""
    from tuning.report.correlation import agreement

    claim = f"Few of the best trials have a high rank ({HIGH_RANK} or more)"
    trials = [
        (trial["value"], trial["hyperparameters"]["rank"])
        for search in known["searches"]
        for trial in search["trials"]
        if trial["value"] is not None and not trial["label"]
    ]
    best = sorted(trials)[: max(1, len(trials) // 4)]
    counts = [sum(rank >= HIGH_RANK for _, rank in part) for part in (best, trials)]
    figure = f"{counts[0]} of the best {len(best)} trials and {counts[1]} of all {len(trials)} have such a rank"
    fit = agreement([rank for _, rank in trials], [value for value, _ in trials])
    if fit.spearman is None or fit.spearman_interval is None:
        return Claim(claim, "open", f"{figure}: too few trials to say more.")
    low, high = fit.spearman_interval
    word: Word = "confirmed" if low > 0 else "contradicted" if high < 0 else "undecided"
    return Claim(claim, word, f"{figure}; rank and loss: Spearman's rho {fit.spearman:+.2f} [{low:+.2f}, {high:+.2f}].")


def _lower(one: Mapping[str, Any]) -> Word:
    return "confirmed" if one["high"] < 0 else "contradicted" if one["low"] > 0 else "undecided"


def turned(one: Mapping[str, Any]) -> dict[str, Any]:
    """The same comparison from the other side."""
    ends = {"difference": 0.0 - one["difference"], "low": 0.0 - one["high"], "high": 0.0 - one["low"]}
    return {**one, **ends, "one": one["rival"], "rival": one["one"]}


def _nats(one: Mapping[str, Any]) -> str:
    figure = f"{one['difference']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}] nats a token"
    return f"{one['one']} less {one['rival']}: {figure} on {one['rows']} test rows."


def _points(one: Mapping[str, Any]) -> str:
    figure = f"{one['difference']:+.1f} [{one['low']:+.1f}, {one['high']:+.1f}] points"
    return f"{one['one']} {figure} on {one['task']}"
