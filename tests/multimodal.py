"""Small random models that can see too, as most of what is published now: a vision tower beside a text decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.models import make_tokenizer

KINDS = ("gemma3", "mistral3", "qwen3_5", "llama4", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava")


def make_multimodal(folder: Path, kind: str, seed: int = 0) -> Path:
    """Write a `kind` whose text part has 2 layers of 64, and its tokenizer; return the folder."""
    import torch
    import transformers as tf
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as CLASSES

    tokenizer = make_tokenizer()
    config_class: Any = CONFIG_MAPPING[kind]
    config = config_class(text_config=_text(kind, len(tokenizer)), vision_config=_vision(kind), **_own(kind))
    torch.manual_seed(seed)
    model: Any = getattr(tf, CLASSES[kind])(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.08)
    model.float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _text(kind: str, vocabulary: int) -> dict[str, Any]:
    common = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    rotary = {"rope_type": "default", "rope_theta": 1e4}
    own: dict[str, dict[str, Any]] = {
        "gemma3": {"model_type": "gemma3_text", "sliding_window": 32},
        "mistral3": {"model_type": "mistral", "sliding_window": None},
        "llava": {"model_type": "llama"},
        "llama4": {
            "model_type": "llama4_text",
            "intermediate_size_mlp": 96,
            "num_local_experts": 2,
            "attention_chunk_size": 32,
        },
        "qwen2_vl": {"rope_parameters": {**rotary, "mrope_section": [2, 3, 3]}},
        "qwen2_5_vl": {"rope_parameters": {**rotary, "mrope_section": [2, 3, 3]}},
        "qwen3_vl": {"rope_parameters": {**rotary, "mrope_section": [2, 3, 3]}},
        "qwen3_5": {
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
        },
    }
    return {**common, **own[kind]}


def _vision(kind: str) -> dict[str, Any]:
    if kind.startswith("qwen"):
        widths = {"hidden_size": 64, "out_hidden_size": 64} if kind == "qwen2_vl" else {"hidden_size": 32}
        return {
            **widths,
            "embed_dim": 32,
            "depth": 1,
            "num_heads": 2,
            "intermediate_size": 32,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [0],
            "deepstack_visual_indexes": [0],
        }
    own: dict[str, dict[str, Any]] = {
        "mistral3": {"model_type": "pixtral"},
        "llava": {"model_type": "clip_vision_model"},
        "llama4": {"vision_output_dim": 32, "projector_input_dim": 32, "projector_output_dim": 32},
    }
    return {
        "hidden_size": 32,
        "intermediate_size": 128 if kind == "llama4" else 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
        **own.get(kind, {}),
    }


def _own(kind: str) -> dict[str, Any]:
    return {"mm_tokens_per_image": 4} if kind == "gemma3" else {}
