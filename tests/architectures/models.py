"""The architectures of docs/models.md, as small random models: two to four layers, with what sets each apart.

Sizes are small; whatever a published model of the family does beside the usual (tied embeddings, windows, caps,
scalings, positions, experts) is switched on as that model has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.models import make_tokenizer

POSITIONS = 448  # of those that have a table of positions: shorter than the longest row that is trained
WINDOW = 48  # of sliding attention: shorter than every prompt
VOCABULARY = 600
HIDDEN = 32


@dataclass(frozen=True, slots=True)
class Architecture:
    """`changes` goes into the configuration of transformers' `model_type`."""

    name: str
    model_type: str
    changes: dict[str, Any] = field(default_factory=dict)
    tokenizer: str = "bytes"  # its kind in tests/models.py

    def __str__(self) -> str:
        return self.name


_USUAL: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": POSITIONS,
}
_GEMMA: dict[str, Any] = {
    "num_hidden_layers": 3,
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "tie_word_embeddings": True,
}
_EXPERTS: dict[str, Any] = {"num_local_experts": 4, "num_experts_per_tok": 2}
_OPT: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "ffn_dim": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
    "word_embed_proj_dim": HIDDEN,
}
_FALCON: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
}

ARCHITECTURES = (
    Architecture("Llama", "llama", _USUAL, "llama3"),
    Architecture("Mistral", "mistral", {**_USUAL, "sliding_window": WINDOW}, "sentencepiece"),
    Architecture("Qwen2", "qwen2", {**_USUAL, "tie_word_embeddings": True}),
    Architecture("Qwen3", "qwen3", {**_USUAL, "head_dim": 16, "tie_word_embeddings": True}),
    Architecture(
        "Gemma 2",
        "gemma2",
        {**_USUAL, **_GEMMA, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
        "sentencepiece",
    ),
    Architecture("Gemma 3", "gemma3_text", {**_USUAL, **_GEMMA}, "sentencepiece"),
    Architecture(
        "Gemma 4",
        "gemma4_text",
        {
            **_USUAL,
            **_GEMMA,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
            "global_head_dim": 24,
            "num_global_key_value_heads": 1,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": 2 * VOCABULARY,
            "num_kv_shared_layers": 0,
            "final_logit_softcapping": 3.0,
        },
        "sentencepiece",
    ),
    Architecture("Phi-3", "phi3", {**_USUAL, "num_key_value_heads": 4}, "sentencepiece"),
    Architecture(
        "Phi-3 (longrope)",
        "phi3",
        {
            **_USUAL,
            "num_key_value_heads": 4,
            "original_max_position_embeddings": 160,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "short_factor": [1.0, 1.1, 1.2, 1.3],
                "long_factor": [1.5, 2.0, 3.0, 4.0],
            },
        },
        "sentencepiece",
    ),
    Architecture("GPT-2", "gpt2", {"n_embd": HIDDEN, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS}),
    Architecture("GPT-NeoX", "gpt_neox", {**_USUAL, "num_attention_heads": 2}),
    Architecture("OPT", "opt", _OPT),
    Architecture("OPT (350M)", "opt", {**_OPT, "word_embed_proj_dim": 16, "do_layer_norm_before": False}),
    Architecture("Falcon", "falcon", _FALCON),
    Architecture("Falcon (40B)", "falcon", {**_FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}),
    Architecture(
        "Falcon (ALiBi)",
        "falcon",
        {**_FALCON, "alibi": True, "multi_query": False, "parallel_attn": False, "bias": True},
    ),
    Architecture("BLOOM", "bloom", {"hidden_size": HIDDEN, "n_layer": 2, "n_head": 4}),
    Architecture("MPT", "mpt", {"d_model": HIDDEN, "n_layers": 2, "n_heads": 4, "max_seq_len": POSITIONS}),
    Architecture("StableLM", "stablelm", {**_USUAL, "use_qkv_bias": True}),
    Architecture("OLMo 2", "olmo2", _USUAL),
    Architecture(
        "Granite",
        "granite",
        {
            **_USUAL,
            "embedding_multiplier": 3.0,
            "logits_scaling": 2.0,
            "residual_multiplier": 0.5,
            "attention_multiplier": 0.2,
            "tie_word_embeddings": True,
        },
    ),
    Architecture(
        "SmolLM3",
        "smollm3",
        {**_USUAL, "num_hidden_layers": 4, "no_rope_layers": [1, 1, 1, 0], "tie_word_embeddings": True},
        "llama3",
    ),
    Architecture("Mixtral", "mixtral", {**_USUAL, **_EXPERTS}, "sentencepiece"),
    Architecture("Qwen3-MoE", "qwen3_moe", {**_USUAL, **_EXPERTS, "head_dim": 16, "moe_intermediate_size": 24}),
    Architecture(
        "gpt-oss",
        "gpt_oss",
        {**_USUAL, **_EXPERTS, "head_dim": 16, "sliding_window": WINDOW},
    ),
    Architecture("GLM-4", "glm4", {**_USUAL, "head_dim": 16}),
    Architecture("Command R7B", "cohere2", {**_USUAL, "sliding_window": WINDOW, "logit_scale": 0.25}),
    Architecture(
        "Qwen3.5",
        "qwen3_5_text",
        {
            **_USUAL,
            "layer_types": ["linear_attention", "full_attention"],
            "head_dim": 16,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "tie_word_embeddings": True,
        },
    ),
    Architecture("LFM2", "lfm2", {**_USUAL, "layer_types": ["conv", "full_attention"]}),
    Architecture("Mamba", "mamba", {"hidden_size": HIDDEN, "state_size": 4, "num_hidden_layers": 2}),
)


def make(folder: Path, architecture: Architecture) -> Path:
    """Write the model and its tokenizer. Weights are far enough from uniform that a wrong position or window shows."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    tokenizer = make_tokenizer(architecture.tokenizer, VOCABULARY)
    # published vocabularies are rounded up too: rows without a token
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    config = CONFIG_MAPPING[architecture.model_type](
        **{**architecture.changes, **ids, "vocab_size": len(tokenizer) + 8}
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float()
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            torch.nn.init.normal_(parameter, std=0.15)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
