"""The folder in which the documentation's commands run: the files and folders that its pages name, small ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import data.tiny
from data.sources import SAMPLE

TINY = Path(data.tiny.__file__).parent
ROWS = 40
QUESTIONS = [
    {"question": "Which planet is the largest?", "choices": ["Mars", "Jupiter", "Venus"], "answer": "B"},
    {"question": "Which metal is liquid at 20 °C?", "choices": ["iron", "mercury", "tin"], "answer": "B"},
    {"question": "How many legs has a spider?", "choices": ["six", "eight", "ten"], "answer": "B"},
    {"question": "Which of these is a river?", "choices": ["Danube", "Etna", "Sahara"], "answer": "A"},
] * 3


def fill(folder: Path) -> None:
    """`my-model`, `my-rows.jsonl`, `my-test.jsonl`, `benchmarks`, `my-prompts`, and `studies` as the repository has it.
    `adapter` adds `my-adapter`."""
    model = folder / "my-model"
    model.mkdir()
    for name in ("config.json", "generation_config.json", "model.safetensors", "chat_template.jinja"):
        shutil.copy(TINY / name, model / name)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TINY / name, model / name)
    rows = json.loads((SAMPLE / "instructions" / "alpaca.json").read_text(encoding="utf-8"))[:ROWS]
    _lines(folder / "my-rows.jsonl", rows)
    _lines(folder / "my-test.jsonl", [{**question, "id": str(n)} for n, question in enumerate(QUESTIONS)])
    for name in ("mmlu", "bbh", "drop", "humaneval"):
        shutil.copytree(SAMPLE / name, folder / "benchmarks" / name)
    prompts = (SAMPLE / "prompts" / "question.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "my-prompts").mkdir()
    (folder / "my-prompts" / "question.jsonl").write_text("".join(prompts[::4]), encoding="utf-8")


def adapter(folder: Path) -> None:
    """`my-adapter`: LoRA on `my-model`, with weights that change its answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(folder / "my-model")
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(folder / "my-adapter")
    written = folder / "my-adapter" / "adapter_config.json"
    settings = json.loads(written.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = "my-model"  # as a user's training in this folder has it
    written.write_text(json.dumps(settings), encoding="utf-8")


def _lines(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
