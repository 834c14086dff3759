"""The family's architectures as data, and what they weigh.

`PRESETS` maps a name to the arguments of transformers' `NemotronConfig`. All
share squared ReLU, rotary positions on half of each head, LayerNorm1P
(weight + 1, with bias), no linear bias, no dropout, untied embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Preset:
    """One architecture. Sizes are counts: layers, hidden units, heads, tokens."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int = 256_000
    context: int = 4_096
    head_dim: int | None = None
    init_std: float = 0.0134

    @property
    def head_size(self) -> int:
        """Units of one attention head."""
        return self.head_dim or self.hidden // self.heads

    def config_kwargs(self) -> dict[str, Any]:
        """Arguments for `transformers.NemotronConfig`; KV heads are always passed."""
        return {
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.ffn,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            # NemotronConfig's own default is full multi-head attention.
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_size,
            "hidden_act": "relu2",
            "max_position_embeddings": self.context,
            "initializer_range": self.init_std,
            "norm_eps": 1e-5,
            "partial_rotary_factor": 0.5,
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "tie_word_embeddings": False,
        }

    def parameters(self) -> tuple[int, int]:
        """(embedding parameters, all others); the output matrix counts as an embedding."""
        embeddings = 2 * self.vocab * self.hidden
        attention = self.hidden * self.head_size * (2 * self.heads + 2 * self.kv_heads)
        norms = 2 * 2 * self.hidden  # two norms a layer, weight and bias each
        layer = attention + 2 * self.hidden * self.ffn + norms
        return embeddings, self.layers * layer + 2 * self.hidden


PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        layers=5, hidden=128, heads=4, kv_heads=2, ffn=512, vocab=1_024, context=1_024, init_std=1.5
    ),
    "mini-4b": Preset(layers=32, hidden=3072, heads=24, kv_heads=8, ffn=9216, head_dim=128),
    "mini-8b": Preset(layers=32, hidden=4096, heads=48, kv_heads=8, ffn=16_384, head_dim=128),
    "15b": Preset(layers=32, hidden=6144, heads=48, kv_heads=8, ffn=24_576),
    "340b": Preset(layers=96, hidden=18_432, heads=96, kv_heads=8, ffn=73_728),
}


def preset(name: str) -> Preset:
    """The preset of that name; ValueError names the known ones."""
    if name not in PRESETS:
        raise ValueError(f"unknown architecture {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
