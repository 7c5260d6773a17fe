"""The Python API of preference: `harness.answer`, `harness.judge` and `harness.rank`. docs/api.md has examples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.arguments import call_text, takes, working
from harness.display import Content, Shown
from harness.frames import Kind, default_db, made
from judges.answers.options import AnswerOptions
from judges.judging.options import JudgeOptions

RANKED = {
    "name": "string",
    "strength": "float64",
    "low": "float64",
    "high": "float64",
    "win_rate": "float64",
    "win_low": "float64",
    "win_high": "float64",
    "rank_best": "int64",
    "rank_worst": "int64",
    "games": "int64",
}


@dataclass(frozen=True, slots=True, repr=False)
class AnswerSet(Shown):
    """A checkpoint's answers to a prompt set. `document` is one of what `harness answer --json` prints."""

    db: str
    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        """What rankings call it."""
        return str(self.document["name"])

    @property
    def warnings(self) -> list[str]:
        return list(self.document["warnings"])

    def _content(self) -> Content:
        d = self.document
        before = f", {d['before']} of them from before" if d["before"] else ""
        title = f"{self.name} ({d['model']}): {d['answers']} answers{before}, template {d['template']}, {self.id[:12]}"
        return Content(title, notes=self.warnings)


@dataclass(frozen=True, slots=True, repr=False)
class Judged(Shown):
    """What judges said. `document` is what `harness judge --json` prints; with estimate=True there are no judges."""

    db: str
    document: Mapping[str, Any]

    @property
    def judges(self) -> list[Mapping[str, Any]]:
        """Of each judge: name, asked, verdicts (by verdict), errors, tokens_in, tokens_out, cost and more."""
        return list(self.document["judges"])

    def _content(self) -> Content:
        kinds = ("first", "second", "tie", "error")
        rows = [
            (
                judge["name"],
                f"{sum(judge['verdicts'].values())} of {judge['asked']}",
                *(judge["verdicts"].get(kind, 0) for kind in kinds),
                judge["tokens_in"] + judge["tokens_out"],
                "" if judge["cost"] is None else f"{judge['cost']:.4g}",
            )
            for judge in self.judges
        ]
        notes = [
            f"{judge['name']}: {count} times {reason}"
            for judge in self.judges
            for reason, count in sorted(judge["errors"].items())
        ]
        if self.document["not_comparable"]:
            notes.append(f"{self.document['not_comparable']} pairs were left out: one side has no answer yet.")
        columns = ("judge", "verdicts", "first", "second", "tie", "errors", "tokens", "cost")
        return Content(", ".join(self.document["models"]), columns, rows, notes)


@dataclass(frozen=True, slots=True, repr=False)
class Ranking(Shown):
    """Models by what was preferred. `document` is what `harness ranking --json` prints."""

    document: Mapping[str, Any]

    @property
    def models(self) -> list[Mapping[str, Any]]:
        """The strongest first."""
        return list(self.document["models"])

    @property
    def quality(self) -> Mapping[str, Any]:
        """How good the judges are."""
        quality: Mapping[str, Any] = self.document["quality"]
        return quality

    def frame(self, frame: Kind = "arrow") -> Any:
        """A row a model."""
        return made(self.models, RANKED, frame)

    def _content(self) -> Content:
        from judges.cli.ranking import with_interval

        d = self.document
        rows = []
        for model in self.models:
            best, worst = model["rank_best"], model["rank_worst"]
            rows.append(
                (
                    best if best == worst else f"{best}-{worst}",
                    model["name"],
                    with_interval(model["strength"], model["low"], model["high"]),
                    with_interval(100 * model["win_rate"], 100 * model["win_low"], 100 * model["win_high"], "{:.1f}"),
                    model["games"],
                )
            )
        title = f"ranking by {d['source']}: {d['games']} games on {d['prompts']['n']} prompts of {d['prompts']['name']}"
        columns = ("rank", "model", "strength [95%]", "win rate [95%]", "games")
        return Content(title, columns, rows, d["notes"])


@takes(AnswerOptions)
def answer(
    model: str | os.PathLike[str],
    prompts: str | os.PathLike[str] | None = None,
    *,
    db: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **given: Any,
) -> AnswerSet:
    """Have a checkpoint answer a prompt set, as `harness answer` does; the same call again goes on.

    Every argument is an option of the command, with _ for -. Without `db` it is HARNESS_DB, or harness.duckdb.

    Raises harness.errors.HarnessError and data.sources.DataError, each with a sentence; IncompleteError where every
    answer is empty. Ctrl-C ends it with a sentence too, and what was answered is stored."""
    from judges.answers import answering

    place = default_db() if db is None else db
    options = AnswerOptions(**{"model": model, "prompts": prompts, "db": place, **given})
    command = [call_text("answer", model=options.model, prompts=options.prompts, **given)]
    with working(progress) as callback:
        result = answering.answer(options, callback, command=command)
    answering.require_a_word(result)
    return AnswerSet(options.db, answering.document(result))


@takes(JudgeOptions)
def judge(
    models: str | AnswerSet | Sequence[str | AnswerSet],
    judge: str | Sequence[str],
    *,
    against: str | AnswerSet | None = None,
    db: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **given: Any,
) -> Judged:
    """Have judges compare the answers of models, each pair in both orders, as `harness judge` does; the same call again
    goes on.

    `models` and `against` are what `answer` gave, or names and ids; `judge` is a model's name at the server, or
    "reference", or several of these. Every other argument is an option of the command, with _ for -.

    Raises harness.errors.HarnessError and data.sources.DataError, each with a sentence: UnreliableError where a judge
    failed too often to be believed, IncompleteError where some pairs have no verdict yet. What was judged is stored."""
    from judges.judging.jury import compare, outcome_document
    from judges.judging.session import reliable

    baseline = against.id if isinstance(against, AnswerSet) else against
    compared_by = {"models": _words(models), "judge": _words(judge), "against": baseline}
    options = JudgeOptions(**{**compared_by, "db": default_db() if db is None else db, **given})
    with working(progress) as callback:
        compared, outcomes = compare(options, callback)
    reliable(outcomes)
    document = {"judges": [outcome_document(outcome) for outcome in outcomes], "not_comparable": compared.missing}
    return Judged(options.db, {**document, "models": [answers.name for answers in compared.sets]})


def rank(
    models: str | AnswerSet | Sequence[str | AnswerSet] = (),
    *,
    by: str | None = None,
    prompts: str | None = None,
    style_control: bool = False,
    bootstrap: bool = False,
    db: str | os.PathLike[str] | None = None,
) -> Ranking:
    """Rank models by what people or judges preferred, as `harness ranking` does: the arguments are its options.

    UsageError where there is nothing to rank by."""
    from judges.ranking.evidence import gather, source_of
    from judges.ranking.report import ranking_report
    from judges.store import Store

    source = source_of(by)
    evidence = gather(Store(default_db() if db is None else os.fspath(db)), prompts, tuple(_words(models)))
    return Ranking(ranking_report(evidence, source, style_control, "bootstrap" if bootstrap else "sandwich"))


def _words(given: str | AnswerSet | Sequence[str | AnswerSet]) -> Sequence[str]:
    """Names and ids, each once. What is neither these nor answer sets stays, for the declaration to refuse."""
    several = [given] if isinstance(given, str | AnswerSet) else given
    if not isinstance(several, list | tuple):
        return several  # type: ignore[return-value]
    words = [word.id if isinstance(word, AnswerSet) else word for word in several]
    if not all(isinstance(word, str) for word in words):
        return words
    return list(dict.fromkeys(part.strip() for word in words for part in word.split(",")))
