"""What transformers and peft say by themselves: plain forward passes, a row at a time, with no code of the product."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.prompting.row_tokens import Tokens
from harness.results.rows import ResponseRow


class Reference:
    """A checkpoint's folder, or an adapter's over `base`."""

    def __init__(self, folder: Path, base: Path | None = None) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(base or folder)
        model: Any = AutoModelForCausalLM.from_pretrained(base or folder)
        if base is not None:
            from peft import PeftModel

            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of tensors that fit no module
                warnings.filterwarnings("ignore", "fan_in_fan_out")
                model = PeftModel.from_pretrained(model, folder)
        self.model = model.eval()

    def log_softmax(self, ids: Sequence[int]) -> Any:
        """[tokens, vocabulary]"""
        import torch

        with torch.inference_mode():
            return self.model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].float().log_softmax(-1)

    def logprob(self, prompt: str, continuation: str) -> float:
        """Of the continuation's tokens, as they stand behind the prompt's."""
        prompt_ids = self.tokenizer.encode(prompt)
        ids = self.tokenizer.encode(prompt + continuation)
        assert ids[: len(prompt_ids)] == prompt_ids
        logprobs = self.log_softmax(ids[:-1])
        return sum(logprobs[at - 1, ids[at]].item() for at in range(len(prompt_ids), len(ids)))

    def distance(self, response: ResponseRow) -> float:
        """Of a stored response: the largest difference of a log-probability; of a greedy text, how much less likely a
        token is than the likeliest."""
        prompt = response.shared + response.own
        if response.kind != "generate":
            wanted = [self.logprob(prompt, option) for option in response.options]
            if len(wanted) > 1:
                assert response.logprobs.index(max(response.logprobs)) == wanted.index(max(wanted))
            return max(abs(a - b) for a, b in zip(response.logprobs, wanted, strict=True))
        assert response.tokens
        ids = [*self.tokenizer.encode(prompt), *response.tokens]
        after = self.log_softmax(ids[:-1])[-len(response.tokens) :]
        return max((row.max() - row[token]).item() for row, token in zip(after, response.tokens, strict=True))

    def nats(self, rows: Sequence[Tokens]) -> float:
        """A response token."""
        total = 0.0
        for row in rows:
            logprobs = self.log_softmax(row.ids)
            total -= sum(logprobs[at - 1, row.ids[at]].item() for at in row.learnt)
        return total / sum(row.responses for row in rows)
