"""Tokens and the rows of an embedding: a tokenizer may have more, and an adapter may have brought more.

A token without a row would be an error in the middle of a run. Tokens that were added to a tokenizer and never to the
model (a padding token, say) are taken out of it, so that their text is read as any other text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError
from harness.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def fit_tokenizer(tokenizer: PreTrainedTokenizerBase, rows: int | None, checkpoint: Checkpoint) -> list[str]:
    """Take the added tokens out of a fast tokenizer for which the model's embedding of `rows` has no row, and say so.
    ModelError where ordinary tokens have none: then the two do not belong together. `rows` None: not known."""
    fast = tokenizer.backend_tokenizer
    if rows is None or max(fast.get_vocab(with_added_tokens=True).values(), default=0) < rows:
        return []
    ordinary = fast.get_vocab(with_added_tokens=False)
    if (most := max(ordinary.values(), default=0)) >= rows:
        raise ModelError(
            f"The tokenizer of {checkpoint.given} has {most + 1:,} tokens and the model's embedding {rows:,} rows: "
            f"they do not belong together. Copy the model's own tokenizer into {checkpoint.tokenizer}."
        )
    state = json.loads(fast.to_str())
    beyond = [token["content"] for token in state["added_tokens"] if token["id"] >= rows]
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < rows]
    tokenizer._tokenizer = type(fast).from_str(json.dumps(state))
    for role, token in list(tokenizer.special_tokens_map.items()):
        if token in beyond:
            setattr(tokenizer, role, None)
    used = tokenizer("a").input_ids
    if max(used, default=0) >= rows:
        raise ModelError(
            f"The tokenizer of {checkpoint.given} puts the token {max(used):,} into each text, and the model's "
            f"embedding has {rows:,} rows. Copy the model's own tokenizer into {checkpoint.tokenizer}."
        )
    from harness.models.loading import listed

    return [
        f"The tokenizer of {checkpoint.given} has tokens that the model's embedding of {rows:,} rows does not know: "
        f"{listed(beyond)}. They are read as plain text."
    ]


def rows_of(config: Any) -> int | None:
    """The rows of the embedding that a configuration of transformers describes, where it says so."""
    rows = getattr(config.get_text_config(), "vocab_size", None)
    return rows if isinstance(rows, int) else None


def resize_for(model: PreTrainedModel, tensors: Mapping[str, Tensor], adapter: Checkpoint) -> bool:
    """Give the base as many rows as the adapter's own whole embeddings have; True where that changed it.
    The adapter's tensors then fill all rows. ModelError where it holds only one of two embeddings."""
    ends = {"input": model.get_input_embeddings(), "output": model.get_output_embeddings()}
    own = {id(module): name for name, module in model.named_modules() if any(module is end for end in ends.values())}
    names = {end: own.get(id(module), "") for end, module in ends.items() if module is not None}
    rows = {end: _rows(tensors, name) for end, name in names.items()}
    wanted = {count for count in rows.values() if count is not None}
    present = ends["input"].weight.shape[0]
    if not wanted or wanted == {present}:
        return False
    tied = ends["output"] is not None and ends["output"].weight is ends["input"].weight
    absent = [] if tied else [names[end] for end, count in rows.items() if count is None]
    if len(wanted) > 1 or absent:
        raise ModelError(
            f"The adapter {adapter.given} has a vocabulary of {max(wanted):,} tokens and the base one of {present:,}, "
            f"and it does not hold all of the new rows (there is no {' and '.join(absent) or 'one number of them'} in "
            "it). Save it again with save_embedding_layers=True."
        )
    model.resize_token_embeddings(wanted.pop(), mean_resizing=False)
    return True


def _rows(tensors: Mapping[str, Tensor], module: str) -> int | None:
    """The rows of a whole embedding among an adapter's tensors."""
    ends = [f".{module}{inner}.weight" for inner in ("", ".base_layer")]
    whole = [tensor.shape[0] for name, tensor in tensors.items() if name.endswith(tuple(ends))]
    return whole[0] if whole else None
