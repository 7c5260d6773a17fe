"""What was measured of a study's trials beside their loss: benchmarks by runs, preference by people or judges."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.evaluation.report import score_document
from harness.results import ScoreRow
from tuning.objectives import objectives
from tuning.store import Store, StudyRow

_TRIAL = "-trial-"


@dataclass(frozen=True, slots=True)
class Measured:
    """A score of a trial: over its trainings with several seeds the mean, with the mean interval. The items are the
    same for all of them, so an interval is not narrower for more seeds."""

    value: float
    interval: tuple[float, float] | None
    runs: tuple[str, ...]  # ids; () for preference


def under_way(store: Store, study: str) -> dict[str, tuple[tuple[int, float], ...]]:
    """(step, loss) of the trainings that have begun and have no result yet, the newest trial first, by their names."""
    with store.read():
        done = {(a.trial, a.purpose, a.fraction, a.seed) for a in store.attempts(study)}
        started = [trial.number for trial in store.trials(study) if trial.state == "running"]
        going = {key: curve for key, curve in store.curves(study, started).items() if key not in done}
    return {
        f"trial {trial}, {100 * fraction:g}% of the rows": going[trial, purpose, fraction, seed]
        for trial, purpose, fraction, seed in sorted(going, reverse=True)
    }


def places(store: Store) -> dict[str, list[tuple[str, int]]]:
    """(study's id, trial; 0 is the base) of the runs on an adapter that a study keeps, and of those that
    `tune top --run` tagged: a base's run may be of several studies. Tags come last."""
    studies = {tag_of(study): study.id for study in store.studies()}
    by_run = {run: [place] for run, place in store.trained_in().items()} if studies else {}
    for run, tags in store.tags().items() if studies else ():
        for prefix, sign, number in (tag.rpartition(_TRIAL) for tag in tags):
            if sign and prefix in studies and number.isdecimal():
                by_run.setdefault(run, []).append((studies[prefix], int(number)))
    return by_run


def scores(store: Store, row: StudyRow) -> dict[int, dict[str, Measured]]:
    """By trial (0 is the base) and benchmark or preference. Of runs, those that are finished and whole, on an adapter
    of the study or with the tag that `tune top --run` gives."""
    runs = {run.id: run for run in store.runs() if run.status == "finished" and not run.partial}
    own_places = ((run, place) for run, own in places(store).items() if run in runs for place in own)
    trials = {run: trial for run, (study, trial) in own_places if study == row.id}
    by_trial: dict[int, dict[str, Measured]] = defaultdict(dict)
    for (trial, name), own in _by_name(_scores(store, row, trials), trials).items():
        by_trial[trial][name] = Measured(
            _mean(score.value for score in own),
            (_mean(score.low for score in own), _mean(score.high for score in own)),
            tuple(score.run for score in own),
        )
    for trial, name, measured in _preference(store, row, {runs[r].model_digest: t for r, t in trials.items()}):
        by_trial[trial][name] = measured
    return dict(by_trial)


def headlines(store: Store, row: StudyRow, run: str) -> list[dict[str, Any]]:
    """A run's headline scores, without the items that the study's objective saw."""
    seen = {part.task for part in _slices(row)}
    of_run = store.resolve(run)
    return [
        {**score_document(score, of_run), "without_objective_items": score.task in seen}
        for score in _scores(store, row, [run])
    ]


def tag_of(row: StudyRow, trial: int | None = None) -> str:
    """The tag of a trial's runs; without a trial, what the tags of the study's runs begin with."""
    return f"study-{row.id[:12]}" + ("" if trial is None else f"{_TRIAL}{trial}")


def _scores(store: Store, row: StudyRow, runs: Iterable[str]) -> list[ScoreRow]:
    wanted = set(runs)
    seen = {part.task: part for part in _slices(row)}
    headline_scores = []
    for score in store.headlines() if wanted else ():
        if score.run not in wanted:
            continue
        part = seen.get(score.task)
        if part is None:
            headline_scores.append(score)
            continue
        headline_scores += [
            ScoreRow(score.run, score.task, s.group, score.protocol, s.metric, s.value, s.low, s.high, s.n, s.method)
            for s in objectives.outside(store, score.run, score.task, part)
        ]
    return headline_scores


def _slices(row: StudyRow) -> Sequence[objectives.Slice]:
    return objectives.slices(row.config["objectives"], row.config["constraints"])


def _by_name(scores: Sequence[ScoreRow], trials: Mapping[str, int]) -> dict[tuple[int, str], list[ScoreRow]]:
    """A benchmark under its own name; asked in several ways, those stand apart."""
    ways: dict[str, set[str]] = defaultdict(set)
    for score in scores:
        ways[score.task].add(score.protocol)
    grouped: dict[tuple[int, str], list[ScoreRow]] = defaultdict(list)
    for score in scores:
        name = score.task if len(ways[score.task]) == 1 else f"{score.task} ({score.protocol})"
        grouped[trials[score.run], name].append(score)
    return grouped


def _preference(store: Store, row: StudyRow, by_digest: Mapping[str, int]) -> Iterable[tuple[int, str, Measured]]:
    """(trial, name, Bradley-Terry strength in log-odds), by prompt set."""
    from harness.errors import UsageError
    from judges.ranking.evidence import gather
    from judges.ranking.report import ranking_report

    adapters = {a.adapter: a.trial for a in store.attempts(row.id) if a.adapter}
    sets = store.answer_sets()
    own = {
        answers.id: t
        for answers in sets
        if (t := adapters.get(answers.model, by_digest.get(answers.model_digest))) is not None
    }
    names = {prompt_set.digest: prompt_set.name for prompt_set in store.prompt_sets()}
    for prompts in sorted({answers.prompt_set for answers in sets if answers.id in own}):
        try:
            evidence = gather(store, prompts)
            report = ranking_report(evidence)
        except UsageError:
            continue  # no comparisons of these answers yet
        ranked = {model["name"]: model for model in report["models"]}
        for answers, name in evidence.players.items():
            if answers in own and name in ranked:
                strength, *ends = (ranked[name][key] for key in ("strength", "low", "high"))
                interval = (ends[0], ends[1]) if all(map(math.isfinite, ends)) else None
                if math.isfinite(strength):
                    yield own[answers], f"preference ({names[prompts]})", Measured(strength, interval, ())


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return sum(kept) / len(kept)
