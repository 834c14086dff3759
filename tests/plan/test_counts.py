"""Parameters against transformers, and against what makers state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.nemotron import PRESETS
from gristmill.nemotron.tiny import TINY, tiny_path
from gristmill.plan import find_shape, read_shape
from gristmill.plan.families import FAMILIES, SAME_AS
from gristmill.plan.known import known, nemotron_config

FOREIGN = yaml.safe_load((Path(__file__).parent / "foreign.yaml").read_text())

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 512,
    "max_position_embeddings": 256,
}
EXPERTS: dict[str, Any] = {
    "num_experts": 8,
    "num_local_experts": 8,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 48,
    "n_group": 1,
    "topk_group": 1,
}
LATENT: dict[str, Any] = {
    "kv_lora_rank": 16,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "first_k_dense_replace": 1,
}
DELTA: dict[str, Any] = {
    "head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
MAMBA: dict[str, Any] = {
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_n_groups": 2,
    "mamba_d_state": 16,
}
MORE: dict[str, dict[str, Any]] = {
    "qwen2_moe": {**EXPERTS, "shared_expert_intermediate_size": 40},
    "qwen3_moe": {**EXPERTS, "mlp_only_layers": [1], "decoder_sparse_step": 2},
    "qwen3_next": {**EXPERTS, **DELTA, "shared_expert_intermediate_size": 40},
    "qwen3_5_text": DELTA,
    "qwen3_5_moe_text": {**EXPERTS, **DELTA, "shared_expert_intermediate_size": 40},
    "mixtral": {"num_local_experts": 8, "num_experts_per_tok": 2},
    "phimoe": {"num_local_experts": 8, "num_experts_per_tok": 2, "attention_bias": True},
    "olmoe": {"num_experts": 8, "num_experts_per_tok": 2},
    "glm4_moe": {**EXPERTS, "first_k_dense_replace": 1, "n_shared_experts": 1, "head_dim": 16},
    "dots1": {**EXPERTS, "first_k_dense_replace": 1, "n_shared_experts": 2, "head_dim": 16},
    "deepseek_v2": {**EXPERTS, **LATENT, "n_shared_experts": 2},
    "deepseek_v3": {**EXPERTS, **LATENT, "n_shared_experts": 1, "attention_bias": True},
    "glm4_moe_lite": {**EXPERTS, **LATENT, "n_shared_experts": 1},
    "gpt_oss": {"num_local_experts": 8, "num_experts_per_tok": 2, "head_dim": 16},
    "minimax_m2": {"num_local_experts": 8, "num_experts_per_tok": 2, "head_dim": 16},
    "llama4_text": {
        "num_local_experts": 4,
        "interleave_moe_layer_step": 2,
        "intermediate_size_mlp": 80,
        "head_dim": 16,
    },
    "jamba": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "attn_layer_period": 3,
        "attn_layer_offset": 1,
        "mamba_dt_rank": 8,
    },
    "bamba": {**MAMBA, "attn_layer_indices": [1, 4]},
    "granitemoehybrid": {
        **MAMBA,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 32,
        "layer_types": ["mamba", "attention"] * 3,
    },
    "nemotron_h": {
        "hybrid_override_pattern": "M*E-ME",
        "mamba_num_heads": 8,
        "mamba_head_dim": 16,
        "ssm_state_size": 16,
        "n_groups": 2,
        "head_dim": 16,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "moe_shared_expert_intermediate_size": 40,
    },
    "llama": {"attention_bias": True, "mlp_bias": True, "head_dim": 24},
    "nemotron": {"head_dim": 24},
    "cohere": {"use_qk_norm": True},
    "phi3": {"tie_word_embeddings": True},
    "stablelm": {"use_qkv_bias": True},
}
ELSEWHERE = {"nemotron-nas", "deepseek"}
"""Types whose classes are in their makers' repositories, not in transformers."""


def built(values: dict[str, Any]) -> int:
    """What transformers counts for a config, without memory for a single weight."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    inner = dict(values.get("text_config") or values)
    kind = inner.pop("model_type")
    kind = "deepseek_v3" if kind == "kimi_k2" else kind
    inner.pop("quantization_config", None)
    if "tie_word_embeddings" in values:
        inner.setdefault("tie_word_embeddings", values["tie_word_embeddings"])
    config = transformers.AutoConfig.for_model(
        kind, **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **inner}
    )
    make = transformers.AutoModelForCausalLM
    if inner.get("architectures"):
        make = transformers.AutoModelForSequenceClassification
    with torch.device("meta"):
        model = make.from_config(config)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", sorted(set(FAMILIES) - ELSEWHERE))
def test_every_family_counts_as_transformers_does(kind: str) -> None:
    values = {"model_type": kind, **SMALL, **MORE.get(kind, {})}
    if kind == "gpt_neox":  # which knows no groups of heads
        del values["num_key_value_heads"]
    assert read_shape(values, kind).parameters == built(values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n, k in known().items() if "architectures" not in k.config])
def test_every_preset_counts_as_transformers_does(name: str) -> None:
    one = known()[name]
    values = {**one.config}
    values.pop("num_nextn_predict_layers", None)
    assert read_shape(one.config, name).parameters == built(values)


def test_a_reward_model_has_a_head_in_place_of_the_output_matrix() -> None:
    base, reward = find_shape("nemotron-4-340b"), find_shape("nemotron-4-340b-reward")
    assert reward.reward and not base.reward
    assert base.parameters - reward.parameters == 256_000 * 18_432 - (9 * 18_432 + 9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOREIGN)
def test_configs_that_nobody_here_wrote(name: str) -> None:
    values = FOREIGN[name]["config"]
    shape = read_shape(values, name)
    assert shape.parameters == built(values)
    assert shape.values_per_token() > 0
    assert not [note for note in shape.notes if "not known" in note]


@pytest.mark.parametrize("name", [n for n, k in known().items() if k.published])
def test_published_totals_within_half_a_percent(name: str) -> None:
    one = known()[name]
    assert one.source
    assert find_shape(name).parameters / 1e9 == pytest.approx(one.published, rel=0.005)


def test_enough_published_totals_are_held_against() -> None:
    assert sum(k.published is not None for k in known().values()) >= 8


@pytest.mark.parametrize(
    ("name", "billions"),
    [("gpt-oss-20b", 3.61), ("gpt-oss-120b", 5.13), ("nemotron-3-nano", 3.2)],
)
def test_published_active_parameters(name: str, billions: float) -> None:
    assert find_shape(name).active / 1e9 == pytest.approx(billions, rel=0.01)


def test_the_architectures_of_the_family_are_the_presets() -> None:
    for name, preset in PRESETS.items():
        assert read_shape(nemotron_config(name), name).parameters == sum(preset.parameters())


@pytest.mark.parametrize("name", TINY)
def test_the_embedded_family_weighs_what_its_files_hold(name: str) -> None:
    safetensors = pytest.importorskip("safetensors")
    shape = find_shape(f"tiny:{name}")
    with safetensors.safe_open(tiny_path(name) / "model.safetensors", "pt") as file:
        held = sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118
    assert shape.parameters == held


def test_a_searched_model_of_plain_layers_is_a_llama() -> None:
    plain = dict(known()["llama-3.1-70b"].config)
    block = {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 5.25}}
    searched = {**plain, "model_type": "nemotron-nas", "block_configs": [block] * 80}
    del searched["intermediate_size"]
    assert read_shape(searched, "x").parameters == read_shape(plain, "y").parameters
    nothing = {"attention": {"no_op": True}, "ffn": {"no_op": True}}
    linear = {"attention": {"replace_with_linear": True}, "ffn": {"replace_with_linear": True}}
    shape = read_shape({**searched, "block_configs": [nothing, linear]}, "z")
    assert [sum(p.count for p in y.parts) for y in shape.layers] == [0, 2 * 8192**2 + 2 * 8192]
    assert shape.values_per_token() == 0


def test_every_alias_of_a_type_leads_to_a_known_one() -> None:
    assert set(SAME_AS.values()) <= set(FAMILIES)
