"""What an architecture must stand: the product's own commands from a checkpoint to a served adapter, each held against
what transformers and peft compute by themselves. Gives the architecture's row of docs/models.md.

A step that does not hold is a failed assertion in the method of its name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.progress import Progress
from harness.results import Store
from harness.results.rows import ResponseRow
from tests.architectures import inputs
from tests.architectures.models import Architecture, make
from tests.architectures.reference import Reference
from tests.tuning import fakes
from tuning.store import Store as StudyStore
from tuning.study import session
from tuning.study.definition import plan
from tuning.study.options import Options
from tuning.training.train import Trainer

CLOSE = 1e-4  # of a log-probability, and of a loss in nats a token
RATE = 0.02
PLAIN = "shared prompts are computed again for each question with this model"


@dataclass(frozen=True, slots=True)
class Row:
    """Of docs/models.md."""

    architecture: str
    path: str  # that `harness run` takes
    auto: tuple[str, ...]  # modules that `auto` stands for, by which the preset modern trains
    usual: tuple[str, ...]  # and those that the paper's presets train
    notes: tuple[str, ...]
    distances: dict[str, float] = field(compare=False, default_factory=dict)  # of this machine


def row_of(folder: Path, architecture: Architecture, whole: bool) -> Row:
    """Run, train and merge, in a folder of its own; as a `whole` the paper's modules too, an adapter that is served,
    and a study that is interrupted."""
    model = make(folder / "model", architecture)
    tests, rows = inputs.write_tests(folder), inputs.write_rows(folder / "rows.jsonl")
    distances: dict[str, float] = {}
    path, reason = check_run(model, tests, distances)
    modern = study_options(model, rows, "modern")
    paper = study_options(model, rows, "paper-low-rank")
    trained = check_training(modern, distances)
    check_merged(model, trained, distances)
    if whole:
        check_served(model, tests, trained, distances)
        check_merged(model, check_training(paper, distances), distances)
        check_resumed(paper)
    usual = plan(paper).study.defaults.target_modules
    notes = (*notes_on(model, trained.warnings), *([reason] if reason else []))
    return Row(str(architecture), path, trained.targets, usual, notes, distances)


def notes_on(model: Path, warnings: tuple[str, ...]) -> list[str]:
    """What is special about the architecture, as its configuration and the study's warnings tell."""
    config = json.loads((model / "config.json").read_text("utf-8"))
    notes = ["tied embeddings"] if config["tie_word_embeddings"] else []
    if any("The base has" in warning and "positions" in warning for warning in warnings):
        notes.append("rows are cut at its table of positions")
    left_out = re.findall(r"LoRA goes on no .*?(?=:)|leave out .*?(?=:)", "\n".join(warnings))
    return notes + [text.replace("leave out", "`auto` leaves out") for text in left_out]


def check_run(model: Path, tests: list[Path], distances: dict[str, float]) -> tuple[str, str]:
    """Letters, log-probabilities and greedy texts are those of plain forward passes. The path taken, and why."""
    warnings, responses = measured(model, tests)
    assert {response.kind for response in responses} == {"choice", "loglikelihood", "generate"}
    assert not [warning for response in responses for warning in response.warnings]
    reference = Reference(model)
    _keep(distances, "run", max(map(reference.distance, responses)))
    plainly = [warning.removeprefix(PLAIN) for warning in warnings if warning.startswith(PLAIN)]
    if not plainly:
        return "shared", ""
    texts, _, reason = plainly[0].partition(": ")
    return "plain" if texts else "cached", reason


def measured(model: Path, tests: list[Path]) -> tuple[list[str], list[ResponseRow]]:
    """A run of MMLU's bundled sample and of the tests: its warnings, and its answers in order."""
    db = tests[0].with_name("runs.duckdb")
    words = ["mmlu", *(f"file:{file}" for file in tests)]
    run = harness.evaluate(
        str(model), ",".join(words), data="sample", limit=2, shots=1, device="cpu", db=str(db), progress=False
    )
    store = Store(db)
    names = sorted(task.task for task in store.tasks(run.run))
    return run.warnings, [response for name in names for response in store.responses(run.run, name)]


@dataclass(frozen=True, slots=True)
class Trained:
    """The best trial of a study."""

    adapter: Path
    merged: Path
    targets: tuple[str, ...]
    warnings: tuple[str, ...]


def study_options(model: Path, rows: Path, preset: str) -> Options:
    """A study of a preset's starting points, whose rate is high enough that a few steps show."""
    return Options(
        model=str(model),
        data=str(rows),
        sizes="12,8,0",
        db=str(rows.with_name(f"{preset}.duckdb")),
        preset=preset,
        space={"rank": {"kind": "choice", "values": [2, 3]}},
        set={"batch": 6, "epochs": 1, "lr": RATE, "alpha": 4, "dropout": 0},
        optimizer="random",
        no_rungs=True,
        budget=5,
        device="cpu",
    )


def check_training(options: Options, distances: dict[str, float]) -> Trained:
    """Every trial ends well, and the best one's validation loss is that of plain forward passes over peft's own
    adapter, and below that of the trial with the least rate."""
    result = session.run(options)
    attempts = StudyStore(options.db).attempts(result.row.id)
    assert len(attempts) == options.budget
    assert not [attempt.reason for attempt in attempts if attempt.failed]
    best = min(attempts, key=lambda attempt: attempt.objectives)
    assert best.objectives[0] < attempts[0].objectives[0]
    made = plan(options)
    rows = Trainer(made.checkpoint, made.splits, made.study.settings(options)).rows.part("validation")
    nats = Reference(Path(best.adapter), Path(options.model)).nats(rows)
    _keep(distances, "train", abs(nats - best.validation_nats / best.validation_tokens))
    assert result.merged is not None
    targets = made.study.defaults.target_modules
    return Trained(Path(best.adapter), result.merged, targets, (*result.row.warnings, *best.warnings))


def check_merged(model: Path, trained: Trained, distances: dict[str, float]) -> None:
    """The merged checkpoint, read by transformers, says what the adapter says on its base, and the base does not."""
    base, live, merged = Reference(model), Reference(trained.adapter, model), Reference(trained.merged)
    assert type(merged.model) is type(base.model)
    ids = live.tokenizer.encode(inputs.PASSAGE)
    wanted = live.log_softmax(ids)
    _keep(distances, "merge", (merged.log_softmax(ids) - wanted).abs().max().item())
    assert (base.log_softmax(ids) - wanted).abs().max().item() > 100 * CLOSE


def check_served(model: Path, tests: list[Path], trained: Trained, distances: dict[str, float]) -> None:
    """A run of the adapter has the answers of a run of the merged checkpoint, and not those of the base."""
    (_, served), (_, merged), (_, base) = (measured(at, tests) for at in (trained.adapter, trained.merged, model))
    _keep(distances, "served", _apart(served, merged))
    assert _apart(served, base) > 100 * CLOSE
    assert [response.tokens for response in served] == [response.tokens for response in merged]


class Interrupted(Progress):
    """Ctrl-C, when the first trial is done."""

    def update(self, task: str, done: float = 0, *_: Any, **__: Any) -> None:
        if task == "trials" and done >= 1:
            raise KeyboardInterrupt


def check_resumed(options: Options) -> None:
    """A study that is interrupted after its first trial ends as the unbroken one did."""
    whole = Path(options.db)
    broken = options.replace(db=str(whole.with_name("broken.duckdb")), no_merge=True)
    with pytest.raises(KeyboardInterrupt, match=r"^Stopped\. [1-4] of 5 trials are done"):
        session.run(broken, Interrupted())
    session.run(broken)
    assert fakes.outcome(whole.parent, "broken.duckdb") == fakes.outcome(whole.parent, whole.name)


def _apart(responses: list[ResponseRow], others: list[ResponseRow]) -> float:
    return max(
        abs(a - b)
        for response, other in zip(responses, others, strict=True)
        for a, b in zip(response.logprobs, other.logprobs, strict=True)
    )


def _keep(distances: dict[str, float], step: str, distance: float) -> None:
    distances[step] = max(distance, distances.get(step, 0.0))
    assert distance <= CLOSE, step
