"""Answers of a checkpoint to a prompt set, stored with all that made them; the same options again go on."""

from __future__ import annotations

import gc
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from data.prompts import PromptSet, load
from harness.errors import IncompleteError
from harness.evaluation import identity
from harness.options import BackendSettings, ResolvedModel
from harness.progress import SILENT, Progress
from harness.prompting import prompt_options, thinking
from harness.types import Generate, Sampling
from judges.answers import templates
from judges.answers.options import AnswerOptions
from judges.answers.planning import Plan, make_plan
from judges.store import Store
from judges.store.rows import AnswerRow, AnswerSetRow, PromptSetRow, QuestionRow

if TYPE_CHECKING:
    from harness.types import Backend
    from judges.answers.templates import Template

Make = Callable[[ResolvedModel, BackendSettings], "tuple[Backend, list[str]]"]


@dataclass(frozen=True, slots=True)
class Result:
    answers: AnswerSetRow
    asked: int
    before: int  # of these, there already
    empty: int = 0  # of those asked, without a word


def document(result: Result) -> dict[str, Any]:
    """As `harness answer --json` prints it."""
    made = result.answers
    return {
        "id": made.id,
        "name": made.name,
        "model": made.model,
        "model_digest": made.model_digest,
        "prompt_set": made.prompt_set,
        "template": made.template,
        "seed": made.seed,
        "answers": result.asked,
        "before": result.before,
        "empty": result.empty,
        "warnings": list(made.warnings),
    }


def require_a_word(result: Result) -> None:
    """IncompleteError where every answer is empty."""
    if result.asked and result.empty == result.asked:
        raise IncompleteError(
            f"{result.answers.name}: every answer is empty, so there is nothing to compare. Where thoughts were "
            "cut off, give more max_new_tokens."
        )


def answer(
    options: AnswerOptions,
    progress: Progress = SILENT,
    make: Make | None = None,
    command: Sequence[str] = (),
) -> Result:
    """Have one checkpoint answer a prompt set (`data.prompts.load(options.prompts)`).

    Raises HarnessError, DataError, or KeyboardInterrupt; whatever was answered is stored."""
    with progress.step("reading the prompts"):
        plan = replace(make_plan(options, load(options.prompts)), command=" ".join(command or sys.argv))
    store = Store(options.db)
    known = _known(store, plan)
    if known is None or known.status == "running":
        with store.lease(plan.identity[:16], f"Answering by {plan.options.name or plan.options.model}"):
            known = _known(store, plan)  # another process may have finished it meanwhile
            if known is None or known.status == "running":
                return _answer(store, plan, known, progress, make)
    return Result(known, plan.asked, plan.asked, len(_empty(store, known)))


def _known(store: Store, plan: Plan) -> AnswerSetRow | None:
    options = plan.options
    known = None if options.fresh else store.find_answers(plan.identity)
    if known is None:
        return None
    name, configuration = options.name or known.name, options.configuration or known.configuration
    if (name, configuration) != (known.name, known.configuration):
        store.update_answers(known.id, name=name, config={**known.config, "configuration": configuration})
        known = store.resolve_answers(known.id)
    return known


def _answer(
    store: Store,
    plan: Plan,
    known: AnswerSetRow | None,
    progress: Progress,
    make: Make | None,
) -> Result:
    from harness import backends

    record = known
    load_backend = make or partial(backends.make, backends.to_go_on(plan.options.backend, known))
    longest = max(len(prompt.turns) for prompt in plan.chosen)
    template = templates.make(plan.template, plan.model.checkpoint, plan.settings, longest)
    with progress.step(f"loading {_short(plan.options.model)}"):
        backend, warnings = load_backend(plan.model, plan.settings)
    for warning in backend.warnings:
        progress.end(_short(plan.options.model), f"warning: {warning}")
    try:
        record = known or _create(store, plan, backend, warnings)
        before = len(store.answers_of(record.id))
        for turn in range(1, longest + 1):
            _turn(store, plan, record, backend, template, turn, progress)
        there = len(store.answers_of(record.id))
        if there != plan.asked:
            raise IncompleteError(
                f"{record.name}: {there} of {plan.asked} answers are there. The same command goes on."
            )
    except KeyboardInterrupt:
        there = len(store.answers_of(record.id)) if record else 0
        raise KeyboardInterrupt(
            f"Stopped. {there:,} of {plan.asked:,} answers are stored; the same command goes on from there."
        ) from None
    finally:
        backend.close()
    noted = [*record.warnings, *(w for w in backend.warnings if w not in record.warnings)]
    rows = store.answers_of(record.id)
    counts = {w: sum(w in row.warnings for row in rows) for w in (thinking.UNFINISHED, thinking.SCORED)}
    noted += [f"{count} answers: {warning}" for warning, count in counts.items() if count]
    empty = _empty(store, record)
    if empty:
        reasons = "; ".join(sorted({warning for row in empty for warning in row.warnings})[:3])
        noted.append(f"{len(empty)} of {plan.asked} answers are empty{f' ({reasons})' if reasons else ''}")
    store.update_answers(record.id, status="finished", finished=datetime.now(UTC), warnings=noted)
    del backend
    gc.collect()  # the next model may need the memory
    return Result(store.resolve_answers(record.id), plan.asked, before, len(empty))


def _empty(store: Store, record: AnswerSetRow) -> list[AnswerRow]:
    return [row for row in store.answers_of(record.id) if not row.text]


def _turn(
    store: Store,
    plan: Plan,
    record: AnswerSetRow,
    backend: Backend,
    template: Template,
    turn: int,
    progress: Progress,
) -> None:
    """Every answer to the n-th turn. The batches are a function of the plan and the answers before, not of what is
    missing, so that a resumed set equals an unbroken one."""
    known = {(row.question, row.turn): row for row in store.answers_of(record.id)}
    prompts = [prompt for prompt in plan.chosen if len(prompt.turns) >= turn]
    requests = []
    for prompt in prompts:
        earlier = [known[prompt.id, n].text for n in range(1, turn)]
        seed = identity.answer_seed(plan.options.seed, "preference", prompt.id, 0, turn)
        sampling = Sampling(plan.temperatures[prompt.category], plan.top_p, seed)
        asked = template.prompt(prompt.turns[:turn], earlier)
        strip = plan.options.strip_thinking
        requests.append(Generate(asked, template.stop, plan.options.max_new_tokens, sampling, strip))
    done = {n for n, prompt in enumerate(prompts) if (prompt.id, turn) in known}
    stored = len(known)
    tokens = 0
    progress.update(record.name, stored, plan.asked, unit="answers")
    if len(done) == len(prompts):
        return
    for batch in backend.answer(requests, done):
        rows = []
        for n, response in batch:
            text = thinking.answer_of(response.text) if plan.options.strip_thinking else response.text
            sampling = requests[n].sampling
            rows.append(
                AnswerRow(
                    answer_set=record.id,
                    question=prompts[n].id,
                    turn=turn,
                    text=text.strip(),
                    prompt=template.shown(requests[n].prompt),
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    answer_seed=sampling.seed,
                    finish=response.finish,
                    asked=response.asked,
                    generated=response.generated,
                    warnings=response.warnings,
                )
            )
        store.record_answers(record.id, rows)
        stored += len(rows)
        tokens += sum(response.asked - response.reused + response.generated for _, response in batch)
        progress.update(record.name, stored, plan.asked, unit="answers", tokens=tokens)


def _create(store: Store, plan: Plan, backend: Backend, warnings: list[str]) -> AnswerSetRow:
    from harness.provenance import provenance

    options, checkpoint = plan.options, plan.model.checkpoint
    config: dict[str, Any] = {
        "preset": plan.options.preset,
        "temperatures": dict(plan.temperatures),
        "top_p": plan.top_p,
        "max_new_tokens": plan.options.max_new_tokens,
        "strip_thinking": plan.options.strip_thinking,
        **prompt_options.content(plan.settings),
        "backend": options.backend,
        "backend_details": dict(backend.info.details),
        "window": backend.info.window,
    }
    if options.configuration:
        config["configuration"] = options.configuration
    if len(plan.chosen) < len(plan.prompts.prompts):
        config["asked"] = [prompt.id for prompt in plan.chosen]
    differs = templates.warnings(plan.template, checkpoint)
    noted = [*checkpoint.warnings, *differs, *warnings, *backend.warnings, *plan.prompts.notes]
    record = AnswerSetRow(
        id=uuid.uuid4().hex,
        identity=plan.identity,
        name=options.name or options.served_name or _short(options.model),
        status="running",
        prompt_set=plan.prompts.digest,
        model=checkpoint.given,
        created=datetime.now(UTC),
        model_digest=checkpoint.digest,
        base_digest=checkpoint.base.digest if checkpoint.base else "",
        backend=backend.info.name,
        device=backend.info.device,
        dtype=plan.model.dtype,
        template=plan.template,
        seed=options.seed,
        command=plan.command,
        config=config,
        provenance=provenance(),
        warnings=tuple(dict.fromkeys(noted)),
    )
    store.create_answers(record, *prompt_rows(plan.prompts))
    return record


def prompt_rows(prompts: PromptSet) -> tuple[PromptSetRow, list[QuestionRow]]:
    """A prompt set as the store has it."""
    rows = [
        QuestionRow(prompts.digest, prompt.id, place, prompt.category, prompt.turns, prompt.reference)
        for place, prompt in enumerate(prompts.prompts)
    ]
    return PromptSetRow(prompts.digest, prompts.name, prompts.source, prompts.notes), rows


def _short(model: str) -> str:
    from pathlib import Path

    return Path(model).resolve().name if Path(model).exists() else model
