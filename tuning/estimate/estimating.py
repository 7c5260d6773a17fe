"""From options to an estimate of a study. What the search would refuse is refused here, in the same words."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.estimate.contention import Contention, sentence, widened
from harness.estimate.measure import LIMIT, UNEVEN
from harness.estimate.ranges import NOTHING, Range
from harness.models.loading import check_loads, require_device
from tuning.estimate.judging import judging
from tuning.estimate.measure import Speeds, TrainingSampler, measured
from tuning.estimate.training_cost import Costs
from tuning.estimate.trials import drawn
from tuning.objectives import objectives
from tuning.store import Store
from tuning.study import session
from tuning.study.definition import Plan, plan
from tuning.training.train import LEAST
from tuning.types import Hyperparameters

if TYPE_CHECKING:
    from judges.judging.cost import Prices
    from tuning.store import StudyRow
    from tuning.study.options import Options
    from tuning.training.train import Trainer

VISITS = 4  # to the store, of a trial's training, beside those of its loss curve
CURVE = 2.0  # seconds between these
MERGING = Range(1.5, 3.0, 8.0)  # times as long as loading the base, which it does twice beside writing it
UNEVEN_LOADING = 0.3
SINGLES = 200  # hyperparameters that a training's time is counted of


def estimate(options: Options, prices: Prices | None = None) -> dict[str, Any]:
    """The document that `harness tune --plan --json` prints; kept in the store where there is something to do."""
    began, contention = time.perf_counter(), Contention()
    made = plan(options)
    store = Store(options.db)
    known = store.find_study(made.study.identity)
    head = _head(made, known, options)
    if known is not None and session.is_answered(store, known, options):
        return {**head, "finished": True, "seconds": NOTHING.to_dict(), "measured_seconds": 0.0, "notes": []}
    if options.ray is None:
        require_device(made.study.settings(options).device)
    check_loads(made.checkpoint)
    with session.tools_of(made, options, session.setup_of):
        trainer = session.setup_of(made, options)()
        planned = time.perf_counter()
        trainer.require()
        loading = time.perf_counter() - planned
        try:
            document = {**head, **_measured(made, options, trainer, prices, time.perf_counter() - began, loading)}
        finally:
            trainer.close()
    slowdown = contention.slowdown if trainer.settings.device == "cpu" else 1.0
    document["seconds"] = widened(Range.read(document["seconds"]), slowdown).to_dict()
    document["training_seconds"] = widened(Range.read(document["training_seconds"]), slowdown).to_dict()
    document["notes"] += sentence(slowdown)
    store.keep_estimate(made.study.identity, document)
    return document


def _head(made: Plan, known: StudyRow | None, options: Options) -> dict[str, Any]:
    """What is known without a measurement."""
    study, splits = made.study, made.splits
    return {
        "kind": "study",
        "identity": study.identity,
        "finished": False,
        "model": study.model,
        "device": study.settings(options).device,
        "dtype": study.dtype,
        "optimizer": study.optimizer,
        "objectives": list(study.objectives),
        "rows": {part: len(splits.part(part)) for part in ("train", "validation", "test")},
        "trials": options.budget or (known.budget if known else made.budget),
        "first_points": len(study.start),
        "rungs": list(study.fractions),
        "started": known is not None,
    }


def _measured(
    made: Plan, options: Options, trainer: Trainer, prices: Prices | None, began: float, loading: float
) -> dict[str, Any]:
    from harness.estimate.model_size import ModelSize

    study, settings = made.study, trainer.settings
    trials = options.budget or made.budget
    train, validation = trainer.rows.part("train"), trainer.rows.part("validation")

    @cache
    def per_rank(targets: tuple[str, ...]) -> int:
        return _numbers(trainer, replace(study.defaults, rank=1, target_modules=targets))

    size, shares = ModelSize.of(trainer.model), trainer.shares_prefixes
    costs = Costs(size, per_rank, train, validation, settings.micro_batch, study.seed, shares)
    futures = list(drawn(study, trials))
    groups = {group for trainings in futures for group, _ in trainings}
    by_size = sorted(groups, key=lambda group: (sum(per_rank(h.target_modules) * h.rank for h in group), len(group)))
    with tempfile.TemporaryDirectory(prefix="harness-plan-") as folder:
        visit = _visit(Path(folder))
        sampler = TrainingSampler(trainer, made.splits, costs, Path(folder), study.seed)
        worst = [made.splits.train[at] for at in costs.worst(_distinct(by_size))]
        rows = [row for row, tokens in zip(made.splits.train, train, strict=True) if tokens.responses]
        small, large = by_size[0], by_size[-1]
        found = measured(sampler, worst, rows, small, large, LIMIT)
    speeds = found.speeds()
    sums = [_sums(costs, speeds, trainings, made, visit) for trainings in futures]
    seconds = _spread([total for total, _, _ in sums]).times(Range.of(1.0, _uneven(speeds)))
    seconds = seconds * (1.0 / _at_once(options, settings.device))
    around = Range.of(began, UNEVEN_LOADING)
    if not options.no_merge:
        around += MERGING * loading
    notes = [*_notes(made, options), *found.notes]
    trainings = _spread([float(sum(len(group) for group, _ in future)) for future in futures])
    beside, judged = _objectives(made, options, trainings, prices, notes)
    adapters = [4.0 * sum(per_rank(h.target_modules) * h.rank for h in g) / len(g) for g in (small, large)]
    merged = 0 if options.no_merge else _weights(made)
    kept = min(options.keep, trials)
    disk = Range(adapters[0] * min(kept, 1), sum(adapters) / 2 * kept, adapters[1] * (kept + 1))
    return {
        "tokens": {
            "train": sum(len(row.ids) for row in train),
            "validation": sum(len(row.ids) for row in validation),
            "computed": _spread([tokens for _, tokens, _ in sums]).to_dict(),
        },
        "trainings": _spread([float(len(future)) for future in futures]).to_dict(),
        "trainings_on_all_rows": _spread([float(whole) for _, _, whole in sums]).to_dict(),
        "seconds": (around + seconds + beside).to_dict(),
        "training_seconds": _training(costs, speeds, futures, len(train), len(validation)).to_dict(),
        "memory_bytes": found.peak_bytes,
        "workers": options.parallel,
        "disk_bytes": (disk + Range(merged, merged, merged)).to_dict(),
        "judge": judged,
        "measured_seconds": round(found.spent, 1),
        "notes": notes,
    }


def _numbers(trainer: Trainer, hyper: Hyperparameters) -> int:
    """Of an adapter."""
    from tuning.training.adapters import One, adapted

    with adapted(trainer.model, hyper, trainer.checkpoint, 0) as model:
        return sum(tensor.numel() for tensor in One(model).holders())


def _distinct(groups: Sequence[Sequence[Hyperparameters]]) -> list[Hyperparameters]:
    """One of each batch and number of epochs, which decide what stands together."""
    return list({(hyper.batch, hyper.epochs): hyper for group in groups for hyper in group}.values())


def _sums(
    costs: Costs, speeds: Speeds, trainings: Sequence[Any], made: Plan, visit: float
) -> tuple[float, float, float]:
    """Seconds, tokens forward, and trainings on all rows, of one drawn study."""
    total = tokens = whole = 0.0
    validation = len(made.splits.validation)
    for group, fraction in trainings:
        rows = len(made.splits.subset(fraction).train)
        validated = max(1, round(max(fraction, LEAST) * validation))
        seconds = speeds.seconds(costs.of(group, rows, validated), len(group))
        total += seconds + visit * (VISITS * len(group) + seconds / CURVE)
        tokens += costs.steps_of(group[0], rows, len(group))[2] * len(group)
        whole += len(group) * (fraction == made.study.fractions[-1])
    return total, tokens, whole


def _training(costs: Costs, speeds: Speeds, futures: Sequence[Sequence[Any]], rows: int, validated: int) -> Range:
    """Seconds of one training on all rows, as of those that the search will try."""
    every = (hyper for trainings in futures for group, _ in trainings for hyper in group)
    singles = list(dict.fromkeys(every))[:SINGLES]
    seconds = [speeds.seconds(costs.of((hyper,), rows, validated)) for hyper in singles]
    return _spread(seconds).times(Range.of(1.0, _uneven(speeds)))


def _spread(values: Sequence[float]) -> Range:
    import numpy as np

    return Range(*(float(value) for value in np.quantile(values, (0.025, 0.5, 0.975))))


def _uneven(speeds: Speeds) -> float:
    return (UNEVEN**2 + (2 * speeds.scatter) ** 2) ** 0.5


def _visit(folder: Path) -> float:
    """Seconds of a visit to a store on this machine."""
    store = Store(folder / "measured.duckdb")
    store.keep_estimate("", {})
    began = time.perf_counter()
    for _ in range(3):
        store.keep_estimate("", {})
    return (time.perf_counter() - began) / 3


def _at_once(options: Options, device: str) -> float:
    """Trainings that go on at full speed beside each other: workers on a CPU share its cores."""
    if options.ray is not None:
        return float(options.parallel)
    if device != "cuda":
        return 1.0
    import torch

    return float(min(options.parallel, max(1, torch.cuda.device_count())))


def _weights(made: Plan) -> int:
    """Bytes of the base's files."""
    return sum(file.stat().st_size for file in made.checkpoint.path.glob("*.safetensors"))


def _notes(made: Plan, options: Options) -> list[str]:
    notes = list(dict.fromkeys((*made.checkpoint.warnings, *made.notes, *made.splits.notes)))
    if len(made.study.fractions) > 1:
        notes.append("Which trials go on from a rung is not known before: the range is of 60 studies, drawn.")
    if options.parallel > 1 and options.ray is None:
        notes.append(f"{options.parallel} workers: the memory is of each. On a CPU they share the cores.")
    if options.ray is not None:
        notes.append("The speed is this machine's, and the workers are on others.")
    return notes


def _objectives(
    made: Plan, options: Options, trainings: Range, prices: Prices | None, notes: list[str]
) -> tuple[Range, dict[str, Any] | None]:
    """Seconds of what is measured after each training, and what a judge is asked."""
    from harness.estimate.estimating import estimate as of_run
    from harness.options import RunOptions

    beside, study = NOTHING, made.study
    for part in objectives.slices(study.objectives, study.constraints):
        with tempfile.TemporaryDirectory(prefix="harness-plan-") as folder:
            run = of_run(
                RunOptions(
                    model=options.model,
                    revision=options.revision,
                    tasks=part.task,
                    db=str(Path(folder) / "measured.duckdb"),
                    data=options.bench_data,
                    limit=part.limit,
                    device=options.device,
                    add_bos=options.add_bos,
                )
            )
        beside += Range.read(run["seconds"]).times(trainings)
        notes.append(f"{part.word}: its run loads a model of its own beside the trainer's, after each training.")
    if any(word.startswith("forgetting") for word in (*study.objectives, *study.constraints)):
        notes.append(
            "The time of forgetting, which loads a base of its own after each training, is not in the estimate."
        )
    judged = judging(study, round(trainings.high), options.prompts, prices)
    if judged is not None:
        notes.append("The time of answers and of the judge's server is not in the estimate.")
    return beside, judged
