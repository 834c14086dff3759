"""Keys and values of the rows that are decoded together, in room to spare."""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer in a buffer with room to spare.

    transformers' own layer copies all it has at every step; at 256 rows that is a third of the
    time.
    """

    room = 64

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append along the sequence; returns all keys and all values, as views."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        length = old + key_states.shape[-2]
        if self._buffers is None or self._buffers[0].shape[-2] < length:
            capacity = max(length + self.room, length * 3 // 2)
            fresh = tuple(
                new.new_empty(*new.shape[:-2], capacity, new.shape[-1])
                for new in (key_states, value_states)
            )
            if self.keys is not None and self.values is not None and old:
                fresh[0][..., :old, :] = self.keys
                fresh[1][..., :old, :] = self.values
            self._buffers = (fresh[0], fresh[1])
        keys, values = self._buffers
        keys[..., old:length, :] = key_states
        values[..., old:length, :] = value_states
        self.keys, self.values = keys[..., :length, :], values[..., :length, :]
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Keep these rows, in this order; a row may be named more than once."""
        if self._buffers is not None:
            length = self.get_seq_length()
            keys, values = (buffer[beam_idx] for buffer in self._buffers)
            self._buffers = (keys, values)
            self.keys, self.values = keys[..., :length, :], values[..., :length, :]

    def cut(self, columns: int) -> None:
        """Forget so many of the first places."""
        assert self._buffers is not None
        length = self.get_seq_length() - columns
        keys, values = (buffer[..., columns:, :] for buffer in self._buffers)
        self._buffers = (keys, values)
        self.keys, self.values = keys[..., :length, :], values[..., :length, :]

    def take_in(self, other: GrowingLayer) -> None:
        """The other's rows after these; the shorter of the two begins with empty places."""
        assert self._buffers is not None and other._buffers is not None
        mine, theirs = self.get_seq_length(), other.get_seq_length()
        length = max(mine, theirs)
        fresh = []
        for own, come in zip(self._buffers, other._buffers, strict=True):
            rows = (len(own) + len(come), own.shape[1], length + self.room, own.shape[-1])
            buffer = own.new_zeros(rows)
            buffer[: len(own), :, length - mine : length] = own[..., :mine, :]
            buffer[len(own) :, :, length - theirs : length] = come[..., :theirs, :]
            fresh.append(buffer)
        keys, values = fresh
        self._buffers = (keys, values)
        self.keys, self.values = keys[..., :length, :], values[..., :length, :]


class Cache(DynamicCache):
    """The cache of a model's layers. A layer with a sliding window keeps what the window has left
    behind, and the mask hides it: its rows can then be joined by others, which is worth more than
    the memory, with which `token_budget` reckons. Layers of other kinds (recurrent states) keep
    their own ways, and take in nobody."""

    def __init__(self, config: Any) -> None:
        super().__init__(config=config)
        self.layers = [
            GrowingLayer() if type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) else layer
            for layer in self.layers
        ]

    @property
    def grows(self) -> bool:
        """Whether every layer can take in rows and forget places."""
        return all(type(layer) is GrowingLayer for layer in self.layers)

    def cut(self, columns: int) -> None:
        """Forget so many of the first places, in every layer."""
        for layer in self.layers:
            cast(GrowingLayer, layer).cut(columns)

    def take_in(self, other: Cache) -> None:
        """See `GrowingLayer.take_in`."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            cast(GrowingLayer, mine).take_in(cast(GrowingLayer, theirs))
