"""`harness answer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.declared import Given, command_of
from harness.cli.options import Json, print_json
from judges.cli.options import More, words

if TYPE_CHECKING:
    from judges.answers.options import AnswerOptions


@command_of("judges.answers.options:AnswerOptions", several="model")
def answer(
    given: Given[AnswerOptions],
    more: More = None,
    import_: Annotated[
        list[str] | None,
        typer.Option("--import", help="Answers from FastChat's model_answer/MODEL.jsonl.", rich_help_panel="Questions"),
    ] = None,
    json: Json = False,
) -> None:
    """Have checkpoints answer a prompt set, to be compared by judges and people; the same command goes on."""
    from harness.errors import IncompleteError, UsageError
    from harness.progress import shown
    from judges.answers.answering import Result
    from judges.answers.answering import answer as make_answers
    from judges.importing import import_answers
    from judges.store import Store

    models = words(given.texts("model"), more)
    if not models and not import_:
        raise UsageError("Name a checkpoint with --model, or a file of answers with --import.")
    every = [given.options(model=model) for model in models]
    common = every[0] if every else given.options(model=(import_ or [""])[0])  # the file stands for the model
    if common.name and len(models) + len(import_ or ()) > 1:
        raise UsageError("--name is for one model; answer them one by one to name them.")
    found: list[Result] = []
    for path in import_ or ():
        made = import_answers(Store(common.db), path, common.prompts, common.name)
        count = len(Store(common.db).answers_of(made.id))
        found.append(Result(made, count, count))
    with shown() as progress:
        found += [make_answers(options, progress) for options in every]
    if json:
        print_json({"answers": [_answers_document(result) for result in found]})
    for result in () if json else found:
        made = result.answers
        before = f", {result.before} of them from before" if result.before else ""
        typer.echo(f"{made.id[:12]} {made.name}: {result.asked} answers{before} ({made.template}, {made.model})")
        for warning in made.warnings:
            typer.echo(f"warning: {warning}", err=True)
    for result in found:
        if result.asked and result.empty == result.asked:
            raise IncompleteError(
                f"{result.answers.name}: every answer is empty, so there is nothing to compare. Where thoughts were "
                "cut off, give more with --max-new-tokens."
            )


def _answers_document(result: Any) -> dict[str, Any]:
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
