"""What a whole study would take, stage by stage, before it begins: `harness study run --plan`.

Counts follow from the file. Times are measured with the base, as `harness tune --plan` and `harness run --plan` do, and
summed; where the base is not on this machine, or where nothing is known of how long answers get, a stage says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data import prompts
from data.counts import counted
from harness import tasks
from harness.estimate.ranges import NOTHING, Range
from harness.tasks.declared import with_rows
from judges.answers.planning import PAPER_PROMPTS
from judges.choosing.rounds import share_of
from judges.judging import cost
from tuning.estimate.judging import request_sizes
from tuning.pipeline.stages import stages_of
from tuning.search import rungs
from tuning.study.ledger import key_of
from tuning.study.presets import fixed_points, preset

if TYPE_CHECKING:
    from data.prompts import Prompt
    from harness.options import RunOptions
    from tuning.pipeline.study_file import StudyFile

NO_BASE = "it needs the base's weights"


def plan_document(file: StudyFile, until: str | None = None) -> dict[str, Any]:
    """What `harness study run --plan --json` prints, up to the stage `until`. Raises what refuses the study; what only
    its base can tell, where it is here."""
    here = is_here(file.tune.model, file.tune.revision)
    searched = _estimate_search(file) if here else None
    make: dict[str, Callable[[], dict[str, Any]]] = {
        "search": lambda: _search(file, searched),
        "finalists": lambda: _finalists(file, searched),
        "benchmarks": lambda: _benchmarks(file, here),
        "audit": lambda: _stage("audit", ["the rows that configurations learn from against the benchmarks' items"]),
        "answers": lambda: _answers(file),
        "judges": lambda: _judges(file),
        "people": lambda: _people(file),
    }
    names: list[str] = [stage.name for stage in stages_of(file)]
    stages = [make[name]() for name in names[: names.index(until) + 1 if until else None]]
    total = NOTHING
    for stage in stages:
        total += Range.read(stage["seconds"]) if stage["seconds"] else NOTHING
    notes = [*file.notes]
    if not here:
        notes.append(
            f"{file.tune.model} is not on this machine. Time, memory and disk need its weights; counts need none."
        )
    elif searched is not None:
        notes += searched["notes"]
        if searched["started"]:
            notes.append("The study was begun before; the figures are of all of it.")
    return {
        "kind": "whole study",
        "study": file.name,
        "model": file.tune.model,
        "base_is_here": here,
        "stages": stages,
        "seconds": total.to_dict(),
        "memory_bytes": None if searched is None else searched.get("memory_bytes"),
        "notes": list(dict.fromkeys(notes)),
    }


def is_here(model: str, revision: str | None) -> bool:
    """Whether a base can be looked at without a download."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    if model == "tiny" or Path(model).expanduser().is_dir():
        return True
    try:
        return isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str)
    except HFValidationError:  # a folder that is not there
        return False


def _estimate_search(file: StudyFile) -> dict[str, Any]:
    """Of the first search; the others train the same rows on the same base."""
    from tuning.estimate.estimating import estimate

    return estimate(file.every_search()[0].options)


def _stage(name: str, counts: list[str], seconds: Range | None = None, why: str = "") -> dict[str, Any]:
    return {
        "stage": name,
        "counts": counts,
        "seconds": None if seconds is None else seconds.to_dict(),
        "why": why or ("" if seconds is not None else "nothing is known of it before it was done"),
    }


def _search(file: StudyFile, searched: Mapping[str, Any] | None) -> dict[str, Any]:
    searches, trials = len(file.every_search()), _trials(file)
    parts = f"{searches} search{'es' if searches > 1 else ''} of {trials:,} trials"
    further = f", {len(file.further)} of them further ones" if file.further else ""
    counts = [f"{parts}{further}: {_trainings(file, searches * trials)}", _rows(file, searched)]
    if searched is None:
        return _stage("search", counts, why=NO_BASE)
    return _stage("search", counts, Range.read(searched["seconds"]) * searches)


def _trials(file: StudyFile) -> int:
    return file.tune.budget or preset(file.tune.preset, file.tune.as_published).budget


def _trainings(file: StudyFile, trials: int) -> str:
    """With rungs it is not known before how many trials go on."""
    if file.tune.no_rungs or not preset(file.tune.preset, file.tune.as_published).rungs:
        return f"{trials:,} trainings on all rows"
    return f"{trials:,} to {trials * len(rungs.FRACTIONS):,} trainings on {rungs.FRACTIONS[0]:.0%} to 100% of the rows"


def _rows(file: StudyFile, searched: Mapping[str, Any] | None) -> str:
    """As the split made them, or as the file asks for them."""
    if searched is not None:
        return ", ".join(f"{count:,} {part}" for part, count in searched["rows"].items()) + " rows"
    from tuning.study.row_options import sizes_of

    sizes = zip(sizes_of(file.tune.sizes), ("train", "validation", "test"), strict=True)
    return ", ".join(f"{size:,} {part}" if isinstance(size, int) else f"{size:.0%} {part}" for size, part in sizes) + (
        " rows, if there are so many"
    )


def starting_points(file: StudyFile) -> int:
    """That every search begins with."""
    chosen = preset(file.tune.preset, file.tune.as_published)
    first = {key_of(hyper) for hyper in (*fixed_points(chosen.defaults).values(), chosen.first)}
    return len(first) + chosen.without_regret


def configurations(file: StudyFile) -> int:
    """Those that are trained again, at most: what two searches tried alike stands once."""
    finalists, found = file.finalists, 0
    for search in file.every_search():
        fronts = "," in search.options.objective
        found += 1 + finalists.front if fronts else finalists.best
    return starting_points(file) + found + finalists.worst + finalists.quantiles


def _adapters(file: StudyFile) -> int:
    return configurations(file) * file.finalists.seeds


def _finalists(file: StudyFile, searched: Mapping[str, Any] | None) -> dict[str, Any]:
    counts = [
        f"at most {configurations(file)} configurations, {counted(file.finalists.seeds, 'new seed')} of each: "
        f"{_adapters(file):,} trainings on all rows"
    ]
    if searched is None:
        return _stage("finalists", counts, why=NO_BASE)
    if (a_training := searched.get("training_seconds")) is None:
        return _stage("finalists", counts, why="the search was finished before, and nothing was measured")
    return _stage("finalists", counts, Range.read(a_training) * _adapters(file))


def _benchmarks(file: StudyFile, here: bool) -> dict[str, Any]:
    models = 1 + _adapters(file)
    several = file.runs(model=file.tune.model)
    runs = f"{counted(len(several), 'run')} each"
    counts = [f"at most {models:,} models (the base, and each adapter), {runs}"]
    counts += [
        f"{options.tasks.replace(',', ', ')} ({options.protocol}): {_items(options, here)}" for options in several
    ]
    if file.finalists.race:
        counts.append("raced: who cannot win stops early, so this is what it takes at most")
    if not here:
        return _stage("benchmarks", counts, why=NO_BASE)
    from harness.estimate.estimating import estimate

    seconds = NOTHING
    for options in several:
        seconds += Range.read(estimate(options)["seconds"]) * models
    return _stage("benchmarks", counts, seconds)


def _items(options: RunOptions, here: bool) -> str:
    """Of the rows where they can be counted; else of the published test sets, which a run on all of them asks."""
    if here or options.data == "sample" or (options.data and Path(options.data).expanduser().is_dir()):
        loaded = tasks.load(
            options.tasks, options.data, options.protocol, options.shots, options.chat, options.include_path
        )
        return f"{sum(_asked(one, options.limit) for one in loaded):,} items"
    if options.limit is not None:
        return f"the first {options.limit} items of each group"
    known, declared = [], with_rows()
    for name, groups in tasks.parse(options.tasks).items():
        spec = declared.get(name)
        if spec is None or spec.published is None or groups:
            return "items are counted when the rows are here"
        known.append(spec.published)
    return f"{sum(known):,} items of the published test sets"


def _asked(selected: tasks.Selected, limit: int | None) -> int:
    from collections import Counter

    groups = Counter(item.group for item in selected.task.items())
    wanted = selected.groups or tuple(groups)
    return sum(min(groups[group], limit or groups[group]) for group in wanted)


def _asked_prompts(file: StudyFile) -> tuple[int | None, list[Prompt]]:
    """How many prompts each model answers, and so many of them; None, and [], where that is not known here."""
    options = file.answer(model=file.tune.model)
    wanted = options.sample or (PAPER_PROMPTS if options.preset == "paper" else None)
    if options.prompts is None or not (options.prompts == "sample" or Path(options.prompts).expanduser().exists()):
        return wanted, []
    there = prompts.load(options.prompts).prompts[:wanted]
    return len(there), list(there)


def _answers(file: StudyFile) -> dict[str, Any]:
    sets, (count, known) = 1 + configurations(file), _asked_prompts(file)
    if count is None:
        counts = [f"at most {sets} models; prompts are counted when they are here"]
    else:
        answers = f": {sets * sum(len(prompt.turns) for prompt in known):,} answers" if known else ""
        counts = [f"at most {sets} models on {count} prompts{answers}"]
    return _stage("answers", counts, why="how long answers get is known when some are there")


def _judges(file: StudyFile) -> dict[str, Any]:
    """Verdicts at most, and what they cost where the file has prices."""
    options, (count, known) = file.judge(), _asked_prompts(file)
    models = configurations(file)
    pairs = models if options.against is not None else len(list(combinations(range(1 + models), 2)))
    asked = f"{pairs:,} pairs of models, {', '.join(options.judge)}, both orders"
    if count is None:
        return _stage("judges", [f"at most {asked}"], why="it is the judge's time")
    turns = sum(len(prompt.turns) for prompt in known) or count
    share = share_of(options.pairs, options.votes) or 1.0
    verdicts = math.ceil(pairs * turns * 2 * options.repeats * len(options.judge) * share)
    counts = [f"at most {asked}: {verdicts:,} verdicts"]
    rates = cost.prices(options.price_in, options.price_out, options.max_cost)
    if known and rates is not None:
        sizes = request_sizes(known, file.answer(model=file.tune.model).max_new_tokens)
        every = sizes * (pairs * options.repeats * len(options.judge))
        money = cost.estimate(every[: math.ceil(share * len(every))], options.max_tokens, rates)
        counts.append(f"they cost about {money.cost:,.2f}, and {money.most:,.2f} at most")
    return _stage("judges", counts, why="it is the judge's time")


def _people(file: StudyFile) -> dict[str, Any]:
    asked = file.people
    assert asked is not None  # there is no stage without the table
    count, _ = _asked_prompts(file)
    count = count if asked.sample is None else min(asked.sample, count or asked.sample)
    models = 2 + starting_points(file) if asked.models == "chosen" else 1 + configurations(file)
    pairs = len(list(combinations(range(models), 2)))
    share = share_of(asked.pairs, asked.votes) or 1.0
    votes = "" if count is None else f": {math.ceil(pairs * count * asked.ratings * share):,} votes"
    counts = [f"at most {pairs:,} pairs of models{votes}; no stage waits for them"]
    return _stage("people", counts, why="it is people's time")
