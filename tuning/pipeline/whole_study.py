"""A whole study as its stages see it: the file, its searches, and what the store has of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.evaluation.configurations import member_tags
from harness.evaluation.identity import digest
from harness.evaluation.sampling.race import stopped_by_race
from tuning.pipeline import configurations
from tuning.pipeline.configurations import Searched, title
from tuning.pipeline.study_file import PlannedSearch, StudyFile
from tuning.report.trial_scores import tag_of
from tuning.store import Store, StudyRow
from tuning.store.rows import BASE
from tuning.study.finalists import Finalist, place_of, trainings

if TYPE_CHECKING:
    from harness.options import RunOptions
    from harness.results import RunRow
    from tuning.study.definition import Plan


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint of a configuration: the base, or one of its adapters."""

    finalist: Finalist
    title: str  # of the configuration
    seed: int | None  # of the training; None for the base
    path: str

    @property
    def name(self) -> str:
        return self.title if self.seed is None else f"{self.title} seed {self.seed}"


@dataclass
class WholeStudy:
    """What the stages work on: the file, and what the store has of it."""

    file: StudyFile

    @cached_property
    def store(self) -> Store:
        return Store(self.file.tune.db)

    @cached_property
    def searches(self) -> list[PlannedSearch]:
        return self.file.every_search()

    @cached_property
    def plans(self) -> list[Plan]:
        """Of each search. Those of [searches] share all but optimizer and seed, so base and rows are read once for all
        of them. Raises what refuses one."""
        from tuning.study.definition import check_optimizer, plan

        for search in self.searches:
            check_optimizer(search.options)
        first = plan(self.searches[0].options)
        return [
            plan(search.options)
            if search.change
            else replace(first, study=replace(first.study, optimizer=search.optimizer, seed=search.seed))
            for search in self.searches
        ]

    @property
    def identities(self) -> list[str]:
        """Of the searches. Raises what refuses one."""
        return [made.study.identity for made in self.plans]

    def rows(self) -> list[StudyRow | None]:
        """Of each search, what the store has."""
        return [self.store.find_study(identity) for identity in self.identities]

    def finished(self) -> list[Searched]:
        """UsageError where a search has not ended."""
        rows = [row for row in self.rows() if row is not None and row.status == "finished"]
        if len(rows) < len(self.searches):
            raise UsageError(f"{len(rows)} of {len(self.searches)} searches of {self.file.path} have ended.")
        return configurations.searched(self.store, self.searches, rows)

    def finalists(self) -> list[Finalist]:
        return configurations.finalists(self.finished(), self.file.finalists)

    def models(self) -> list[Model]:
        """Every checkpoint that is measured: the base first, then each configuration's adapters by seed."""
        searches = self.finished()
        made = []
        chosen = configurations.finalists(searches, self.file.finalists)
        for finalist in sorted(chosen, key=lambda finalist: finalist.trial != BASE):
            name = title(finalist, searches)
            if finalist.trial == BASE:
                made.append(Model(finalist, name, None, self.file.tune.model or ""))
            else:
                folder = self.store.study_folder(finalist.study.id)
                for attempt in trainings(finalist):
                    # of a study from another machine there is none yet
                    path = attempt.adapter or str(place_of(folder, finalist.trial, attempt.seed))
                    made.append(Model(finalist, name, attempt.seed, path))
        return made

    def runs(self, model: Model) -> list[tuple[str, RunOptions]]:
        """Of each table of benchmarks: the tag that the run is found by, and its options."""
        base = None if model.seed is None else self.file.tune.model
        name = f"{self.file.name} {model.name}"
        several = []
        for options in self.file.runs(self._chats(model), model=model.path, base=base, name=name):
            # a model by what it is: its folder is another on another machine
            trained = [model.finalist.study.identity, model.finalist.trial, model.seed]
            who = {"model": model.finalist.study.base_digest if model.seed is None else trained}
            places = ("db", "device", "tags", "model", "base")
            asked = {name: value for name, value in dict(options).items() if name not in places}
            own = f"{self.file.name}-{digest({**asked, **who})[:12]}"
            of_trial = tag_of(model.finalist.study, model.finalist.trial)
            member = member_tags(model.finalist.configuration, model.seed)
            several.append((own, options.replace(tags=(of_trial, own, *member))))
        return several

    def _chats(self, model: Model) -> bool:
        """Whether a model is asked through its chat template: as it was trained, and the base if it has one."""
        config = model.finalist.study.config
        if model.seed is not None:
            return bool(config.get("template") == "chat")
        return base_chats(config.get("template"), config["model"], config["revision"])

    def finished_runs(self) -> dict[str, RunRow]:
        """By tag; with a race, those that it stopped too."""
        raced = self.file.finalists.race
        rows = {
            row.id: row for row in self.store.runs() if row.status == "finished" or (raced and stopped_by_race(row))
        }
        return {tag: rows[run] for run, tags in self.store.tags().items() if run in rows for tag in tags}


def base_chats(template: str | None, base: str, revision: str | None) -> bool:
    """Whether the base is asked through its chat template, where rows are trained in `template`."""
    from harness.models.checkpoint import resolve
    from harness.prompting import chat_templates

    return template == "chat" and bool(chat_templates.read(resolve(base, None, revision).tokenizer))
