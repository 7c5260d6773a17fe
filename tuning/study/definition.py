"""What a study is: from flags or a file to a frozen plan with an identity.

The identity covers what decides a study's trials: base, rows, space, start points, optimizer, seed, block,
objectives, rungs, precision. Budget, workers, time limits, device, micro-batch and names may change from one
session to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.evaluation.identity import digest
from harness.options import OptionError, about, not_given
from harness.options.row_columns import columns_of
from harness.prompting import row_templates
from tuning import optimizers
from tuning.objectives import objectives
from tuning.search import rungs
from tuning.study import mix_share
from tuning.study.options import Options
from tuning.study.presets import FORMER, preset
from tuning.study.row_options import load_rows, mix_of, sizes_of
from tuning.study.rung_options import former_rungs, rungs_of
from tuning.study.space import Space
from tuning.study.starting_points import StartingPoints, starting_points
from tuning.types import MIX, Hyperparameters, Surroundings

if TYPE_CHECKING:
    from data.instruction_split import Splits
    from harness.models.checkpoint import Checkpoint
    from tuning.store import Store, StudyRow
    from tuning.study.ledger import Ledger
    from tuning.training.train_settings import TrainSettings

VERSION = "1"  # changes whenever the same options would give other trials
WARM = 5  # points taken from another study


@dataclass(frozen=True)
class Study:
    model: str
    revision: str | None
    base_digest: str
    data: str | None
    mix: Mapping[str, float] | None
    sizes: tuple[float, float, float]
    split: str
    data_seed: int
    data_digests: Mapping[str, str]
    space: Space
    defaults: Hyperparameters
    start: tuple[tuple[str, Hyperparameters], ...]
    optimizer: str
    seed: int
    block: int
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    fractions: tuple[float, ...]
    packed: int
    bench_data: str | None
    dtype: str
    max_tokens: int
    load_in_4bit: bool
    add_bos: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    template: str = "alpaca"  # of rows: chat, alpaca or plain
    chat_template: str = ""  # the text of a file that stands for the tokenizer's own
    by_first: bool = True  # rungs compare trials by the first objective alone

    @cached_property
    def identity(self) -> str:
        """sha256, hexadecimal. Where model and rows lie is no part of it; what they hold is."""
        content = self.to_dict()
        for place in ("model", "revision", "data", "bench_data", "sizes", "mix", "columns", "split", "data_seed"):
            del content[place]
        if not self.add_bos:
            del content["add_bos"]  # identities from before it stay
        if self.template == "alpaca":
            del content["template"]  # and from before there were others
        if not self.chat_template:
            del content["chat_template"]
        if self.by_first:
            del content["by_first"]
        if len(self.fractions) > 1:
            content["rungs"] = {"eta": rungs.ETA, "shrink": rungs.SHRINK, "whole": rungs.ALL_ROWS}
        return digest({**content, "version": VERSION})

    @property
    def data_digest(self) -> str:
        return digest(self.data_digests)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the store and the identity."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        start = [[label, hyper.to_dict()] for label, hyper in self.start]
        plain.update(space=self.space.to_dict(), defaults=self.defaults.to_dict(), start=start)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @staticmethod
    def from_dict(written: Mapping[str, Any]) -> Study:
        from tuning.study.ledger import hyper_of

        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in written.items()
        }
        values["space"] = Space.from_dict(written["space"])
        values["defaults"] = hyper_of(written["defaults"])
        values["start"] = tuple((label, hyper_of(hyper)) for label, hyper in written["start"])
        return Study(**values)

    def settings(self, options: Options) -> TrainSettings:
        """How to train on this machine."""
        from harness.evaluation.planning import find_device
        from tuning.training.train_settings import TrainSettings

        return TrainSettings(
            device=find_device(options.device),
            dtype=self.dtype,
            max_tokens=self.max_tokens,
            load_in_4bit=self.load_in_4bit,
            add_bos=self.add_bos,
            template=self.template,
            chat_template=self.chat_template,
            micro_batch=options.micro_batch,
            gradient_checkpointing=options.gradient_checkpointing,
            processes=options.processes,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    study: Study
    checkpoint: Checkpoint
    splits: Splits
    budget: int
    notes: tuple[str, ...] = ()  # what was chosen where the options leave it open: belongs on the study


def plan(options: Options) -> Plan:
    """Raises the errors of checkpoints, rows, spaces and objectives. No weights are read into memory."""
    from harness.evaluation.planning import find_device
    from harness.models.checkpoint import resolve

    if not options.model:
        raise not_given("model", "a folder, a hub id, or tiny")
    chosen = preset(options.preset, options.as_published)
    space = Space.from_dict(options.space) if options.space else chosen.space
    if searched := {name: value for name, value in options.set.items() if name in space.names}:
        text = f" must be of what the space does not search, and it searches {', '.join(space.names)}."
        raise OptionError("set", searched, text)
    goals = objectives.words_of(options.objective)
    where = surroundings(options)
    check_optimizer(options)
    goals = tuple(objectives.kept(word, where) for word in goals)
    checkpoint = resolve(options.model, None, options.revision)
    if checkpoint.base is not None:
        raise OptionError(
            "model", options.model, " is a LoRA adapter: merge it first (harness merge), or give its base."
        )
    template = row_templates.choose(options.template, checkpoint)
    warm = _warm(options)
    points = starting_points(options, chosen, space, checkpoint, warm)
    once = _former_points(options, space, checkpoint, warm)
    budget = options.budget or chosen.budget
    if budget < len(points.start) and (once is None or budget < len(once.start)):
        raise _too_small(budget, points.start)
    device = find_device(options.device)
    mix, columns, sizes = mix_of(options.mix), columns_of(options.columns), sizes_of(options.sizes)
    splits = load_rows(options.data, mix, columns, sizes, options.split, options.data_seed)
    with about("space", {name: table for name, table in options.space.items() if name.startswith(MIX)}):
        shares = mix_share.check(splits, space, options.split)
    points = points.mixed(mix_share.own_share(splits, space))
    fractions, by_first = rungs_of(options, chosen.rungs, goals)
    study = Study(
        model=options.model,
        revision=options.revision,
        base_digest=checkpoint.digest,
        data=options.data,
        mix=mix,
        sizes=sizes,
        split=options.split,
        data_seed=options.data_seed,
        data_digests=mix_share.data_digests(splits, space),
        space=points.space,
        defaults=points.defaults,
        start=points.start,
        optimizer=options.optimizer,
        seed=options.seed,
        block=options.block or options.parallel * options.packed,
        objectives=goals,
        constraints=tuple(objectives.kept(word, where) for word in options.constraint),
        fractions=fractions,
        by_first=by_first,
        packed=options.packed,
        bench_data=options.bench_data,
        dtype=options.dtype or ("float32" if device == "cpu" else "bfloat16"),
        max_tokens=options.max_tokens,
        load_in_4bit=options.load_in_4bit,
        add_bos=options.add_bos,
        columns=columns,
        template=template.name,
        chat_template=template.chat_template,
    )
    notes = points.notes
    before = replace(study, template="alpaca") if options.template == "auto" else study  # there was no other
    studies = [(study, notes), (before, notes)]
    if once is not None:
        once = once.mixed(mix_share.own_share(splits, space))
        studies.append((replace(before, space=once.space, defaults=once.defaults, start=once.start), once.notes))
    fractions, by_first = former_rungs(options, chosen.rungs, goals)
    studies += [(replace(one, fractions=fractions, by_first=by_first), of) for one, of in studies]
    study, notes = next((known for known in studies if _is_begun(options.db, known[0])), studies[0])
    if options.template == "auto" and template.name == "chat":
        of = f"the chat template of {options.model}" if study.template == "chat" else "alpaca, as it was begun"
        notes = (*notes, f"rows are trained in {of} (template = auto)")
    if budget < len(study.start):
        raise _too_small(budget, study.start)
    return Plan(study, checkpoint, splits, budget, (*notes, *shares))


def _former_points(
    options: Options, space: Space, checkpoint: Checkpoint, warm: Sequence[Hyperparameters]
) -> StartingPoints | None:
    """Where the options began a search when their preset was another."""
    if options.preset not in FORMER:
        return None
    try:
        return starting_points(options, FORMER[options.preset], space, checkpoint, warm)
    except UsageError:  # no study was begun with it
        return None


def _is_begun(db: str, study: Study) -> bool:
    from tuning.store import Store

    return Store(db).find_study(study.identity) is not None


def _too_small(budget: int, start: Sequence[tuple[str, Hyperparameters]]) -> OptionError:
    names = ", ".join(label for label, _ in start)
    return OptionError("budget", budget, f" must be {len(start)} or more: so many points come first ({names}).")


def again(study: Study) -> tuple[Checkpoint, Splits]:
    """The base and the rows of a stored study; UsageError where they are others now."""
    from harness.models.checkpoint import resolve

    checkpoint = resolve(study.model, None, study.revision)
    splits = load_rows(study.data, study.mix, study.columns, study.sizes, study.split, study.data_seed)
    if checkpoint.digest != study.base_digest:
        raise UsageError(f"{study.model} is another model than the one that the study was made with.")
    if dict(mix_share.data_digests(splits, study.space)) != dict(study.data_digests):
        raise UsageError(f"The rows of {study.data or 'the hub'} are others than those of the study.")
    return checkpoint, splits


def surroundings(options: Options, template: str = "alpaca") -> Surroundings:
    """`template`: of the study's rows."""
    return Surroundings(
        options.model,
        options.db,
        options.bench_data,
        options.device,
        options.prompts,
        options.judge_url,
        options.add_bos,
        template,
    )


def check_optimizer(options: Options) -> None:
    """OptionError where the optimizer cannot take so many objectives, or constraints."""
    with about("objective", options.objective):
        optimizers.check(options.optimizer, 1, len(objectives.words_of(options.objective)))
    with about("constraint", options.constraint):
        optimizers.check(options.optimizer, 1, 1, len(options.constraint))


def _warm(options: Options) -> list[Hyperparameters]:
    """The best points of another study."""
    if options.warm_start is None:
        return []
    from tuning.store import Store
    from tuning.study.ledger import hyper_of

    store = Store(options.db)
    with about("warm_start", options.warm_start):
        other = ledger_of(store, store.resolve_study(options.warm_start))
    return [hyper_of(other.trials[number - 1].hyperparameters) for number in other.ranked()[:WARM]]


def ledger_of(store: Store, row: StudyRow) -> Ledger:
    """The ledger of a stored study."""
    from tuning.search.rung_values import Measures
    from tuning.study.ledger import Ledger

    config = row.config
    return Ledger(
        store=store,
        study=row.id,
        seed=row.seed,
        fractions=tuple(config["fractions"]),
        together=len(config["start"]),
        measures=Measures(tuple(config["objectives"]), tuple(config["constraints"])),
        by_first=config.get("by_first", True),
    ).load()
