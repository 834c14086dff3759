"""Reading a config.json: the same thing has many names, and what is missing is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gristmill.errors import ConfigError

NAMES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head"),
    "num_key_value_heads": ("num_key_value_heads", "n_head_kv"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_hidden_size"),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "max_seq_len"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
    "experts_per_token": ("num_experts_per_tok", "num_experts_per_token", "moe_top_k"),
    "expert_width": ("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size"),
}
"""What a field is called in the configs of different makers, the commonest name first."""

MOST_LAYERS = 10_000
"""No model has more; each is looked at."""

LARGEST = 2**40
"""No size of a model is larger; what is, is a mistake."""


class Fields:
    """A config.json's values, by any of their names."""

    def __init__(self, values: Mapping[str, Any], where: str, head_dim: int | None = None) -> None:
        """where: the file, for errors. head_dim: of the family, where the config has none."""
        self.values, self.where, self._head_dim = values, where, head_dim

    def also(self, **values: Any) -> Fields:
        """The same with some values in place of what it has."""
        return Fields({**self.values, **values}, self.where, self._head_dim)

    def at(self, values: Any, name: str) -> Fields:
        """What stands under a name; nothing, where it is absent or null."""
        if not isinstance(values or {}, Mapping):
            raise ConfigError(f"{self.where}: '{name}' is {values!r:.60}; it must be an object")
        return Fields(values or {}, f"{self.where}: {name}")

    def number(self, name: str, default: float) -> float:
        """A number above 0."""
        value = self.get(name, default)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not 0 < value < LARGEST:
            raise ConfigError(f"{self.where}: '{name}' is {value!r:.60}; it must be above 0")
        return float(value)

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default where it is absent or null."""
        for key in NAMES.get(name, (name,)):
            if self.values.get(key) is not None:
                return self.values[key]
        return default

    def size(self, name: str, default: int | None = None) -> int:
        """A whole number of at least 1. Raises ConfigError naming the file and the field."""
        value = self.get(name, default)
        if value is None:
            raise ConfigError(
                f"{self.where}: no '{name}' in it; it needs to be the config.json of a causal "
                "language model"
            )
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < LARGEST:
            raise ConfigError(f"{self.where}: '{name}' is {value!r:.60}; it must be 1 or more")
        return value

    def count(self, name: str, default: int = 0) -> int:
        """A whole number that may be 0."""
        value = self.get(name, default)
        return self.size(name, value) if value else 0

    def listed(self, name: str) -> list[Any]:
        """A list; empty where it is absent or null."""
        value = self.get(name, [])
        if not isinstance(value, list):
            raise ConfigError(f"{self.where}: '{name}' is {value!r:.60}; it must be a list")
        return value

    @property
    def layers(self) -> int:
        """Layers of the model."""
        count = self.size("num_hidden_layers")
        if count > MOST_LAYERS:
            raise ConfigError(f"{self.where}: 'num_hidden_layers' is {count}; that is no model")
        return count

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        return bool(self.get(name, default))

    @property
    def head_dim(self) -> int:
        """Units of one attention head."""
        given = self.get("head_dim") or self.get("attention_head_dim") or self._head_dim
        if given is not None:
            return self.size("head_dim", given)
        hidden, heads = self.size("hidden_size"), self.size("num_attention_heads")
        if hidden % heads:
            raise ConfigError(
                f"{self.where}: {heads} heads do not divide 'hidden_size' {hidden}; give 'head_dim'"
            )
        return hidden // heads

    @property
    def kv_heads(self) -> int:
        """Key-value heads; as many as heads where nothing is said."""
        return self.size("num_key_value_heads", self.size("num_attention_heads"))
