"""The kinds of model that are known, by transformers' `model_type`.

What a config.json leaves out is what the class of transformers assumes, so each family has its
defaults here. Sources are the modeling and configuration files of transformers 5; the tests build
every one of these there, on the meta device, and compare the counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """How the layers of a `model_type` differ from Llama's.

    gated: three matrices in the feed-forward part, not two. q_bias, o_bias: biases on query, key
    and value, and on the output of attention: `always`, `never`, or the name of the field that
    says so. mlp_bias: the same for the feed-forward part. norm: vectors of a norm (LayerNorm 2,
    RMSNorm 1). norms: of a layer. qk_norm: norms of query and key, `head` (one vector of a head's
    size each), `full` (over all heads) or `heads` (one for each head); with `?` only where the
    config says so. tied: whether the output is the embedding where nothing is said. head_dim: where
    nothing is said. window: which layers have a sliding window where `layer_types` says nothing:
    `all`, `even`, `five-of-six`, `three-of-four` or none.
    """

    gated: bool = True
    q_bias: str = "attention_bias"
    o_bias: str = "attention_bias"
    mlp_bias: str = "mlp_bias"
    norm: int = 1
    norms: int = 2
    qk_norm: str = ""
    tied: bool = False
    head_dim: int | None = None
    window: str = ""
    output_bias: str = "never"
    sinks: bool = False
    expert_bias: bool = False
    router_bias: bool = False
    shared: str = ""
    first_dense: bool = False
    latent: bool = False


_DEEPSEEK = Family(
    o_bias="attention_bias", mlp_bias="never", shared="n_shared_experts", latent=True
)

FAMILIES: dict[str, Family] = {
    "llama": Family(),
    "granite": Family(),
    "smollm3": Family(tied=True),
    "seed_oss": Family(q_bias="attention_bias?", o_bias="attention_out_bias", head_dim=128),
    "mistral": Family(q_bias="never", o_bias="never", mlp_bias="never", window="all"),
    "ministral3": Family(q_bias="never", o_bias="never", mlp_bias="never", head_dim=128),
    "mixtral": Family(q_bias="never", o_bias="never", mlp_bias="never", window="all"),
    "qwen2": Family(q_bias="always", o_bias="never", mlp_bias="never"),
    "qwen2_moe": Family(
        q_bias="qkv_bias?", o_bias="never", mlp_bias="never", shared="shared_expert_gate"
    ),
    "qwen3": Family(mlp_bias="never", qk_norm="head", head_dim=128),
    "qwen3_moe": Family(mlp_bias="never", qk_norm="head"),
    "qwen3_next": Family(mlp_bias="never", qk_norm="head", shared="shared_expert_gate"),
    "qwen3_5_text": Family(mlp_bias="never", qk_norm="head"),
    "qwen3_5_moe_text": Family(mlp_bias="never", qk_norm="head", shared="shared_expert_gate"),
    "gemma": Family(mlp_bias="never", tied=True, head_dim=256),
    "gemma2": Family(mlp_bias="never", tied=True, norms=4, head_dim=256, window="even"),
    "gemma3_text": Family(
        mlp_bias="never",
        tied=True,
        norms=4,
        head_dim=256,
        window="five-of-six",
        qk_norm="head",
    ),
    "nemotron": Family(gated=False, norm=2),
    "nemotron_h": Family(gated=False, q_bias="never", o_bias="never", norms=1),
    "phi": Family(
        gated=False,
        q_bias="always",
        o_bias="always",
        mlp_bias="always",
        norm=2,
        norms=1,
        output_bias="always",
    ),
    "phi3": Family(q_bias="never", o_bias="never", mlp_bias="never", window="all"),
    "phimoe": Family(mlp_bias="never", norm=2, output_bias="lm_head_bias", window="all"),
    "starcoder2": Family(
        gated=False,
        q_bias="use_bias?",
        o_bias="use_bias?",
        mlp_bias="use_bias?",
        norm=2,
        tied=True,
    ),
    "gpt_neox": Family(
        gated=False,
        q_bias="attention_bias?",
        o_bias="attention_bias?",
        mlp_bias="always",
        norm=2,
    ),
    "stablelm": Family(q_bias="use_qkv_bias", o_bias="never", mlp_bias="never", norm=2),
    "olmo2": Family(mlp_bias="never", qk_norm="full"),
    "olmo3": Family(mlp_bias="never", qk_norm="full", window="three-of-four"),
    "olmoe": Family(mlp_bias="never", qk_norm="full"),
    "cohere": Family(mlp_bias="never", norms=1, qk_norm="heads?", tied=True),
    "cohere2": Family(mlp_bias="never", norms=1, tied=True, window="three-of-four"),
    "exaone4": Family(q_bias="never", o_bias="never", mlp_bias="never", qk_norm="head"),
    "glm4": Family(
        q_bias="attention_bias?", o_bias="never", mlp_bias="never", norms=4, head_dim=128
    ),
    "glm4_moe": Family(
        o_bias="never", mlp_bias="never", qk_norm="head?", shared="n_shared_experts"
    ),
    "glm4_moe_lite": _DEEPSEEK,
    "dots1": Family(mlp_bias="never", qk_norm="head", shared="n_shared_experts"),
    "deepseek_v2": _DEEPSEEK,
    "deepseek_v3": _DEEPSEEK,
    "gpt_oss": Family(
        q_bias="always",
        o_bias="always",
        window="even",
        sinks=True,
        expert_bias=True,
        router_bias=True,
    ),
    "minimax_m2": Family(q_bias="never", o_bias="never", mlp_bias="never", qk_norm="full"),
    "llama4_text": Family(mlp_bias="never", shared="one"),
    "jamba": Family(q_bias="never", o_bias="never", mlp_bias="never"),
    "bamba": Family(),
    "granitemoehybrid": Family(mlp_bias="never", shared="shared_intermediate_size"),
    "deepseek": Family(mlp_bias="never", shared="n_shared_experts"),
    "nemotron-nas": Family(),
}

SAME_AS = {
    "kimi_k2": "deepseek_v3",
    "kimi_k25": "deepseek_v3",
    "gemma3": "gemma3_text",
    "llama4": "llama4_text",
    "qwen2_vl_text": "qwen2",
    "qwen2_vl": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen2_5_vl": "qwen2",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
    "qwen3_vl_moe": "qwen3_moe",
    "mistral3": "mistral",
    "ministral": "mistral",
}
"""Types whose language model has the layers of another."""

GATED_DELTA = ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text")
"""Types that mix gated delta nets with attention, whose query has a gate of its own."""

UNLIKE_LLAMA = ("compress_ratios", "layers_block_type", "hybrid_override_pattern", "ssm_cfg")
"""Fields of layers that no guess would get right."""


def guess(values: Mapping[str, Any]) -> Family | None:
    """The family of a type that is not known: Llama's, if the config has its norm and activation,
    DeepSeek's if it has a latent too, or with none of both None."""
    act = str(values.get("hidden_act", values.get("hidden_activation", ""))).lower()
    like = "rms_norm_eps" in values or act in ("silu", "swish")
    if not like or any(values.get(key) for key in UNLIKE_LLAMA):
        return None
    shared = "n_shared_experts" if values.get("n_shared_experts") else ""
    return Family(shared=shared, latent=bool(values.get("kv_lora_rank")))
