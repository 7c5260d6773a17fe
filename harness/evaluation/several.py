"""Several models measured in one go: adapters of one base in turn on one engine, which keeps the base in memory.

Each run is the one that its options make alone: identity, stored rows, warnings and numbers. Models are in turn, one
whole run after another, so that a kill costs the batch under way, and the seconds of a run are its own (those of
planning and of loading the base are the first one's).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness import backends
from harness.evaluation.grading import grading_of
from harness.evaluation.planning import Plan, make_plans
from harness.evaluation.run import Result, Session, run_plan, shown_name
from harness.options.run_options import AUTO
from harness.progress import SILENT, Progress
from harness.progress.named import Named
from harness.results import Store
from harness.types import Switching

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint
    from harness.options import BackendSettings, RunOptions
    from harness.results import RunRow
    from harness.types import Backend, Task


def run_several(
    several: Sequence[RunOptions],
    progress: Progress = SILENT,
    command: Sequence[str] = (),
    objects: Sequence[Task] = (),
) -> Iterator[tuple[int, Result]]:
    """`run` of each: (index into `several`, its result) as they end, those of one base after each other. All models and
    tasks are looked at before the first one is loaded."""
    session = Session()
    with session.clock("planning"), progress.step("reading the tasks"):
        plans = make_plans(several, objects)
    groups = groups_of(plans)
    ordered = [place for _, group in groups for place in group]
    for kind, group in groups:
        graded = [place for place in group if any(grading_of(task.task) is not None for task in plans[place].tasks)]
        engine = Engine(kind, [plans[place].checkpoint for place in group if not is_finished(plans[place])])
        try:
            for place in group:
                first = session if place == ordered[0] else None
                with _turn(plans, place, ordered, progress) as own:
                    result = run_plan(plans[place], own, command, engine.load, first, until_graded=place in graded)
                if place not in graded:
                    yield place, result
        finally:
            engine.close()
        for place in graded:  # a judge may need the memory that the models had
            begun = replace(plans[place], options=plans[place].options.replace(fresh=False))
            with _turn(plans, place, ordered, progress) as own:
                yield place, run_plan(begun, own, command)


class _Turn(Named):
    """The progress of one of several runs. Where it is stopped, the sentence says at which."""

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        error = raised[1]
        if isinstance(error, KeyboardInterrupt) and error.args:
            raise KeyboardInterrupt(f"{self._name}: {error}") from None


def _turn(plans: Sequence[Plan], place: int, ordered: Sequence[int], progress: Progress) -> _Turn:
    name = shown_name(plans[place].options)
    models = list(dict.fromkeys(plans[one].options.model for one in ordered))
    number = 1 + models.index(plans[place].options.model)
    return _Turn(progress, f"model {number} of {len(models)}, {name}" if len(models) > 1 else name)


@dataclass(frozen=True, slots=True)
class Kind:
    """What models must have in common to be computed on one engine."""

    backend: str
    settings: BackendSettings
    base: str  # its digest
    device: str
    dtype: str
    load_in_4bit: bool
    alone: int | None  # the place of a model that shares its engine with none


class Engine:
    """What the runs of a group are computed with. `models`: all that it will be asked for."""

    def __init__(self, kind: Kind, models: Sequence[Checkpoint]) -> None:
        self._kind, self._models = kind, models
        self._backend: Backend | None = None

    def load(self, plan: Plan) -> tuple[Backend, list[str]]:
        """The backend of a plan of the group, and its warnings; the one before it answers no more."""
        model = replace(plan.model, others=tuple(one for one in self._models if one is not plan.checkpoint))
        before, self._backend = self._backend, None
        if isinstance(before, Switching):
            try:
                self._backend, warnings = before.switch(model)
            except BaseException:
                before.close()
                raise
            return self._backend, warnings
        if before is not None:
            before.close()
        self._backend, warnings = backends.make(self._kind.backend, model, self._kind.settings)
        return self._backend, warnings

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()
            self._backend = None


def groups_of(plans: Sequence[Plan]) -> list[tuple[Kind, list[int]]]:
    """The places of plans that go on one engine, in the order of the first of each; whole models before adapters: their
    weights are then as they were loaded. Several adapters are served live, unless the settings have them merged,
    however many of them are finished."""
    groups: dict[Kind, list[int]] = {}
    for place, plan in enumerate(plans):
        kind = _kind(plan, place)
        shared = replace(kind, settings=kind.settings.replace(lora="live")) if kind.settings.lora == AUTO else kind
        groups.setdefault(shared, []).append(place)
    return [
        (
            kind if len(group) > 1 else _kind(plans[group[0]], group[0]),
            sorted(group, key=lambda place: plans[place].checkpoint.base is not None),
        )
        for kind, group in groups.items()
    ]


def _kind(plan: Plan, place: int) -> Kind:
    known = known_run(plan)
    begun = None if known is None or not known.goes_on else known
    settings = backends.settings_to_go_on(plan.settings, begun)
    return Kind(
        backends.choose(backends.to_go_on(plan.options.backend, begun), plan.model),
        settings,
        (plan.checkpoint.base or plan.checkpoint).digest,
        plan.device,
        plan.dtype,
        plan.options.load_in_4bit,
        place if plan.checkpoint.kind == "served" or settings.lora == "merge" else None,
    )


def is_finished(plan: Plan) -> bool:
    """Whether its run answers from the store."""
    known = known_run(plan)
    return known is not None and not known.goes_on


def known_run(plan: Plan) -> RunRow | None:
    """What is stored of it, finished or not; None where it begins anew."""
    return None if plan.options.fresh else Store(plan.options.db).find(plan.identity)
