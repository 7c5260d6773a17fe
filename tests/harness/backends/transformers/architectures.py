"""Every causal architecture that transformers knows, made small from its own configuration class."""

from __future__ import annotations

from typing import Any

VOCABULARY = 320
POSITIONS = 256
WINDOW = 24  # shorter than the prompts

# What configurations call their sizes: set wherever a class knows the name.
SIZES: dict[str, Any] = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input", "decoder_vocab_size"), VOCABULARY),
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size"), 64),
    **dict.fromkeys(("input_embedding_size", "output_embedding_size", "attention_hidden_size", "dense_dim"), 64),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "num_blocks"), 4),
    **dict.fromkeys(("encoder_layers", "num_encoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads", "num_decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "n_kv_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("swa_num_attention_heads", "swa_num_key_value_heads"), 4),
    **dict.fromkeys(("head_dim", "global_head_dim", "swa_head_dim", "v_head_dim", "attention_head_size"), 16),
    **dict.fromkeys(("swa_v_head_dim", "linear_key_head_dim", "linear_value_head_dim", "mamba_head_dim"), 16),
    **dict.fromkeys(
        ("qk_rope_head_dim", "qk_nope_head_dim", "qk_head_dim", "kv_lora_rank", "q_lora_rank", "index_head_dim"), 16
    ),
    **dict.fromkeys(("rotary_dim", "mamba_d_head", "mamba_d_state", "state_size"), 8),
    **dict.fromkeys(("ssm_state_size", "hidden_size_per_layer_input", "low_rank_dim"), 8),
    **dict.fromkeys(("linear_num_key_heads", "index_n_heads", "mamba_n_heads", "mamba_num_heads", "n_mamba_heads"), 4),
    "linear_num_value_heads": 4,
    **dict.fromkeys(("intermediate_size", "ffn_dim", "decoder_ffn_dim", "encoder_ffn_dim", "ffn_hidden_size"), 96),
    **dict.fromkeys(("intermediate_size_mlp", "n_inner", "dff", "d_inner", "dim_ff", "lru_width"), 96),
    **dict.fromkeys(("moe_intermediate_size", "shared_intermediate_size", "expert_ffn_hidden_size"), 32),
    **dict.fromkeys(("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("dense_intermediate_size", "decoder_ffn_size", "feed_forward_size"), 96),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts"), 2),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group", "n_shared_experts"), 1),
    **dict.fromkeys(
        ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_target_positions"), POSITIONS
    ),
    **dict.fromkeys(("context_length", "model_max_length", "seq_length", "max_source_positions"), POSITIONS),
    **dict.fromkeys(("sliding_window", "attention_chunk_size", "window_size", "local_attention"), WINDOW),
    **dict.fromkeys(("attention_window_size", "keep_window_size", "sliding_window_size", "floor_scale"), WINDOW),
    **dict.fromkeys(("chunk_size", "mamba_chunk_size", "index_topk", "block_size", "index_block_size"), 16),
    **dict.fromkeys(("pad_token_id", "bos_token_id"), 0),
    "eos_token_id": 1,
}


# What a class needs beside them, or cannot take of them (None: left as the class has it).
OVERRIDES: dict[str, dict[str, Any]] = {
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 16, "attn_layer_indices": [1, 3]},
    "blt": {"encoder_hash_byte_group_vocab": 100},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 32},
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "falcon_h1": {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_ssm": 64},
    "gemma3n_text": {"num_kv_shared_layers": 2, "layer_types": ["sliding_attention", "full_attention"] * 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"mamba_n_heads": 8, "mamba_d_head": 16, "layer_types": ["mamba", "attention"] * 2},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2},
    "kimi_linear": {"linear_num_heads": 4, "linear_head_dim": 16},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "longcat_flash": {"qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "head_dim": 8, "v_head_dim": 16},
    "mamba2": {"num_heads": 8, "head_dim": 16},
    "minimax_m3_vl_text": {"index_topk_blocks": 2},
    "ministral": {"head_dim": 16},
    "nemotron_h": {"n_groups": 1},
    "nemotron": {"head_dim": 16, "num_key_value_heads": 2},
    "qwen4_exp_text": {
        "indexer_budget": 32,
        "indexer_compress_ratio": 4,
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
    },
    "reformer": {"is_decoder": True, "axial_pos_embds": False},
    "zamba2": {
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "num_key_value_heads": 4,
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
    },
    "zaya": {"num_experts_per_tok": 1},
}

# Encoders that are causal only when their configuration says so; asked for both ways.
ENCODERS = [
    "bert",
    "bert-generation",
    "big_bird",
    "camembert",
    "data2vec-text",
    "electra",
    "ernie",
    "megatron-bert",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roc_bert",
    "roformer",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
]
# Those that cannot be made alone or small, and why.
NOT_MADE = {
    "cohere_compass_text": "its own configuration lacks a rotary embedding for full attention",
    "gemma3n": "its image part needs timm",
    "gemma4_assistant": "a draft model, which reads another model's states",
    "gemma4_unified_assistant": "a draft model, which reads another model's states",
    "musicgen": "music: needs a text encoder's configuration",
    "musicgen_melody": "music: needs a text encoder's configuration",
    "zamba": "its class ties layers that a few layers do not have",
}


def small(model_type: str) -> Any:
    """A configuration of this type with few and small layers; of `TYPE (decoder)`, with is_decoder. Raises whatever
    its class raises."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model_type, _, decoder = model_type.partition(" ")
    made = CONFIG_MAPPING[model_type]
    options = {**_sizes(made()), **OVERRIDES.get(model_type, {})}
    return made(**{**options, "is_decoder": True} if decoder else options)


def _sizes(config: Any) -> dict[str, Any]:
    """The sizes above that a configuration has, by its own names, and of its parts."""
    mapped = dict(getattr(config, "attribute_map", {}))
    names = set(config.to_dict()) | set(mapped)
    values = config.to_dict()
    sizes = {mapped.get(n, n): v for n, v in SIZES.items() if n in names and values.get(mapped.get(n, n)) is not None}
    if "qk_rope_head_dim" in values and "num_key_value_heads" in values:  # multi-latent attention has no groups
        sizes["num_key_value_heads"] = 4
    for part in getattr(config, "sub_configs", {}):
        if (inner := getattr(config, part, None)) is not None:
            sizes[part] = {**_sizes(inner), **OVERRIDES.get(inner.model_type, {})}
    return sizes
