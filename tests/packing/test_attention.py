"""Whatever is packed together, each sequence gets what it gets alone, and so do the gradients."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from forests import VOCABULARY, texts
from gristmill.nemotron import PRESETS
from gristmill.packing import Sequence, attend, can_attend, pack, run

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "Nemotron": {},
    "Llama": {},
    "Qwen2": {},
    "Qwen3": {},
    "Mistral": {"sliding_window": None},
    "Gemma": {},
    "Phi3": {},
    "GPTNeoX": {},
    "Granite": {},
    "Olmo2": {},
    "OPT": {"word_embed_proj_dim": 32, "ffn_dim": 48},
    # Windows: in all layers, in some of them, longer than a piece of a long segment.
    "Ministral": {"sliding_window": 8},
    "Gemma3": {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "Cohere2": {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "Olmo3": {"sliding_window": 100, "layer_types": ["sliding_attention", "full_attention"]},
}


@cache
def models(family: str, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """The same model twice: as transformers runs it, and reading packs."""
    torch.manual_seed(1)
    name = "Gemma3Text" if family == "Gemma3" else family
    config = getattr(transformers, f"{name}Config")(**SIZES | FAMILIES[family])
    kind = getattr(transformers, f"{family}ForCausalLM")
    plain = kind(config).eval()
    packed = kind(config).eval()
    packed.load_state_dict(plain.state_dict())
    attend(packed)
    return plain.to(dtype), packed.to(dtype)


def logits_alone(model: Any, sequences: list[Sequence]) -> torch.Tensor:
    rows = []
    for sequence in sequences:
        ids = torch.from_numpy(sequence.ids).long()[None]
        rows.append(model(input_ids=ids, use_cache=False).logits[0, sequence.reads])
    return torch.cat(rows)


def logits_packed(model: Any, sequences: list[Sequence], least: int | None = 16) -> torch.Tensor:
    batch = pack(sequences, least)
    return run(model, batch, logits_to_keep=batch.rows).logits[0]


ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-6}
"""How far apart two ways to the same number may be, as a share of the largest one around it. Most
norms of transformers compute in single precision whatever the model's."""


def close(found: torch.Tensor, wanted: torch.Tensor, what: str = "", largest: float = 1.0) -> None:
    largest = max(largest, wanted.abs().max().item())
    assert (found - wanted).abs().max().item() <= ROUNDING[wanted.dtype] * largest, what


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def compare(
    family: str, sequences: list[Sequence], least: int | None, dtype: torch.dtype = torch.float32
) -> None:
    plain, packed = models(family, dtype)
    alone, together = logits_alone(plain, sequences), logits_packed(packed, sequences, least)
    close(together, alone)
    # A sum whose terms weigh differently, so that no mix-up cancels out.
    weights = torch.linspace(-1, 1, alone.numel()).view_as(alone)
    wanted = gradients(plain, (alone * weights).sum())
    found = gradients(packed, (together * weights).sum())
    assert found.keys() == wanted.keys()
    # What flows back through a layer is rounded in proportion to it: a gradient that is nothing
    # by cancellation, as of the queries of a text's first token, is as exact as the largest one.
    largest = max(gradient.abs().max().item() for gradient in wanted.values())
    for name, gradient in wanted.items():
        close(found[name], gradient, name, largest)


@st.composite
def read_texts(draw: st.DrawFn) -> list[Sequence]:
    """Texts of which some tokens are read."""
    sequences = []
    for text in draw(texts(longest=40)):
        reads = draw(st.sets(st.integers(0, len(text) - 1), min_size=1))
        sequences.append(Sequence(text, np.array(sorted(reads), dtype=np.int64)))
    return sequences


least = st.sampled_from([1, 4, 16, None])


@pytest.mark.parametrize("family", ["Nemotron", "Llama", "Qwen2", "Mistral"])
@settings(max_examples=20)
@given(read_texts(), least)
def test_outputs_and_gradients_are_those_of_each_alone(
    family: str, sequences: list[Sequence], least: int | None
) -> None:
    compare(family, sequences, least)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10)
@given(read_texts(), least)
def test_in_double_precision_of_every_family(
    family: str, sequences: list[Sequence], least: int | None
) -> None:
    compare(family, sequences, least, torch.float64)


@pytest.mark.parametrize("family", ["Nemotron", "Llama", "GPTNeoX", "Gemma3", "Olmo3"])
def test_long_segments_with_and_without_ancestors(family: str) -> None:
    rng = np.random.default_rng(5)
    stem = rng.integers(0, VOCABULARY, 190)
    ends = [rng.integers(0, VOCABULARY, n) for n in (1, 64, 130, 257)]
    found = [stem, *(np.concatenate([stem, end]) for end in ends), ends[-1], ends[0], stem[:128]]
    sequences = [Sequence(t.astype(np.int32), np.arange(len(t))) for t in found]
    # Sums over a thousand tokens: float32's own noise would be all there is to see.
    compare(family, sequences, 16, torch.float64)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "tiny"])
def test_every_shape_of_the_family_scaled_down_is_as_transformers_has_it(name: str) -> None:
    shape = PRESETS[name]
    small = replace(
        shape, layers=3, hidden=shape.hidden // 64, ffn=shape.ffn // 64, heads=shape.heads // 8,
        kv_heads=shape.kv_heads // 8, head_dim=shape.head_size // 8, vocab=VOCABULARY, context=512,
        init_std=0.2,
    )  # fmt: skip
    torch.manual_seed(3)
    config = transformers.NemotronConfig(**small.config_kwargs())
    plain = transformers.NemotronForCausalLM(config).eval()
    packed = transformers.NemotronForCausalLM(config).eval()
    packed.load_state_dict(plain.state_dict())
    attend(packed)
    rng = np.random.default_rng(5)
    stem = rng.integers(0, VOCABULARY, 60)
    found = [stem, *(np.concatenate([stem, rng.integers(0, VOCABULARY, n)]) for n in (1, 30, 90))]
    sequences = [Sequence(text.astype(np.int32), np.arange(len(text))) for text in found]
    with torch.no_grad():
        close(logits_packed(packed, sequences), logits_alone(plain, sequences))


@settings(max_examples=15)
@given(texts(longest=80))
def test_the_order_of_the_company_does_not_count(found: list[np.ndarray]) -> None:
    _, packed = models("Nemotron")
    sequences = [Sequence(text, np.arange(len(text))) for text in found]
    with torch.no_grad():
        forwards = logits_packed(packed, sequences).split([len(t) for t in found])
        backwards = logits_packed(packed, sequences[::-1]).split([len(t) for t in found[::-1]])
    for one, other in zip(forwards, reversed(backwards), strict=True):
        close(one, other)


def test_recomputing_activations_gives_the_same_gradients() -> None:
    _, model = models("Llama")
    rng = np.random.default_rng(2)
    stem = rng.integers(0, VOCABULARY, 30)
    found = [np.concatenate([stem, rng.integers(0, VOCABULARY, n)]) for n in (3, 9, 150)]
    sequences = [Sequence(text.astype(np.int32), np.arange(len(text))) for text in found]
    model.train()
    try:
        wanted = gradients(model, logits_packed(model, sequences).square().sum())
        model.activation_checkpointing_enable({"use_reentrant": False})
        found_again = gradients(model, logits_packed(model, sequences).square().sum())
    finally:
        model.activation_checkpointing_disable()
        model.eval()
    assert found_again.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert torch.equal(found_again[name], gradient), name


def test_a_plain_row_without_a_layout_is_read_as_ever() -> None:
    plain, packed = models("Qwen2")
    ids = torch.arange(20)[None]
    close(
        packed(input_ids=ids, use_cache=False).logits, plain(input_ids=ids, use_cache=False).logits
    )


def small(name: str, **changes: Any) -> Any:
    config = getattr(transformers, f"{name.removesuffix('Model')}Config")(**SIZES | changes)
    return getattr(transformers, f"{name}")(config)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Gemma2Model", {}),
        ("GptOssModel", {"num_local_experts": 2}),
        ("Qwen2MoeModel", {"use_sliding_window": True, "sliding_window": 8}),
        ("MambaModel", {}),
        ("BloomModel", {}),
        ("BertModel", {}),
    ],
)
def test_untold_windows_sinks_recurrence_and_looking_ahead_are_refused(
    name: str, changes: dict[str, Any]
) -> None:
    model = small(name, **changes)
    assert not can_attend(model)
    with pytest.raises(ValueError, match=f"{name} .*packed rows need causal attention"):
        attend(model)


@pytest.mark.parametrize("family", ["Gemma3", "Ministral"])
def test_a_plain_row_keeps_to_the_window(family: str) -> None:
    plain, packed = models(family)
    ids = torch.arange(20)[None]
    close(
        packed(input_ids=ids, use_cache=False).logits, plain(input_ids=ids, use_cache=False).logits
    )


def test_a_window_that_is_switched_off_is_none() -> None:
    assert can_attend(small("Qwen2Model", use_sliding_window=False, sliding_window=8))


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("family", ["Nemotron", "Gemma3"])
def test_short_segments_are_learned_from_in_float32_arithmetic(
    family: str, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether half precision is the weights' or autocast's; long ones and reading stay as asked."""
    seen: list[torch.dtype] = []
    kernel = torch.nn.functional.scaled_dot_product_attention

    def counting(query: torch.Tensor, *rest: Any, **how: Any) -> torch.Tensor:
        out = kernel(query, *rest, **how)
        seen.append(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counting)
    _, model = models(family, torch.float32 if autocast else torch.bfloat16)
    rng = np.random.default_rng(0)

    def ran(length: int) -> set[torch.dtype]:
        seen.clear()
        ids = [rng.integers(1, VOCABULARY, n).astype(np.int32) for n in (length, 20, 7)]
        batch = pack([Sequence(i, np.arange(len(i))) for i in ids], None)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = run(model, batch, logits_to_keep=batch.rows).logits
        if logits.requires_grad:
            logits.float().sum().backward()
            assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
            model.zero_grad(set_to_none=True)
        return set(seen)

    assert ran(256) == {torch.float32}
    assert ran(257) == {torch.bfloat16}
    with torch.no_grad():
        assert ran(20) == {torch.bfloat16}
