"""One side of `bench.training.peers`: a whole training process. python -m bench.training.sides SIDE JOB OUT

`ours`     the product's trainer, as `harness tune` uses it
`trainer`  peft with transformers' Trainer, each pass padded to its longest row
`trl`      TRL's SFTTrainer with its packing (bfd), rows one after the other up to MAX_LENGTH tokens

JOB is what `peers.job` wrote: the same rows, initial adapter, optimizer and schedule for all. OUT gets the loss of each
step, the processor's seconds of all steps, and of a peer the first pass."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tuning.training.training_schedule import CLIP, rate

MAX_LENGTH = 1024  # TRL's own
Job = dict[str, Any]


def ours(job: Job) -> dict[str, Any]:
    from data.instruction_split import Splits
    from data.instructions import from_dict
    from harness.models.checkpoint import resolve
    from tuning.training.train import Trainer
    from tuning.training.train_settings import TrainSettings
    from tuning.types import Hyperparameters, Phase, Step

    rows = tuple(from_dict(row) for row in job["instructions"])
    trainer = Trainer(resolve(job["model"]), Splits(rows, rows[:1], (), {}, ()), TrainSettings(**job["settings"]))
    losses, times = [], []

    def on_phase(phase: Phase) -> None:
        if phase.name == "attaching the adapter":  # rows are encoded, and the base is loaded
            times.append(time.process_time())

    def on_step(step: Step) -> None:
        losses.append(step.loss)
        times.append(time.process_time())

    trainer.on_phase = on_phase

    with tempfile.TemporaryDirectory() as folder:
        trainer.train(Hyperparameters.from_dict(job["hyper"]), 1.0, job["seed"], Path(folder) / "adapter", on_step)
    return {"losses": losses, "steps": times[-1] - times[0]}


def trainer(job: Job) -> dict[str, Any]:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    model, tokenizer = _adapted(job)
    steps = len(job["rows"]) // job["hyper"]["batch"]
    arguments = TrainingArguments(
        **_arguments(),
        per_device_train_batch_size=job["rows_a_pass"],
        gradient_accumulation_steps=job["hyper"]["batch"] // job["rows_a_pass"],
        train_sampling_strategy="sequential",  # the job's rows stand in our order
    )
    collator = DataCollatorForSeq2Seq(tokenizer, padding=True)
    return _run(Trainer, model, arguments, _optimizers(model, job, steps), job["rows"], data_collator=collator)


def trl(job: Job) -> dict[str, Any]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer
    from trl.data_utils import pack_dataset

    model, tokenizer = _adapted(job)
    rows = Dataset.from_list([{name: row[name] for name in ("input_ids", "labels")} for row in job["rows"]])
    steps = len(pack_dataset(rows, MAX_LENGTH, "bfd"))
    arguments = SFTConfig(
        **_arguments(),
        per_device_train_batch_size=1,  # packed rows; as many tokens as a batch of ours
        packing=True,
        max_length=MAX_LENGTH,
        gradient_checkpointing=False,  # its default computes activations twice
        bf16=False,
    )
    options = {"processing_class": tokenizer}
    return _run(SFTTrainer, model, arguments, _optimizers(model, job, steps), rows, **options)


def _adapted(job: Job) -> tuple[Any, Any]:
    """peft's model, seeded as ours, and the tokenizer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    hyper = job["hyper"]
    torch.manual_seed(job["seed"])
    config = LoraConfig(
        r=hyper["rank"],
        lora_alpha=hyper["alpha"],
        lora_dropout=hyper["dropout"],
        target_modules=hyper["target_modules"],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config), tokenizer


def _arguments() -> dict[str, Any]:
    return {
        "output_dir": tempfile.gettempdir(),
        "num_train_epochs": 1,
        "max_grad_norm": CLIP,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "no",
    }


def _optimizers(model: Any, job: Job, steps: int) -> tuple[Any, Any]:
    import torch

    hyper = job["hyper"]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=hyper["lr"], weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps, hyper["warmup"]))
    return optimizer, schedule


def _run(kind: Any, model: Any, arguments: Any, optimizers: Any, rows: Any, **options: Any) -> dict[str, Any]:
    from transformers import TrainerCallback

    losses = [0.0]
    first: dict[str, Any] = {}

    class Watched(kind):
        def training_step(self, model: Any, inputs: dict[str, Any], *others: Any, **named: Any) -> Any:
            first.update(
                first or {name: tensor.tolist() for name, tensor in inputs.items() if hasattr(tensor, "tolist")}
            )
            loss = super().training_step(model, inputs, *others, **named)
            losses[-1] += float(loss)  # of a pass, over the response tokens of its whole step
            return loss

    class Ends(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            losses.append(0.0)

    watched = Watched(
        model=model, args=arguments, train_dataset=rows, optimizers=optimizers, callbacks=[Ends()], **options
    )
    began = time.process_time()
    watched.train()
    return {"losses": losses[:-1], "steps": time.process_time() - began, "first": first}


SIDES = {"ours": ours, "trainer": trainer, "trl": trl}


def main(side: str, job: str, out: str) -> None:
    figures = SIDES[side](json.loads(Path(job).read_text("utf-8")))
    Path(out).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
