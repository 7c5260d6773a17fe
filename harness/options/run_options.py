"""What `harness run` takes, and the parts of it that other commands and the backends take."""

from __future__ import annotations

import os

from harness import registry
from harness.options.declaration import Declaration, option
from harness.options.until import UNTIL, read_until

MODEL, ASK, COMPUTE, KEEP, SERVER = "Model", "Questions", "Computing", "Store", "Server"
AUTO = "auto"  # chooses a backend: see harness.backends.choose
DEFAULT_DB = "harness.duckdb"
DEVICES = r"auto|cpu|mps|(cuda|xpu)(:\d+)?"
ALLOWED_DEVICES = "auto, cpu, mps, cuda, or one as cuda:1"
LARGEST_SEED = 2**63 - 1
DTYPES = ("auto", "float32", "bfloat16", "float16")


def default_db() -> str:
    """HARNESS_DB, where it is set."""
    return os.environ.get("HARNESS_DB") or DEFAULT_DB


def _backends() -> list[str]:
    return [AUTO, *registry.names("backends")]


class ModelSpec(Declaration):
    """Which model, and how it is held in memory."""

    model: str = option(
        ...,
        "A folder, a hub id, a LoRA adapter's folder, tiny, or a server (http://host:port/v1).",
        panel=MODEL,
        allowed="a folder, a hub id, tiny, or a server's address",
    )
    base: str | None = option(None, "The base of a LoRA adapter.", panel=MODEL, allowed="a folder or a hub id")
    revision: str | None = option(None, "A hub model's revision.", panel=MODEL, allowed="a hub model's revision")
    trust_remote_code: bool = option(False, "Run code that the checkpoint brings.", panel=MODEL)
    device: str = option(
        "auto", "auto, cpu, cuda, cuda:1, mps.", panel=COMPUTE, allowed=ALLOWED_DEVICES, pattern=f"^({DEVICES})$"
    )
    dtype: str = option(
        "auto",
        "auto (stored; float32 on a CPU), float32, bfloat16, float16.",
        panel=COMPUTE,
        choices=DTYPES,
    )
    load_in_4bit: bool = option(False, "Quantise (bitsandbytes, GPU).", panel=COMPUTE)
    backend: str = option(
        "auto",
        "auto (vllm where it and a GPU are present), transformers, vllm, endpoint.",
        panel=COMPUTE,
        choices=_backends,
    )


class PromptSettings(Declaration):
    """What changes a prompt, beside the task: see prompt_options."""

    chat_template: str | None = option(None, "Which one, where the model has several.", panel=ASK)
    date: str | None = option(
        None,
        "For a chat template that writes the date (2024-07-26 where not given).",
        panel=ASK,
        allowed="a day as 2024-07-26",
    )
    add_bos: bool = option(False, "Put BOS before each text, if the tokenizer does not.", panel=ASK)


class ServedModel(Declaration):
    served_name: str | None = option(None, "Which of a server's models to ask.", panel=SERVER)


class Stored(Declaration):
    """Where what is made is kept."""

    db: str = option(
        DEFAULT_DB, "The store, one file.", panel=KEEP, allowed="a file's name", default_factory=default_db
    )


class BackendSettings(PromptSettings, ServedModel):
    """How a backend asks its model and how it computes; of these, each backend uses what concerns it."""

    chat: bool = option(False, "Use the model's chat template.", panel=ASK)
    system: str | None = option(
        None, "System text, with --chat.", panel=ASK, allowed="text, which may be empty", may_be_empty=True
    )
    batch_tokens: int | None = option(None, "Tokens in one forward pass.", panel=COMPUTE, ge=1)
    lora: str = option(
        "auto",
        "vllm: merge an adapter, or serve it live; auto merges one, and serves several live.",
        panel=COMPUTE,
        choices=("auto", "merge", "live"),
    )
    tensor_parallel: int = option(1, "vllm: GPUs that one model is spread over.", panel=COMPUTE, ge=1)
    data_parallel: int = option(1, "vllm: copies of the model.", panel=COMPUTE, ge=1)
    gpu_memory: float | None = option(
        None,
        "vllm: the part of a GPU's memory to take.",
        panel=COMPUTE,
        gt=0,
        le=1,
        allowed="a part of the GPU's memory, above 0 and at most 1",
    )
    base_name: str | None = option(None, "The adapter's base, served too: it is probed.", panel=SERVER)
    tokenizer: str | None = option(
        None,
        "The served model's: exact prompts, as token ids.",
        panel=SERVER,
        allowed="a folder or a hub id",
    )
    concurrency: int | None = option(None, "Requests under way at once.", panel=SERVER, ge=1)


def _default_tasks() -> str:
    """Every benchmark of ours."""
    from harness.tasks import declared

    return ",".join(declared.defaults())


class RunOptions(ModelSpec, BackendSettings, Stored):
    """What `harness run` takes; see its help."""

    tasks: str = option(
        "",
        "As mmlu, mmlu:anatomy, lm_eval:NAME or file:PATH, several by comma; without it, all benchmarks of ours.",
        panel=ASK,
        allowed="names of tasks, several by comma",
        default_factory=_default_tasks,
    )
    data: str | None = option(
        None, "Rows: a folder, sample, or hub (the default).", panel=ASK, allowed="a folder, sample or hub"
    )
    protocol: str = option("standard", "standard or instructeval.", panel=ASK)
    shots: int | None = option(None, "Examples before each question.", panel=ASK, ge=0)
    limit: int | None = option(None, "The first N items of each group.", panel=ASK, ge=1)
    until: str | None = option(
        None,
        "Items in random order, until it is known: width=2 (points), gate=RUN,max-drop=1, items=400.",
        panel=ASK,
        allowed=UNTIL,
        reader=read_until,
    )
    strip_thinking: bool = option(False, "Score what follows a model's thoughts (</think>).", panel=ASK)
    repeats: int = option(1, "Answers to each generated item.", panel=ASK, former="samples", ge=1)
    temperature: float | None = option(None, "0 is greedy.", panel=ASK, ge=0)
    top_p: float | None = option(None, "Nucleus sampling.", panel=ASK, gt=0, le=1)
    max_new_tokens: int | None = option(None, "Of each answer.", panel=ASK, ge=1)
    seed: int = option(0, "Of sampled answers.", panel=ASK, ge=0, le=LARGEST_SEED)
    include_path: str | None = option(
        None, "A folder of your own lm-eval tasks.", panel=ASK, allowed="a folder of lm-eval tasks"
    )
    name: str | None = option(
        None,
        "What to call the run; of several models with {model} in it.",
        panel=KEEP,
        allowed="a name that is not empty",
    )
    tags: tuple[str, ...] = option(
        (), "May be given several times.", panel=KEEP, flag="--tag", allowed="a list of words"
    )
    fresh: bool = option(False, "Start over instead of going on.", panel=KEEP)

    @property
    def settings(self) -> BackendSettings:
        """What a backend takes of them."""
        return settings_of(self)


def settings_of(options: BackendSettings) -> BackendSettings:
    """The part of `options` that a backend takes."""
    return BackendSettings(**{name: getattr(options, name) for name in BackendSettings.model_fields})
