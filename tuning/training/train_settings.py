"""How training runs on a machine."""

from __future__ import annotations

from dataclasses import dataclass

from harness.prompting.row_templates import Choice
from harness.prompting.row_tokens import MAX_TOKENS


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How training runs on this machine. Of these only `dtype`, `max_tokens`, `load_in_4bit`, `add_bos` and the
    template belong to a study's identity: the others change results by rounding only (and by which numbers dropout
    draws)."""

    device: str = "cpu"
    dtype: str | None = None  # of the base; None: float32 on a CPU, bfloat16 elsewhere. Adapters are float32
    max_tokens: int = MAX_TOKENS  # of prompt and response together; what is longer is cut, with a warning
    micro_batch: int = 32  # rows in one pass; halved where memory does not suffice
    packed_rows: bool = False  # rows one after the other without padding, for FlashAttention; where the base can
    gradient_checkpointing: bool = False
    load_in_4bit: bool = False  # NVIDIA and bitsandbytes
    add_bos: bool = False  # put one before each row, where the tokenizer does not
    template: str = "alpaca"  # of rows: chat, alpaca or plain
    chat_template: str = ""  # the text of a chat template in place of the tokenizer's own
    processes: int = 1  # of a data-parallel trial

    @property
    def row_template(self) -> Choice:
        return Choice(self.template, self.chat_template)
