"""What each layer of a model is: which kind of mixer, and how far its window reaches."""

from __future__ import annotations

from gristmill.errors import ConfigError
from gristmill.plan.families import GATED_DELTA, Family
from gristmill.plan.fields import Fields

LETTERS = {"M": "mamba2", "*": "attention", "-": "feed-forward", "E": "experts"}
"""Of Nemotron-H's `hybrid_override_pattern`; each letter is a layer of its own."""

BLOCKS = {
    "mamba": "mamba2",
    "linear_attention": "mamba2",
    "attention": "attention",
    "full_attention": "attention",
    "mlp": "feed-forward",
    "moe": "experts",
}
"""The same in Nemotron-H's newer `layers_block_type`."""


def blocks(f: Fields) -> list[str]:
    """The layers of a Nemotron-H: each is a mixer or a feed-forward part, not both."""
    pattern = f.get("hybrid_override_pattern")
    if pattern is not None:
        named = [LETTERS.get(letter) for letter in str(pattern)]
    else:
        named = [BLOCKS.get(str(word)) for word in f.listed("layers_block_type")]
    if not named or None in named:
        raise ConfigError(
            f"{f.where}: a Nemotron-H needs 'hybrid_override_pattern' of {' '.join(LETTERS)}, or "
            f"'layers_block_type' of {', '.join(BLOCKS)}"
        )
    return [name for name in named if name]


def mixers(f: Fields, family: Family) -> list[str]:
    """What stands before the feed-forward part of each layer: `attention`, `latent`, `mamba1`,
    `mamba2` or `delta`."""
    count, kind = f.layers, f.get("model_type")
    if kind == "jamba":
        every, first = f.size("attn_layer_period", 8), f.count("attn_layer_offset", 4)
        return ["attention" if i % every == first else "mamba1" for i in range(count)]
    if kind == "bamba":
        there = f.listed("attn_layer_indices")
        return ["attention" if i in there else "mamba2" for i in range(count)]
    if kind == "granitemoehybrid":
        types = f.listed("layer_types") or f.listed("layers_block_type") or ["mamba"] * count
        return ["attention" if t == "attention" else "mamba2" for t in types]
    if kind in GATED_DELTA:
        every = f.size("full_attention_interval", 4)
        types = f.listed("layer_types") or [
            "full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(count)
        ]
        return ["attention" if t == "full_attention" else "delta" for t in types]
    return ["latent" if family.latent else "attention"] * count


def windows(f: Fields, family: Family, count: int) -> list[int | None]:
    """How many tokens back each layer looks; None is all of them."""
    if f.get("model_type") == "llama4_text":
        size = f.get("attention_chunk_size")
        return [None if (i + 1) % 4 == 0 else size for i in range(count)]
    size = f.get("sliding_window")
    if size is None or f.get("use_sliding_window") is False:
        return [None] * count
    size = f.size("sliding_window")
    types = f.listed("layer_types")
    if len(types) == count:
        return [size if "sliding" in str(t) else None for t in types]
    every = {"even": 2, "three-of-four": 4, "five-of-six": 6}.get(family.window)
    if every == 6:
        every = f.size("sliding_window_pattern", 6)
    if every:
        # The last layer of each group looks at everything.
        return [None if (i + 1) % every == 0 else size for i in range(count)]
    return [size if family.window == "all" else None] * count
