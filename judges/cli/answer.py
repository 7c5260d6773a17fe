"""`harness answer`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json
from judges.cli.options import More, words

MODEL, ASK, COMPUTE, KEEP = "Models", "Questions", "Computing", "Store"


def answer(
    more: More = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A checkpoint, an adapter, tiny, or a server's address.", rich_help_panel=MODEL),
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base of a LoRA adapter.", rich_help_panel=MODEL)] = None,
    revision: Annotated[str | None, typer.Option(help="A hub model's revision.", rich_help_panel=MODEL)] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.", rich_help_panel=MODEL)
    ] = False,
    served_name: Annotated[str | None, typer.Option(help="Of a server's model.", rich_help_panel=MODEL)] = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="A folder with question.jsonl, such a file, sample, or hub.", rich_help_panel=ASK),
    ] = None,
    preset: Annotated[str, typer.Option(help="fastchat, or paper (arXiv 2312.00949).", rich_help_panel=ASK)] = (
        "fastchat"
    ),
    template: Annotated[
        str | None,
        typer.Option(help="chat, alpaca, plain; auto is chat where there is one.", rich_help_panel=ASK),
    ] = None,
    chat_template: Annotated[
        str | None, typer.Option(help="Which one, where the model has several.", rich_help_panel=ASK)
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(help="For a chat template that writes the date. [default: 2024-07-26]", rich_help_panel=ASK),
    ] = None,
    add_bos: Annotated[
        bool,
        typer.Option("--add-bos", help="Put BOS before each text, if the tokenizer does not.", rich_help_panel=ASK),
    ] = False,
    sample: Annotated[
        int | None, typer.Option(help="So many prompts only; the same ones each time.", rich_help_panel=ASK)
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="For all. [default: by category]", show_default=False, rich_help_panel=ASK)
    ] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling.", rich_help_panel=ASK)] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Of each answer.", rich_help_panel=ASK)] = 1024,
    strip_thinking: Annotated[
        bool,
        typer.Option("--strip-thinking", help="Keep what follows a model's thoughts (</think>).", rich_help_panel=ASK),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of sampled answers.", rich_help_panel=ASK)] = 0,
    import_: Annotated[
        list[str] | None,
        typer.Option("--import", help="Answers from FastChat's model_answer/MODEL.jsonl.", rich_help_panel=ASK),
    ] = None,
    backend: Annotated[str, typer.Option(help="As for harness run.", rich_help_panel=COMPUTE)] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=COMPUTE)] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.", rich_help_panel=COMPUTE)] = "auto",
    load_in_4bit: Annotated[
        bool, typer.Option("--load-in-4bit", help="Quantise (bitsandbytes, GPU).", rich_help_panel=COMPUTE)
    ] = False,
    db: Db = DEFAULT_DB,
    name: Annotated[str | None, typer.Option(help="What rankings call it.", rich_help_panel=KEEP)] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over instead of going on.", rich_help_panel=KEEP)
    ] = False,
    json: Json = False,
) -> None:
    """Have checkpoints answer a prompt set, to be compared by judges and people; the same command goes on."""
    from harness.errors import UsageError
    from harness.evaluation.planning import Options
    from harness.progress import shown
    from harness.store import Store
    from judges.answers.answering import Result, Wanted, document, require_a_word
    from judges.answers.answering import answer as make_answers
    from judges.importing import import_answers

    models = words(model, more)
    if not models and not import_:
        raise UsageError("Name a checkpoint with --model, or a file of answers with --import.")
    if name and len(models) + len(import_ or ()) > 1:
        raise UsageError("--name is for one model; answer them one by one to name them.")
    found: list[Result] = []
    for path in import_ or ():
        made = import_answers(Store(db), path, prompts, name)
        count = len(Store(db).answers_of(made.id))
        found.append(Result(made, count, count))
    wanted = Wanted(preset, template, sample, temperature, top_p, max_new_tokens, strip_thinking)
    with shown() as progress:
        for each in models:
            options = Options(
                model=each,
                tasks="",
                db=db,
                base=base,
                revision=revision,
                trust_remote_code=trust_remote_code,
                served_name=served_name,
                backend=backend,
                device=device,
                dtype=dtype,
                load_in_4bit=load_in_4bit,
                seed=seed,
                chat_template=chat_template,
                date=date,
                add_bos=add_bos,
                name=name,
                fresh=fresh,
            )
            found.append(make_answers(options, prompts, wanted, progress))
    if json:
        print_json({"answers": [document(result) for result in found]})
    for result in () if json else found:
        made = result.answers
        before = f", {result.before} of them from before" if result.before else ""
        typer.echo(f"{made.id[:12]} {made.name}: {result.asked} answers{before} ({made.template}, {made.model})")
        for warning in made.warnings:
            typer.echo(f"warning: {warning}", err=True)
    for result in found:
        require_a_word(result)
