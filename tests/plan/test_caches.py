"""What is said to be kept of a sequence, against what transformers' models really keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.plan import find_shape, gpu_of, read_shape
from gristmill.plan.layout import kept_bytes, lay_out, legal_tensors
from gristmill.plan.precision import SCHEMES, part_bytes

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 64,
    "max_position_embeddings": 256,
    "head_dim": 16,
}
MAMBA = {
    "attn_layer_indices": [1, 4],
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_n_groups": 2,
    "mamba_d_state": 16,
}
HYBRID = {
    "hybrid_override_pattern": "M*M-M*",
    "mamba_num_heads": 8,
    "mamba_head_dim": 16,
    "ssm_state_size": 16,
    "n_groups": 2,
}
DELTA = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "nemotron": {"head_dim": 24},
    "qwen3": {},
    "gemma2": {},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "bamba": MAMBA,
    "nemotron_h": HYBRID,
    "qwen3_next": DELTA,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_holds_what_the_plan_says(kind: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    values = {**SMALL, **KINDS[kind]}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = transformers.AutoConfig.for_model(kind, **values, **ids)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        layers = model(torch.ones(1, 10, dtype=torch.long)).past_key_values.layers
    shape = read_shape({"model_type": kind, **values}, kind)
    held, states = 0, []
    for layer in layers:
        if torch.is_tensor(getattr(layer, "keys", None)):
            held += layer.keys.numel() + layer.values.numel()
        found = getattr(layer, "recurrent_states", None)
        if isinstance(found, dict):
            found = next(iter(found.values()), None)
        if torch.is_tensor(found):
            states.append(found.numel())
    assert shape.values_per_token() == held / 10
    fixed = [y.cache.fixed for y in shape.layers if y.cache and y.cache.fixed]
    assert len(fixed) == len(states)
    for bytes_, count in zip(fixed, states, strict=True):
        # Float32, and beside it the convolution's last inputs, which are few.
        assert 4 * count < bytes_ < 4 * count * 1.25


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["nemotron-4-15b", "nemotron-h-8b", "deepseek-v3", "gemma-2-9b"]),
    scheme=st.sampled_from(["bf16", "fp8", "int4"]),
    gpu=st.sampled_from(["h100", "b200", "rtx-4090"]),
    count=st.sampled_from([1, 2, 4, 8, 16, 32]),
    context=st.integers(1, 8_192 // 2),
    data=st.data(),
)
def test_memory_is_conserved(
    name: str, scheme: str, gpu: str, count: int, context: int, data: st.DataObject
) -> None:
    shape, kind, how = find_shape(name), gpu_of(gpu), SCHEMES[scheme]
    tensor = data.draw(st.sampled_from(legal_tensors(shape, count)))
    y = lay_out(shape, how, kind, tensor, count // tensor, context=context)
    assert y.gpus == count
    assert y.left + y.weights == pytest.approx(count * kind.memory_bytes * 0.9)
    whole = sum(part_bytes(p, how) for p in shape.parts())
    assert y.weights >= whole * 0.999999
    if tensor == count == 1:
        assert y.weights == pytest.approx(whole)
    one = sum(kept_bytes(layer, context, 2, 1) for layer in shape.layers)
    assert y.kv_bytes >= one * 0.999999
    assert y.concurrency <= max(0.0, y.left) / y.kv_bytes * 1.000001
