"""The same study, smaller: on the bundled sample, and with its trials, rows, items and prompts cut by one factor.

All else stays as the file says. A number is never cut below what its stage needs to do its work at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data import prompts
from data.instruction_rows import sources
from harness import tasks
from harness.options import OptionError
from harness.options.row_columns import columns_of
from judges.answers.planning import PAPER_PROMPTS
from judges.judging.reference_judge import NAME as REFERENCE
from tuning.pipeline.study_file import StudyFile, read
from tuning.study.presets import preset
from tuning.study.row_options import mix_of, sizes_of

TRIALS = 5  # the most points that come first, and one that an optimizer proposes
ROWS = (24, 8, 8)  # of train, validation and test
ITEMS = 2  # of a group: a rule that reads one half leaves the other
PROMPTS = 3
_COUNT = re.compile(r"(?<=@)\d+")  # of an objective: benchmark:TASK@N, win-rate:JUDGE@N


def read_smaller(path: Path, changes: Mapping[str, Any], scale: float | None = None) -> StudyFile:
    """The file with `changes` to its options; on the bundled sample where they say so, and cut by `scale`."""
    file = read(path, changes)
    if changes.get("data") == "sample":
        file = on_sample(file)
    if scale is None:
        return file
    if not 0 < scale <= 1:
        raise OptionError("scale", scale, " must be above 0 and at most 1.")
    return scaled(file, scale)


def on_sample(file: StudyFile) -> StudyFile:
    """Rows, benchmarks and prompts of the bundled sample. Tasks and judges that need more are left out, with a note."""
    notes, kept = [], []
    for table, options in zip(file.benchmarks, file.runs(model=file.tune.model), strict=True):
        held, said = _held(options.tasks)
        notes += said
        if held:
            kept.append({**table, "tasks": ",".join(held), "data": "sample"})
    tune = file.tune.replace(data="sample", bench_data="sample", prompts="sample")
    if tune.mix and not set(mix_of(tune.mix) or {}) <= set(sources.SETS):
        notes.append(f"The bundled sample has not the sources of the mix {tune.mix}: its rows are as they come.")
        tune = tune.replace(mix="", columns="")
    judges = file.judges
    if judges is not None and set(file.judge().judge) != {REFERENCE}:
        notes.append(f"Judges at a server are not asked: the judge {REFERENCE} compares the sample's answers.")
        judges = {"judge": (REFERENCE,)}
    return replace(
        file,
        tune=tune,
        benchmarks=tuple(kept),
        judges=judges,
        answers=None if file.answers is None else {**file.answers, "prompts": "sample"},
        audit=file.audit if kept else None,
        notes=(*file.notes, *notes),
    )


def _held(text: str) -> tuple[list[str], list[str]]:
    """Of what --tasks says, what the bundled sample has, and notes on the rest. A task of whose groups it has none is
    asked whole."""
    held, notes, left_out = [], [], []
    for name, groups in tasks.parse(text).items():
        if name.startswith((tasks.LM_EVAL, tasks.FILE)):
            left_out.append(name)
            continue
        there = {item.group for one in tasks.load(name, "sample") for item in one.task.items()}
        known = [f"{name}:{group}" for group in groups if group in there]
        if len(known) < len(groups):
            lacking = ", ".join(group for group in groups if group not in there)
            notes.append(
                f"The bundled sample has no {lacking} of {name}{'' if known else ': all that it has is asked'}."
            )
        held += known or [name]
    if left_out:
        notes.append(f"The bundled sample has no {', '.join(left_out)}: left out of the benchmarks.")
    return held, notes


def scaled(file: StudyFile, factor: float) -> StudyFile:
    """DataError where rows or benchmarks that must be counted are not there."""
    tune, finalists = file.tune, file.finalists
    budget = tune.budget or preset(tune.preset, tune.as_published).budget
    tune = tune.replace(
        budget=_cut(budget, factor, TRIALS),
        sizes=",".join(map(str, _sizes(file, factor))),
        objective=_objective(tune.objective, factor),
        constraint=tuple(_objective(word, factor) for word in tune.constraint),
        name=f"{file.name}-{factor:g}",
    )
    few = {name: _cut(getattr(finalists, name), factor, 1) for name in ("best", "worst", "quantiles", "front")}
    people = file.people
    if people is not None:
        cuts = {"each": 1, "sample": PROMPTS}
        people = people.replace(**{name: _cut(getattr(people, name), factor, least) for name, least in cuts.items()})
    return replace(
        file,
        name=tune.name or file.name,
        scale=factor,
        tune=tune,
        finalists=finalists.replace(**few),
        benchmarks=tuple(
            {**table, "limit": _limit(options, factor)}
            for table, options in zip(file.benchmarks, file.runs(model=tune.model), strict=True)
        ),
        answers=None if file.answers is None else {**file.answers, "sample": _prompts(file, factor)},
        people=people,
        further=tuple(
            one.replace(
                validation=_cut(one.validation, factor, ROWS[1]),
                objective=None if one.objective is None else _objective(one.objective, factor),
            )
            for one in file.further
        ),
    )


def _cut(number: Any, factor: float, least: int) -> Any:
    """The number times the factor, `least` or more; one that is less already, or none, stays."""
    return number if number is None else min(number, max(least, round(factor * number)))


def _sizes(file: StudyFile, factor: float) -> tuple[int, ...]:
    """Rows of each part. Shares are of the rows that there are."""
    tune, sizes, there = file.tune, sizes_of(file.tune.sizes), 0
    if any(isinstance(size, float) for size in sizes):
        mix = mix_of(tune.mix)
        there = len(sources.load(tune.data, tuple(mix) if mix else None, columns_of(tune.columns)).rows)
    counts = [round(size * there) if isinstance(size, float) else size for size in sizes]
    return tuple(_cut(count, factor, least) for count, least in zip(counts, ROWS, strict=True))


def _objective(text: str, factor: float) -> str:
    return _COUNT.sub(lambda found: str(_cut(int(found[0]), factor, 1)), text)


def _limit(options: Any, factor: float) -> int:
    """Items of a group. Without a limit they are all that the largest group has."""
    if options.limit is not None:
        return int(_cut(options.limit, factor, ITEMS))
    loaded = tasks.load(
        options.tasks, options.data, options.protocol, options.shots, options.chat, options.include_path
    )
    groups = Counter((one.task.name, item.group) for one in loaded for item in one.task.items())
    return int(_cut(max(groups.values(), default=ITEMS), factor, ITEMS))


def _prompts(file: StudyFile, factor: float) -> int:
    options = file.answer(model=file.tune.model)
    asked = options.sample or (PAPER_PROMPTS if options.preset == "paper" else None)
    return int(_cut(asked or len(prompts.load(options.prompts).prompts), factor, PROMPTS))
