"""Layers that keep a state of one size, however long the sequence: Mamba and linear attention."""

from __future__ import annotations

from math import ceil

from gristmill.plan.fields import Fields
from gristmill.plan.shape import Cache, Part

Found = tuple[list[Part], Cache]

CONV = 2
"""Bytes of a value of the convolution's state: as the activations are, BF16."""


def mamba2(f: Fields) -> Found:
    """A Mamba-2 mixer (Dao and Gu 2024, arXiv 2405.21060).

    Its state is heads x head size x state size, in `mamba_ssm_cache_dtype` (float32 where nothing
    is said, as NVIDIA's configs do), and the last inputs of a convolution.
    """
    hidden = f.size("hidden_size")
    heads = f.size("mamba_num_heads", f.get("mamba_n_heads"))
    size = f.size("mamba_head_dim", f.get("mamba_d_head"))
    state = f.size("ssm_state_size", f.get("mamba_d_state", 128))
    groups = f.size("n_groups", f.get("mamba_n_groups", 8))
    kernel = f.size("conv_kernel", f.get("mamba_d_conv", 4))
    inner = heads * size
    mixed = inner + 2 * groups * state
    projected = inner + mixed + heads
    small = mixed * kernel + 3 * heads
    if f.flag("use_conv_bias", f.flag("mamba_conv_bias", True)):
        small += mixed
    if f.flag("use_bias", f.flag("mamba_proj_bias")):
        small += projected + hidden
    parts = [
        Part("recurrent", hidden * projected + inner * hidden, projected + hidden),
        Part("recurrent", small),
        Part("norms", inner),
    ]
    wide = 2 if f.get("mamba_ssm_cache_dtype", "float32") in ("bfloat16", "float16") else 4
    return parts, Cache(fixed=inner * state * wide + mixed * (kernel - 1) * CONV)


def mamba1(f: Fields) -> Found:
    """A Mamba mixer with three inner norms, as Jamba has it (arXiv 2403.19887)."""
    hidden = f.size("hidden_size")
    inner = f.size("mamba_expand", 2) * hidden
    state, kernel = f.size("mamba_d_state", 16), f.size("mamba_d_conv", 4)
    given = f.get("mamba_dt_rank", "auto")
    rank = ceil(hidden / 16) if given == "auto" else f.size("mamba_dt_rank")
    matrices = hidden * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * hidden
    rows = 2 * inner + rank + 2 * state + inner + hidden
    small = inner * kernel + inner + inner * state + inner
    if f.flag("mamba_conv_bias", True):
        small += inner
    if f.flag("mamba_proj_bias"):
        small += 2 * inner + hidden
    parts = [
        Part("recurrent", matrices, rows),
        Part("recurrent", small),
        Part("norms", rank + 2 * state, copied=True),
    ]
    return parts, Cache(fixed=inner * state * 4 + inner * (kernel - 1) * CONV)


def delta(f: Fields) -> Found:
    """A gated delta net (Yang et al. 2024, arXiv 2412.06464), as Qwen3-Next has it."""
    hidden = f.size("hidden_size")
    keys = f.size("linear_num_key_heads") * f.size("linear_key_head_dim")
    heads, size = f.size("linear_num_value_heads"), f.size("linear_value_head_dim")
    values, kernel = heads * size, f.size("linear_conv_kernel_dim", 4)
    mixed = 2 * keys + values
    rows = mixed + values + 2 * heads
    parts = [
        Part("recurrent", hidden * rows + values * hidden, rows + hidden),
        Part("recurrent", mixed * kernel + 2 * heads),
        Part("norms", size, copied=True),
    ]
    state = heads * f.size("linear_key_head_dim") * size
    return parts, Cache(fixed=state * 4 + mixed * (kernel - 1) * CONV)
