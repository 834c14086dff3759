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
    given = f.listed("block_configs")
    if not given or not all(isinstance(block, Mapping) for block in given):
        raise ConfigError(f"{f.where}: a nemotron-nas needs 'block_configs', one for each layer")
    return [_layer(f, family, block) for block in given]


def _layer(f: Fields, family: Family, block: Mapping[str, Any]) -> Layer:
    hidden = f.size("hidden_size")
    parts: list[Part] = []
    cache = None
    mixer, feed = (f.at(block.get(name), name) for name in ("attention", "ffn"))
    if mixer.flag("replace_with_linear"):
        parts.append(Part("attention", hidden * hidden, hidden))
    elif not mixer.flag("no_op"):
        kv = max(1, f.size("num_attention_heads") // mixer.size("n_heads_in_group", 1))
        found, cache = attention(f.also(num_key_value_heads=kv), family, None)
        parts += found
    if feed.flag("replace_with_linear"):
        parts.append(Part("feed-forward", hidden * hidden, hidden))
    elif not feed.flag("no_op"):
        width = int(2 * feed.number("ffn_mult", 1.0) * hidden / 3)
        parts += dense(f, family, max(1, -(-width // MULTIPLE)) * MULTIPLE)
    # A part that is not there has no norm before it either.
    norms = (not mixer.flag("no_op")) + (not feed.flag("no_op"))
    parts.append(Part("norms", norms * hidden, copied=True))
    return Layer(tuple(parts), cache)
