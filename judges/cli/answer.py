"""`harness answer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    from harness.errors import UsageError
    from harness.progress import shown
    from judges.answers.answering import Result, document, require_a_word
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
    results: list[Result] = []
    for path in import_ or ():
        made = import_answers(Store(common.db), path, common.prompts, common.name)
        count = len(Store(common.db).answers_of(made.id))
        results.append(Result(made, count, count))
    with shown() as progress:
        results += [make_answers(options, progress) for options in every]
    if json:
        print_json({"answers": [document(result) for result in results]})
    for result in () if json else results:
        made = result.answers
        before = f", {result.before} of them from before" if result.before else ""
        typer.echo(f"{made.id[:12]} {made.name}: {result.asked} answers{before} ({made.template}, {made.model})")
        for warning in made.warnings:
            typer.echo(f"warning: {warning}", err=True)
    for result in results:
        require_a_word(result)
