"""What a model costs to compute with, in floating-point operations, and to keep in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelSize:
    blocks: int  # parameters that each token is multiplied with
    head: int  # those of the output embedding, for tokens whose logits are asked for
    layers: int
    width: int  # of attention

    @staticmethod
    def of(model: Any) -> ModelSize:
        head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
        apart = {id(layer.weight) for layer in (head, embedding) if layer is not None}
        config = model.config.get_text_config()
        return ModelSize(
            blocks=sum(p.numel() for p in model.parameters() if p.ndim > 1 and id(p) not in apart),
            head=0 if head is None else head.weight.numel(),
            layers=getattr(config, "num_hidden_layers", None) or 0,
            width=getattr(config, "hidden_size", None) or 0,
        )

    def forward(self, tokens: float, pairs: float, reads: float) -> float:
        """Operations of a forward pass over `tokens`, which look at `pairs` of tokens, `reads` of which have logits."""
        return 2.0 * (self.blocks * tokens + self.head * reads) + 4.0 * self.layers * self.width * pairs
