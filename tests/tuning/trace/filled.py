"""A store with all that a number may come from: a whole study (by a trainer without a model), its runs with their
samples, answers of its finalists, verdicts and votes."""

from __future__ import annotations

import hashlib
import random
import uuid
from pathlib import Path

from harness.progress import SILENT
from harness.provenance import provenance
from harness.results import ScoreRow
from harness.stats import intervals
from harness.types import Item, Sample
from judges.store.rows import AnswerRow, AnswerSetRow, PromptSetRow, QuestionRow
from tests.harness.results import make
from tests.leaderboard.judged import compare_all
from tests.leaderboard.make import NOW
from tests.tuning import fakes
from tuning.pipeline.stages import answer_names
from tuning.pipeline.study_file import StudyFile, read
from tuning.pipeline.whole_study import Model, WholeStudy
from tuning.store import Store
from tuning.study import session
from tuning.study.finalist_evaluation import train_finalists

FILE = """
name = "whole"
model = "tiny"
data = "{rows}"
budget = 5
no-rungs = true
[searches]
optimizers = ["random"]
[finalists]
seeds = 2
worst = 0
[[benchmarks]]
tasks = "mmlu,bbh"
data = "sample"
[answers]
prompts = "sample"
[judges]
judge = ["reference"]
"""
GROUPS = {"mmlu": ("anatomy", "law"), "bbh": ("snarks", "navigate")}
METRICS = {"mmlu": "acc", "bbh": "exact_match"}
# makes every right answer of a run to mmlu wrong, and the reverse
FLIP = """
UPDATE samples SET metrics = MAP {'acc': 1 - metrics['acc']}
WHERE task = (SELECT key FROM tasks WHERE run = ? AND task = 'mmlu')
"""
ITEMS = 24
QUESTIONS = 4


def filled(folder: Path) -> StudyFile:
    """The study's file; its store is whole."""
    fakes.rows(folder / "rows")
    path = folder / "study.toml"
    path.write_text(FILE.format(rows=folder / "rows"), "utf-8")
    file = read(path, {"db": str(folder / "s.duckdb")})
    study = WholeStudy(file)
    for search in study.searches:
        session.run(search.options, setup=fakes.setup())
    train_finalists(study.searches[0].options, study.finalists(), file.finalists.seeds, SILENT, fakes.setup())
    first: dict[str, Model] = {}
    for model in study.models():
        first.setdefault(model.title, model)
        for tag, options in study.runs(model):
            _run(study.store, model, tag, options.tags, dict(options))
    _answer(study, {f"whole {title}": model for title, model in first.items()})
    return file


def _digest(model: Model) -> str:
    if model.seed is None:
        return model.finalist.study.base_digest
    return hashlib.sha256(model.path.encode()).hexdigest()


def _run(store: Store, model: Model, tag: str, tags: tuple[str, ...], config: dict[str, object]) -> None:
    run = make.run(
        name=f"whole {model.name}",
        status="finished",
        model=model.path,
        model_digest=_digest(model),
        base_digest="" if model.seed is None else "b" * 64,
        config=config,
        provenance=provenance(),
        command="harness study run study.toml",
    )
    store.create(run, [make.task(run.id, task, metric=METRICS[task], items=ITEMS) for task in GROUPS])
    rng = random.Random(model.name)
    for task, groups in GROUPS.items():
        right = rng.uniform(0.3, 0.8)
        samples = [
            make.sample(
                run.id,
                f"{groups[n % 2]}/{n}",
                task=task,
                group=groups[n % 2],
                metrics={METRICS[task]: float(rng.random() < right)},
            )
            for n in range(ITEMS)
        ]
        store.record(
            run.id, [make.response(run.id, s.item, task=task, text=f"I say {s.answer}") for s in samples], samples
        )
    scores = []
    for task in GROUPS:
        plain = [Sample(Item(s.item, s.group, {}, s.cluster), s.metrics) for s in store.samples(run.id, task)]
        scores += [
            ScoreRow(run.id, task, s.group, "standard", s.metric, s.value, s.low, s.high, s.n, s.method)
            for s in intervals.scores(plain, METRICS[task], macro=True)
        ]
    store.save_scores(run.id, scores)
    for name in tags:
        store.tag(run.id, name)


def _answer(study: WholeStudy, models: dict[str, Model]) -> None:
    assert set(models) == set(answer_names(study))
    prompts = PromptSetRow("e" * 64, "made", "sample")
    questions = [QuestionRow(prompts.digest, f"q{n}", n, "generic", (f"What of {n}?",)) for n in range(QUESTIONS)]
    for name, model in models.items():
        own = AnswerSetRow(
            id=uuid.uuid4().hex,
            identity=uuid.uuid4().hex,
            name=name,
            status="finished",
            prompt_set=prompts.digest,
            model=model.path,
            created=NOW,
            model_digest=_digest(model),
            base_digest="" if model.seed is None else "b" * 64,
        )
        study.store.create_answers(own, prompts, questions)
        study.store.record_answers(
            own.id, [AnswerRow(own.id, f"q{n}", 1, f"{name}: {'so ' * n}") for n in range(QUESTIONS)]
        )
    compare_all(study.store, {name: n for n, name in enumerate(sorted(models))}, QUESTIONS)
