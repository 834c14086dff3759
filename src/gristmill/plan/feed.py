"""The parts of a feed-forward layer: one for all tokens, or experts that a router picks."""

from __future__ import annotations

from gristmill.plan.attention import says
from gristmill.plan.families import Family
from gristmill.plan.fields import Fields
from gristmill.plan.shape import Part


def dense(
    f: Fields, family: Family, width: int, name: str = "feed-forward", hidden: int = 0
) -> list[Part]:
    """Matrices up and down, and where it is gated one more up. width: the inner size."""
    hidden = hidden or f.size("hidden_size")
    ups = 2 if family.gated else 1
    parts = [Part(name, (ups + 1) * hidden * width, ups * width + hidden)]
    if says(f, family.mlp_bias):
        parts.append(Part(name, ups * width + hidden))
    return parts


def experts(f: Fields, family: Family) -> list[Part]:
    """Experts, the router that picks some, and what every token goes through beside them."""
    hidden, count = f.size("hidden_size"), f.size("experts")
    width, chosen = f.size("expert_width"), min(f.size("experts_per_token", 1), count)
    if f.get("model_type") in ("granitemoehybrid", "llama4_text"):
        width = f.size("intermediate_size")
    inner = f.size("moe_latent_size", hidden)
    ups = 2 if family.gated else 1
    rows, size = ups * width + inner, count * (ups + 1) * inner * width
    parts = [Part("experts", size, count * rows, chosen=chosen, among=count)]
    if family.expert_bias:
        parts.append(Part("experts", count * rows, chosen=chosen, among=count))
    parts.append(Part("router", count * (hidden + family.router_bias), copied=True))
    if inner != hidden:
        # NVIDIA's latent experts work in a smaller space, between two matrices that all share.
        parts.append(Part("feed-forward", 2 * hidden * inner, hidden + inner))
    return parts + _shared(f, family, width)


def _shared(f: Fields, family: Family, width: int) -> list[Part]:
    if family.shared == "one":
        return dense(f, family, width)
    if family.shared == "n_shared_experts":
        count = f.count("n_shared_experts")
        return dense(f, family, count * width) if count else []
    if family.shared == "shared_intermediate_size":
        return dense(f, family, f.size("shared_intermediate_size"))
    if family.shared == "shared_expert_gate":
        gate = Part("router", f.size("hidden_size"), copied=True)
        return [*dense(f, family, f.size("shared_expert_intermediate_size")), gate]
    return []


def has_experts(f: Fields, layer: int) -> bool:
    """Whether the layer of that number, counted from 0, has experts in place of one network."""
    if f.count("experts") < 1:
        return False
    kind = f.get("model_type")
    if kind == "jamba":
        every, first = f.size("expert_layer_period", 2), f.count("expert_layer_offset", 1)
        return f.size("experts") > 1 and layer % every == first
    if kind == "llama4_text":
        listed = f.listed("moe_layers")
        return (
            layer in listed if listed else (layer + 1) % f.size("interleave_moe_layer_step", 1) == 0
        )
    if layer in f.listed("mlp_only_layers"):
        return False
    if layer < f.count("first_k_dense_replace"):
        return False
    return (layer + 1) % f.size("decoder_sparse_step", 1) == 0
