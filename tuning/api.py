"""The Python API of studies: `harness.tune`; and `harness.open`, which reads all that a store holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.arguments import call_text, takes, working
from harness.display import Content, Shown
from harness.frames import Kind, default_db, made
from harness.options import OptionError
from harness.options.toml import in_file
from tuning.frames import StudyFrames
from tuning.study.options import TuneOptions

SHOWN = 10  # trials of a study
FINALISTS = {
    "study": "string",
    "trial": "int64",
    "why": "string",
    "test_loss": "float64",
    "test_losses": "numbers",
    "failed": "int64",
}


@dataclass(frozen=True, slots=True, repr=False)
class Finalists(Shown):
    """What `harness tune top` found. `document` is what it prints with --json."""

    document: Mapping[str, Any]

    @property
    def sentences(self) -> list[str]:
        """The best against the base, the fixed points and other studies' best."""
        return [comparison["sentence"] for comparison in self.document["comparisons"]]

    @property
    def merged(self) -> list[str]:
        """The finalists as checkpoints, with merge=True."""
        return list(self.document["merged"])

    @property
    def runs(self) -> list[Mapping[str, Any]]:
        """With run=True or race=True: trial, name, run (its id) and scores of each."""
        return list(self.document["runs"])

    @property
    def races(self) -> list[Mapping[str, Any]]:
        """With race=True: of each task how every finalist ended, the winner first."""
        return list(self.document["races"])

    @property
    def audits(self) -> list[Mapping[str, Any]]:
        """With run=True or race=True: the contamination audit of each task, with the scores without flagged items."""
        return list(self.document["audits"])

    def frame(self, frame: Kind = "arrow") -> Any:
        """A row a finalist."""
        return made(self.document["finalists"], FINALISTS, frame)

    def _content(self) -> Content:
        columns = ("trial", "chosen as", "seeds", "test loss", "spread over seeds")
        rows = []
        for finalist in sorted(self.document["finalists"], key=lambda finalist: finalist["test_loss"]):
            losses, loss = finalist["test_losses"], finalist["test_loss"]
            spread = f"{min(losses):.4f} to {max(losses):.4f}" if len(losses) > 1 else ""
            rows.append((finalist["trial"] or "base", finalist["why"], len(losses), f"{loss:.4f}", spread))
        return Content("finalists: nats a response token on the test rows", columns, rows, self.sentences)


@dataclass(frozen=True, slots=True, repr=False)
class Tuned(Shown):
    """One study. `document` is what `harness tune --json` prints."""

    db: str
    document: Mapping[str, Any]
    computed: bool  # False where a finished study answered

    @property
    def study(self) -> str:
        """The study's id."""
        return str(self.document["study"]["id"])

    @property
    def name(self) -> str:
        return str(self.document["study"]["name"])

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The best trial that was trained on all rows: its number, hyperparameters, value, adapter and more."""
        best: Mapping[str, Any] | None = self.document["best"]
        return best

    @property
    def checkpoint(self) -> Path | None:
        """The best adapter on its base, as a model for `harness.evaluate`; None with no_merge, or without a best."""
        from tuning.store import Store

        if self.best is None:
            return None
        folder = Store(self.db).study_folder(self.study) / f"best-trial-{self.best['number']:04d}"
        return folder if folder.is_dir() else None

    @property
    def warnings(self) -> list[str]:
        return list(self.document["study"]["warnings"])

    def trials(self, frame: Kind = "arrow") -> Any:
        """`harness.open(db).trials` of this study."""
        return StudyFrames(self.db).trials(self, frame)

    def finalists(
        self,
        k: int = 10,
        spread: int = 0,
        seeds: int = 5,
        against: str | Sequence[str] = (),
        *,
        merge: bool = False,
        run: bool = False,
        race: bool = False,
        tasks: str | Sequence[str] = (),
        bench_data: str | None = None,
        parallel: int = 1,
        ray: str | None = None,
        device: str = "auto",
        micro_batch: int = 16,
        progress: bool = True,
    ) -> Finalists:
        """Train the best trials and the fixed points over new seeds and compare them on the test rows, as
        `harness tune top` does: the arguments are its options. What is there already is not trained again."""
        from harness.tasks import declared
        from tuning.store import Store
        from tuning.study import finalist_evaluation, finalist_race, finalists

        store = Store(self.db)
        row = store.resolve_study(self.study)
        options = TuneOptions(
            model=row.model,
            db=self.db,
            bench_data=bench_data,
            parallel=parallel,
            ray=ray,
            device=device,
            micro_batch=micro_batch,
            add_bos=bool(row.config.get("add_bos")),
        )
        rivals = (against,) if isinstance(against, str) else tuple(against)
        names = (tasks if isinstance(tasks, str) else ",".join(tasks)) or ",".join(declared.defaults())
        if race:
            finalist_race.check_race(row, names, bench_data)
        with working(progress) as callback:
            top = finalist_evaluation.top(options, row.id, k, spread, seeds, rivals, callback)
            merged = (
                finalist_evaluation.merge_all(top, store.study_folder(row.id) / "merged", callback) if merge else []
            )
            runs, races, audits = (
                finalist_race.measure(top, options, names, callback, race) if run or race else ([], [], [])
            )
        document = finalists.document(top.measured, top.compared)
        parts = {"merged": list(map(str, merged)), "runs": runs, "audits": audits}
        parts["races"] = [one.document for one in races]
        return Finalists({"study": row.id, **document, **parts})

    def report(self, out: str | os.PathLike[str] | None = None) -> list[Path]:
        """Write what the study found as HTML and Markdown with plots, as `harness tune report` does; gives the files.

        `out` is the folder, report-STUDY where not given."""
        from tuning.report.documents import view_of
        from tuning.report.page import write
        from tuning.store import Store

        folder = Path(out or f"report-{self.study[:12]}")
        return [Path(path) for path in write(view_of(Store(self.db), self.study), folder)]

    def _content(self) -> Content:
        from tuning.report.documents import hyper_text

        study, best = self.document["study"], self.best
        known = sorted((t for t in self.document["trials"] if t["value"] is not None), key=lambda t: t["value"])
        rows = [
            (
                t["number"],
                t["label"] or t["optimizer"],
                f"{'≈ ' if t['estimated'] else ''}{t['value']:.4f}",
                f"{t['rung']:.0%}",
                hyper_text(t["hyperparameters"]),
            )
            for t in known[:SHOWN]
        ]
        notes = [f"{len(known) - SHOWN} more trials: .trials()"] if len(known) > SHOWN else []
        notes += [f"best: trial {best['number']} ({hyper_text(best['hyperparameters'])})"] if best else []
        notes += [study["ended"]] if study["ended"] else []
        before = "" if self.computed else ", finished before"
        trials = f"{len(self.document['trials'])} of {study['budget']} trials"
        title = (
            f"{self.name} ({study['model']}), {study['optimizer']}, {trials}, study {self.study[:12]}, "
            f"{study['status']}{before}"
        )
        columns = ("trial", "from", ", ".join(study["objectives"]), "rows", "hyperparameters")
        return Content(title, columns, rows, [*notes, *self.warnings])


@takes(TuneOptions)
def tune(
    model: str | os.PathLike[str] | None = None,
    *,
    study: str | os.PathLike[str] | None = None,
    db: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **given: Any,
) -> Tuned:
    """Search for LoRA hyperparameters, as `harness tune` does; the same call again goes on, or answers at once.

    `study` is a study file (TOML), whose values the arguments override; `set` and `space` are mappings, as the tables
    of such a file. Every other argument is an option of the command, with _ for -. Without `db` it is the file's, then
    HARNESS_DB, then harness.duckdb.

    Raises harness.errors.HarnessError and data.sources.DataError, each with a sentence; IncompleteError where no trial
    came to its end. Ctrl-C ends it with a sentence too, and what was trained is stored."""
    from tuning.report.documents import require_a_trial, study_document
    from tuning.study import session
    from tuning.study.options import read_file

    written = {} if study is None else read_file(Path(study))
    own = {**given, **{name: value for name, value in (("model", model), ("db", db)) if value is not None}}
    values = {"db": default_db(), **written, **own}
    if isinstance(given.get("set"), Mapping):
        values["set"] = {**written.get("set", {}), **given["set"]}
    try:
        options = TuneOptions(**values)
        with working(progress) as callback:
            result = session.run(options, callback, [call_text("tune", model=options.model, **given)])
    except OptionError as error:
        raise in_file(error, study, written, own) from error.__cause__
    document = study_document(result.row, result.ledger, result.merged)
    require_a_trial(document)
    return Tuned(options.db, document, result.computed)


def open(db: str | os.PathLike[str] | None = None) -> StudyFrames:
    """What a store holds, as frames: `runs()`, `scores()`, `samples()`, `trials()` and `votes()`, each an Arrow table,
    or with frame="pandas" or frame="polars" one of these. docs/api.md documents the columns.

    Without `db` it is HARNESS_DB, or harness.duckdb. StoreError where there is no such store."""
    return StudyFrames(db)
