"""What the measurements share: one model, one tokenizer, whole processes timed from outside.

Shape: Llama, vocabulary 32,000 (Llama 2's), 384 wide, 10 layers, 6 heads (6 key heads), 1,024 in between:
24.6 M parameters in the two vocabularies, 17.7 M in the layers; random weights, float32. The tokenizer
is a byte-level BPE of 16,000 tokens trained on the benchmark's own text, so that lengths are real.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
WORK = ROOT / ".bench"
SHAPE = {
    "vocab_size": 32_000,
    "hidden_size": 384,
    "intermediate_size": 1024,
    "num_hidden_layers": 10,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "initializer_range": 0.06,
}


def model() -> Path:
    """The folder of the model that all measurements use; made at the first call."""
    folder = WORK / "model"
    if (folder / "tokenizer.json").exists():
        return folder
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = _tokenizer()
    torch.manual_seed(0)
    ids = {"bos_token_id": tokenizer.token_to_id("<s>"), "eos_token_id": tokenizer.token_to_id("</s>")}
    LlamaForCausalLM(LlamaConfig(**SHAPE, **ids)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=16_000,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tok.train_from_iterator(_texts(), trainer)
    bos = tok.token_to_id("<s>")
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    return tok


def _texts() -> Iterator[str]:
    if not DATA.is_dir():
        raise SystemExit(f"The measurements use real rows, and {DATA} is not there.")
    for path in sorted(DATA.glob("mmlu/test/*.csv")) + sorted(DATA.glob("bbh/**/*.*")):
        yield path.read_text(encoding="utf-8")


def environment() -> dict[str, str]:
    """No hub, and a cache of its own."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HARNESS_HOME": str(WORK / "home")}


def timed(command: Sequence[str]) -> tuple[float, str]:
    """Wall seconds of a whole process, and what it said on standard output."""
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])} … ended with {done.returncode}")
    return seconds, done.stdout


def ours(tasks: str, db: Path, *options: str, of: Path | None = None) -> tuple[float, dict[str, Any]]:
    """One whole `harness run` of the model in the folder `of`, or of the usual one, and its document."""
    command = [sys.executable, "-P", "-m", "harness", "run", "--model", str(of or model()), "--data", str(DATA)]
    seconds, output = timed([*command, "--tasks", tasks, "--db", str(db), "--fresh", "--json", *options])
    return seconds, json.loads(output)


def peer(benchmark: str, names: Sequence[str], *options: str, of: Path | None = None) -> tuple[float, dict[str, Any]]:
    """One whole run of lm-evaluation-harness, with its samples."""
    out = WORK / f"peer-{benchmark}.json"
    command = [sys.executable, "-m", "bench.peer", benchmark, ",".join(names), str(of or model()), str(out), *options]
    seconds, _ = timed(command)
    return seconds, json.loads(out.read_text(encoding="utf-8"))


def in_turn(
    rounds: int, mine: Callable[[], float], theirs: Callable[[], float], cpu: dict[str, list[float]] | None = None
) -> tuple[list[float], list[float]]:
    """Seconds of both, alternating, ours first and last: what a shared machine does meanwhile hits both. `cpu` takes
    the processor seconds of the processes that `ours` and the `peer` waited for."""

    def measured(who: str, side: Callable[[], float]) -> float:
        before = cpu_seconds()
        seconds = side()
        if cpu is not None:
            cpu.setdefault(who, []).append(cpu_seconds() - before)
        return seconds

    ours, peers = [measured("ours", mine)], []
    for _ in range(rounds):
        peers.append(measured("peer", theirs))
        ours.append(measured("ours", mine))
    return ours, peers


def cpu_seconds() -> float:
    """Processor seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tell(bench: str, *, at_least: float | None = None, at_most: float | None = None, **figures: Any) -> None:
    """The one JSON line of a measurement. `ratio` is what `at_least` or `at_most` bounds: the former is of
    the peer's time over ours (times faster), the latter of ours over the peer's."""
    ours, peers = statistics.median(figures["ours"]), statistics.median(figures["peer"])
    ratio = peers / ours if at_least is not None else ours / peers
    target = {"at_least": at_least} if at_least is not None else {"at_most": at_most}
    holds = ratio >= at_least if at_least is not None else at_most is not None and ratio <= at_most
    say(bench=bench, ratio=ratio, **target, holds=holds, **figures)


def say(**figures: Any) -> None:
    """A JSON line."""
    sys.stdout.write(json.dumps(_rounded(figures)) + "\n")
    sys.stdout.flush()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def search_batch(
    benchmark: str,
    names: Sequence[str],
    *options: str,
    of: Path | None = None,
    sizes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
) -> None:
    """The peer's seconds at each batch size."""
    model()
    for size in sizes:
        seconds, _ = peer(benchmark, names, str(size), *options, of=of)
        sys.stdout.write(json.dumps({"peer": benchmark, "batch_size": size, "seconds": round(seconds, 1)}) + "\n")
        sys.stdout.flush()


_FORWARD = """
import sys, time, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
best = float("inf")
with torch.inference_mode():
    for rows, length in ((1, 512), (1, 1024), (4, 256), (8, 128), (16, 128), (8, 256)):
        ids = torch.randint(5, 15_000, (rows, length))
        model(ids, logits_to_keep=1)
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            model(ids, logits_to_keep=1)
            seconds.append(time.perf_counter() - began)
        best = min(best, sorted(seconds)[2] / ids.numel())
print(best)
"""


def plain_forward(of: Path | None = None) -> float:
    """Seconds a token of one plain forward pass with one position's logits, at its quickest batch."""
    return float(timed([sys.executable, "-c", _FORWARD, str(of or model())])[1])


def distinct_of(db: Path, run: str, task: str, of: Path | None = None) -> int:
    """Distinct prompt tokens of a run's requests."""
    from transformers import AutoTokenizer

    from tuning.store import Store

    tokenizer = AutoTokenizer.from_pretrained(of or model())
    return distinct_tokens(tokenizer([r.shared + r.own for r in Store(db).responses(run, task)]).input_ids)


def distinct_tokens(sequences: Sequence[Sequence[int]]) -> int:
    """Nodes of the prefix tree: what has to be computed when nothing is computed twice."""
    return sum(end - start for start, end in distinct_spans(sequences))


def distinct_spans(sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Of each sequence the positions, from and to, that none before it in the prefix tree shares."""
    import numpy as np

    keys = sorted(np.asarray(s, dtype=">i4").tobytes() for s in sequences)
    before = np.zeros(0, dtype=">i4")
    for key in keys:
        now = np.frombuffer(key, dtype=">i4")
        n = min(len(now), len(before))
        differ = np.flatnonzero(now[:n] != before[:n])
        yield int(differ[0]) if len(differ) else n, len(now)
        before = now
