"""A store in which everything that a person or a model may have written attacks the page that shows it."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.results import ScoreRow
from judges.store.rows import ComparisonRow, JudgeRow
from tests.harness.results import make
from tests.leaderboard.make import NOW, answered
from tuning.store import StepRow, Store, StudyRow, TrialRow
from tuning.store.rows import AttemptRow

HTML = '<img src=x onerror="alert(1)"><script>alert(2)</script><b>bold</b>'
MARKDOWN = "[click](javascript:alert(3)) ![i](http://hostile.test/p.png) **b** $\\frac{a}{b}$ :red[r] `c` # h"
CONTROL = "nul\x00 esc\x1b[31m turned\u202eevil \u2066 half\ud800 end"
LONG = "x" * 5000
QUOTES = "\"'><svg onload=alert(4)> {{7*7}} ${7*7} </style><style>*{display:none}</style>"
NAMES = (HTML, MARKDOWN, CONTROL, QUOTES, LONG)
TEXTS = NAMES
# as a reader sees them, wherever they are not cut
SHOWN = (
    '<img src=x onerror="alert(1)">',
    "[click](javascript:alert(3))",
    "nul␀ esc␛",
    "[U+202E]",
    "><svg onload=alert(4)>",
)


def hostile(path: Path) -> Store:
    """Runs, a study, answers, judges and raters by these names; prompts, responses and notes of this kind."""
    shutil.copyfile(_original(), path)
    return Store(path)


@functools.cache
def _original() -> Path:
    """Made once in a test process: each of its many commits is waited for."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "s.duckdb"
    store = answered(path, {name: list(TEXTS) for name in NAMES}, list(TEXTS))
    for number, name in enumerate(NAMES):
        _run(store, number, name)
    _study(store)
    _verdicts(store)
    return path


def _run(store: Store, number: int, name: str) -> None:
    run = make.run(
        name=name,
        model=name,
        model_digest=f"digest {number}",
        status="finished",
        finished=NOW,
        command=name,
        warnings=(name,),
        partial=number == 4,
        config={"base": name, "backend_details": {"unverified": name} if number == 1 else {}},
        totals={"tokens": {"asked": 1, "computed": 1, "reused": 0, "generated": 0}, "seconds": {"model": 1.0}},
    )
    task = HTML  # all runs have it, so that they can be compared
    store.create(run, [make.task(run.id, task, metric="acc")])
    store.tag(run.id, name)
    items = [f"{n} {text[:60]}" for n, text in enumerate(TEXTS)]
    responses = [
        make.response(run.id, item, task=task, kind="generate", shared=text, own=text, text=text, warnings=(text,))
        for item, text in zip(items, TEXTS, strict=True)
    ]
    samples = [
        make.sample(
            run.id, item, float((n + number) % 2), task=task, group=text[:60], answer=text, expected=text, note=text
        )
        for n, (item, text) in enumerate(zip(items, TEXTS, strict=True))
    ]
    store.record(run.id, responses, samples)
    groups = ["all", *(text[:60] for text in TEXTS)]
    scores = [ScoreRow(run.id, task, group, "standard", "acc", 0.5, 0.2, 0.8, 5, "wilson") for group in groups]
    store.save_scores(run.id, scores)


def _study(store: Store) -> None:
    """Twenty trials, so that every chart has something to show."""
    from tuning.study.definition import Study
    from tuning.study.presets import fixed_points, preset

    modern = preset("modern")
    config = Study(
        model=HTML,
        revision=None,
        base_digest="b",
        data=None,
        mix=None,
        sizes=(1, 1, 1),
        split="disjoint",
        data_seed=0,
        data_digests={"train": "t"},
        space=modern.space,
        defaults=modern.defaults,
        start=tuple(fixed_points(modern.defaults).items()),
        optimizer=MARKDOWN,
        seed=0,
        block=1,
        objectives=("validation",),
        constraints=(),
        fractions=(1.0,),
        packed=1,
        bench_data=None,
        dtype="float32",
        max_tokens=512,
        load_in_4bit=False,
    ).to_dict()
    row = StudyRow(
        "c0" * 16, "d", HTML, "finished", MARKDOWN, "b", "t", MARKDOWN, 0, 20, NOW, NOW, config=config, warnings=NAMES
    )
    store.create_study(row)
    trials: list[TrialRow] = []
    for number in range(1, 21):
        hyper = {
            **asdict(modern.defaults),
            "rank": 2 ** (number % 6 + 2),
            "lr": 1e-4 * number,
            "dropout": 0.05 * (number % 3),
        }
        failed = number == 20
        trials.append(
            TrialRow(
                row.id, number, f"h{number}", "optimizer", LONG if number == 1 else "", hyper, {},
                "failed" if failed else "finished", NOW, () if failed else (1 + 0.01 * number,),
                reason=QUOTES, finished=NOW,
            )
        )  # fmt: skip
    store.save_trials(row.id, trials)
    for trial in trials[:-1]:
        key: dict[str, Any] = {"study": row.id, "trial": trial.number, "purpose": "search", "fraction": 1.0, "seed": 0}
        attempt = AttemptRow(
            **key, finished=NOW, objectives=trial.objectives, validation_nats=100 * trial.objectives[0],
            validation_tokens=100, train_loss=1.0, seconds=1.0, adapter=f"adapter {trial.number}", warnings=NAMES,
        )  # fmt: skip
        store.save_attempt(attempt, [StepRow(**key, step=n, loss=2.0 / n, lr=1e-4) for n in (1, 2, 3)])
    store.note(row.id, HTML)
    for number, run in enumerate(store.runs(), 1):
        store.tag(run.id, f"study-{row.id[:12]}-trial-{number}")


def _verdicts(store: Store) -> None:
    judges = [JudgeRow(f"{n:x}" * 64, "model", name, NOW, name) for n, name in enumerate(NAMES[:2], 1)]
    judges += [JudgeRow(f"{n:x}" * 32, "person", name, NOW) for n, name in enumerate(NAMES[2:], 3)]
    sets: Sequence[str] = sorted(each.id for each in store.answer_sets())
    rows = []
    for judge in judges:
        store.save_judge(judge)
        for n, text in enumerate(TEXTS):
            for a, b in ((sets[0], sets[1]), (sets[1], sets[0]), (sets[1], sets[2]), (sets[2], sets[1])):
                rows.append(
                    ComparisonRow(
                        f"{judge.id[:8]} {n} {a} {b}", judge.id, f"q{n}", 1 if judge.kind == "model" else 0, a, b,
                        ("first", "second", "tie", "error" if judge.kind == "model" else "bad")[n % 4], NOW,
                        text=text, note=text, error=text if n % 4 == 3 else "",
                    )
                )  # fmt: skip
    store.record_comparisons(rows)
