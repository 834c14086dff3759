"""Models whose every layer was searched for: NVIDIA's Puzzle (arXiv 2411.19146), `nemotron-nas`.

Such are Llama-3.1-Nemotron-51B, -Super-49B and -Ultra-253B. A layer of theirs may have fewer KV
heads, a narrower feed-forward part, one matrix in place of either, or neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gristmill.errors import ConfigError
from gristmill.plan.attention import attention
from gristmill.plan.families import Family
from gristmill.plan.feed import dense
from gristmill.plan.fields import Fields
from gristmill.plan.shape import Layer, Part

MULTIPLE = 256
"""Inner widths are rounded up to a multiple of it (`_find_multiple` of NVIDIA's DeciLM code)."""


def searched(f: Fields, family: Family) -> list[Layer]:
    """The layers of `block_configs`, in order."""
    given = f.get("block_configs")
    if not isinstance(given, list) or not given:
        raise ConfigError(f"{f.where}: a nemotron-nas needs 'block_configs', one for each layer")
    return [_layer(f, family, block) for block in given]


def _layer(f: Fields, family: Family, block: Mapping[str, Any]) -> Layer:
    hidden = f.size("hidden_size")
    parts: list[Part] = []
    cache = None
    mixer, feed = block.get("attention") or {}, block.get("ffn") or {}
    if mixer.get("replace_with_linear"):
        parts.append(Part("attention", hidden * hidden, hidden))
    elif not mixer.get("no_op"):
        heads, group = f.size("num_attention_heads"), int(mixer.get("n_heads_in_group") or 1)
        found, cache = attention(f.also(num_key_value_heads=heads // group), family, None)
        parts += found
    if feed.get("replace_with_linear"):
        parts.append(Part("feed-forward", hidden * hidden, hidden))
    elif not feed.get("no_op"):
        width = int(2 * float(feed.get("ffn_mult") or 1) * hidden / 3)
        parts += dense(f, family, -(-width // MULTIPLE) * MULTIPLE)
    # A part that is not there has no norm before it either.
    norms = (not mixer.get("no_op")) + (not feed.get("no_op"))
    parts.append(Part("norms", norms * hidden, copied=True))
    return Layer(tuple(parts), cache)
