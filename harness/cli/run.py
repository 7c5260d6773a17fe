"""`harness run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from harness.evaluation.run import Result

MODEL, ASK, COMPUTE, KEEP, SERVER = "Model", "Questions", "Computing", "Store", "Server"


def run(
    model: Annotated[
        str,
        typer.Option(
            help="A folder, a hub id, a LoRA adapter's folder, tiny, or a server (http://host:port/v1).",
            rich_help_panel=MODEL,
        ),
    ],
    tasks: Annotated[
        str,
        typer.Option(
            help="mmlu, bbh, drop, humaneval, mmlu:anatomy, lm_eval:NAME; several by comma.", rich_help_panel=ASK
        ),
    ] = "mmlu,bbh,drop,humaneval",
    base: Annotated[str | None, typer.Option(help="The base of a LoRA adapter.", rich_help_panel=MODEL)] = None,
    revision: Annotated[str | None, typer.Option(help="A hub model's revision.", rich_help_panel=MODEL)] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.", rich_help_panel=MODEL)
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="Rows: a folder, sample, or hub (the default).", rich_help_panel=ASK)
    ] = None,
    protocol: Annotated[str, typer.Option(help="standard or instructeval.", rich_help_panel=ASK)] = "standard",
    shots: Annotated[int | None, typer.Option(help="Examples before each question.", rich_help_panel=ASK)] = None,
    limit: Annotated[int | None, typer.Option(help="The first N items of each group.", rich_help_panel=ASK)] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Use the model's chat template.", rich_help_panel=ASK)] = False,
    system: Annotated[str | None, typer.Option(help="System text, with --chat.", rich_help_panel=ASK)] = None,
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
    strip_thinking: Annotated[
        bool,
        typer.Option("--strip-thinking", help="Score what follows a model's thoughts (</think>).", rich_help_panel=ASK),
    ] = False,
    samples: Annotated[int, typer.Option(help="Answers to each generated item.", rich_help_panel=ASK)] = 1,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy.", rich_help_panel=ASK)] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling.", rich_help_panel=ASK)] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Of each answer.", rich_help_panel=ASK)] = None,
    seed: Annotated[int, typer.Option(help="Of sampled answers.", rich_help_panel=ASK)] = 0,
    include_path: Annotated[
        str | None, typer.Option(help="A folder of your own lm-eval tasks.", rich_help_panel=ASK)
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help="auto (vllm where it and a GPU are present), transformers, vllm, endpoint.", rich_help_panel=COMPUTE
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=COMPUTE)] = "auto",
    dtype: Annotated[
        str, typer.Option(help="auto (stored; float32 on a CPU), float32, bfloat16, float16.", rich_help_panel=COMPUTE)
    ] = "auto",
    load_in_4bit: Annotated[
        bool, typer.Option("--load-in-4bit", help="Quantise (bitsandbytes, GPU).", rich_help_panel=COMPUTE)
    ] = False,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens in one forward pass.", rich_help_panel=COMPUTE)
    ] = None,
    lora: Annotated[
        str, typer.Option(help="vllm: merge an adapter, or serve it live.", rich_help_panel=COMPUTE)
    ] = "merge",
    tensor_parallel: Annotated[
        int, typer.Option(help="vllm: GPUs that one model is spread over.", rich_help_panel=COMPUTE)
    ] = 1,
    data_parallel: Annotated[int, typer.Option(help="vllm: copies of the model.", rich_help_panel=COMPUTE)] = 1,
    gpu_memory: Annotated[
        float | None, typer.Option(help="vllm: the part of a GPU's memory to take.", rich_help_panel=COMPUTE)
    ] = None,
    served_name: Annotated[
        str | None, typer.Option(help="Which of a server's models to ask.", rich_help_panel=SERVER)
    ] = None,
    base_name: Annotated[
        str | None, typer.Option(help="The adapter's base, served too: it is probed.", rich_help_panel=SERVER)
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="The served model's: exact prompts, as token ids.", rich_help_panel=SERVER),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests under way at once.", rich_help_panel=SERVER)] = None,
    db: Db = DEFAULT_DB,
    name: Annotated[str | None, typer.Option(help="What to call the run.", rich_help_panel=KEEP)] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be given several times.", rich_help_panel=KEEP)] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over instead of going on.", rich_help_panel=KEEP)
    ] = False,
    json: Json = False,
) -> None:
    """Measure a checkpoint on benchmarks; the same command again goes on."""
    from harness.evaluation.planning import Options
    from harness.evaluation.run import run as measure
    from harness.progress import shown
    from harness.results import Store

    options = Options(
        model=model,
        tasks=tasks,
        db=db,
        base=base,
        revision=revision,
        protocol=protocol,
        shots=shots,
        backend=backend,
        limit=limit,
        data=data,
        name=name,
        tags=tuple(tag or ()),
        seed=seed,
        device=device,
        dtype=dtype,
        load_in_4bit=load_in_4bit,
        batch_tokens=batch_tokens,
        chat=chat,
        system=system,
        chat_template=chat_template,
        date=date,
        add_bos=add_bos,
        strip_thinking=strip_thinking,
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        include_path=include_path,
        trust_remote_code=trust_remote_code,
        fresh=fresh,
        lora=lora,
        tensor_parallel=tensor_parallel,
        data_parallel=data_parallel,
        gpu_memory=gpu_memory,
        served_name=served_name,
        base_name=base_name,
        tokenizer=tokenizer,
        concurrency=concurrency,
    )
    with shown() as progress:
        result = measure(options, progress)
    if json:
        from harness.evaluation.report import run_document

        print_json(run_document(Store(db), result.run))
    else:
        _print(result, db)


def _print(result: Result, db: str) -> None:
    from rich.console import Console

    from harness.cli.tables import print_run
    from harness.results import Store

    console = Console()
    if not result.computed:
        console.print("This run was finished before; --fresh measures again.")
    elif result.resumed:
        console.print(f"{result.resumed} samples were there from before.")
    print_run(console, Store(db), result.run)
