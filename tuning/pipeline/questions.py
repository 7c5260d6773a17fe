"""The questions of arXiv 2312.00949 and its open ones, as sections of a whole study's report.

Each has a sentence that says what was seen here, with what it rests on, or that it was not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuning.pipeline.configurations import digest_of
from tuning.pipeline.measured import Configuration
from tuning.pipeline.verdict import BY_LOSS, Verdict, scores
from tuning.report.correlation import agreement
from tuning.report.findings import front, gap_agreement, in_words
from tuning.study.finalists import compare

if TYPE_CHECKING:
    from tuning.pipeline.whole_study import WholeStudy
    from tuning.report.views import StudyView

NOT_ASKED = "This study does not ask it"


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    sentences: tuple[str, ...]


def sections(outcome: Verdict, views: list[StudyView], study: WholeStudy) -> list[Section]:
    """In the order of the paper's discussion."""
    model = study.file.tune.model
    return [
        Section("Does validation loss predict the benchmarks?", tuple(_predicts(outcome))),
        Section("Do high ranks overfit?", tuple(_overfits(views))),
        Section("Several objectives", tuple(_objectives(outcome, views, study))),
        Section("A larger validation part", tuple(_validation(outcome, study))),
        Section("Other architectures", (f"{NOT_ASKED}: this is {model} alone. A study a base asks it.",)),
        Section("Which optimizer?", tuple(_optimizers(outcome, study))),
    ]


def _predicts(outcome: Verdict) -> list[str]:
    board = outcome.board
    known = [c for c in board.configurations if c.loss is not None]
    lines = []
    for task in board.tasks:
        falling = [-(c.loss or 0.0) for c in known]
        scores = [board.mean(c, task) for c in known]
        lines.append(f"Lower validation loss and higher {task}: {in_words(agreement(falling, scores))}.")
    return lines


def _overfits(views: list[StudyView]) -> list[str]:
    lines = []
    for view in views:
        gap = gap_agreement(view)
        if gap is not None:
            lines.append(f"{view.name}: rank and the gap from train to validation loss: {in_words(gap)}.")
    return lines or ["Too few trials were trained on all rows to say."]


def _objectives(outcome: Verdict, views: list[StudyView], study: WholeStudy) -> list[str]:
    """The front of each search that has one, what its measured members score, and what the choice on it gives."""
    several = [(one, view) for one, view in zip(study.finished(), views, strict=True) if len(view.objectives) > 1]
    if not several:
        return [
            f"{NOT_ASKED}: its searches have one objective, {views[0].objectives[0]}. A [[further]] table with an "
            "objective asks it."
        ]
    lines = []
    for searched, view in several:
        members = {searched.ledger.trials[trial.number - 1].digest: trial for trial in front(view)}
        lines.append(f"{searched.search.name}: {len(members)} trials are on the front.")
        for c in outcome.board.configurations:
            trial = None if c.is_base else members.get(digest_of(c.finalist))
            if trial is not None:
                values = zip(view.objectives, trial.values or (), strict=False)
                measured = ", ".join(f"{name} {value:.4g}" for name, value in values)
                lines.append(f"{c.title}: {measured}. {_scores(outcome, c)}")
    return lines + _against_loss(outcome, "several objectives")


def _validation(outcome: Verdict, study: WholeStudy) -> list[str]:
    """What searches with other validation parts chose, and what that scores."""
    sized = [search for search in study.searches if search.change and search.options.sizes != study.file.tune.sizes]
    if not sized:
        return [f"{NOT_ASKED}: all searches have one validation part. A [[further]] table with validation asks it."]
    rows = {search.name: len(made.splits.validation) for search, made in zip(study.searches, study.plans, strict=True)}
    main = len(study.plans[0].splits.validation)
    lines = [f"The searches at equal budget choose by {main:,} validation rows."]
    for search in sized:
        rule = next((name for name in outcome.board.choices if search.name in name), None)
        chosen = f"chooses {outcome.board.choices[rule]}" if rule else "chose nothing that could be measured"
        lines.append(f"{search.name}: by {rows[search.name]:,} rows it {chosen}.")
    return lines + _against_loss(outcome, f"{BY_LOSS} (")


def _scores(outcome: Verdict, configuration: Configuration) -> str:
    """ "mmlu 45.1 [40.0, 50.2], drop 30.0 [25.1, 35.3]." """
    parts = []
    for task in outcome.board.tasks:
        value, low, high = scores(outcome.board, configuration, task)
        parts.append(f"{task} {value:.1f} [{low:.1f}, {high:.1f}]")
    return f"{', '.join(parts)}."


def _against_loss(outcome: Verdict, beginning: str) -> list[str]:
    """What rules of that kind give on items that no rule has seen, and what validation loss gives."""
    own = next((rule for rule in outcome.rules if rule.name == BY_LOSS), None)
    return [
        f"On items that no rule has seen, choosing by {rule.name} gives {rule.score:.1f} points, by {BY_LOSS} "
        f"{own.score:.1f}."
        for rule in outcome.rules
        if own is not None and rule is not own and rule.name.startswith(beginning)
    ]


def _optimizers(outcome: Verdict, study: WholeStudy) -> list[str]:
    """The best of each search at equal budget, by test loss, against the control's, or the first search's."""
    searches = {one.row.id: one.search.name for one in study.finished() if not one.search.change}
    best: dict[str, Configuration] = {}
    for configuration in outcome.board.configurations:
        name = searches.get(configuration.finalist.study.id)
        if name is not None and configuration.is_tuned and configuration.finalist.why.startswith("best 1"):
            best.setdefault(name, configuration)
    if len(best) < 2:
        return [f"{NOT_ASKED}, or two searches found the same best trial."]
    control = next((name for name in best if name.startswith("random")), next(iter(best)))
    lines = []
    for name, configuration in best.items():
        if name != control:
            comparison = compare(best[control].finalist, configuration.finalist, study.file.finalists.seeds)
            d = comparison.difference
            lines.append(
                f"The best of {name} against the best of {control} on test rows: {d.value:+.4f} "
                f"[{d.low:+.4f}, {d.high:+.4f}] nats a token: {comparison.verdict}."
            )
    return [*lines, f"Each search had {study.file.tune.budget or 'the preset’s number of'} trials."]
