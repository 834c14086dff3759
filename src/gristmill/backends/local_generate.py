"""The decode loop of a local model: prompts in, token ids out, many rows at a time.

    pass 1   every different prompt once, padded on the left          -> keys and values
    expand   each prompt's keys and values for its n samples
    step     one token for every row, until all have ended; ended rows are handed over at once
             and leave the batch when a quarter of it is idle

What a row draws depends on its seed and step alone, never on the rows beside it: the same call
gives the same text in any batch, up to the last bit of floating point (in bfloat16 that bit is
coarse, and now and then turns a token).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from gristmill.errors import BackendError

IDLE_SHARE = 0.25
"""Share of ended rows at which a batch is compacted: copying costs about one step."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sample to draw.

    prompt: token ids; group: equal for rows with equal prompts; limit: new tokens at most;
    gone: asked before every step, True where nobody waits any more.
    """

    prompt: Sequence[int]
    group: Hashable
    seed: int
    temperature: float
    top_p: float
    limit: int
    gone: Callable[[], bool]


Emit = Callable[[list[tuple[int, list[int], bool]]], None]
"""Takes ended rows: their place in the batch, the new tokens, and whether a stop token ended
them (it is the last of the tokens) rather than the limit."""


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


def uniform(seeds: np.ndarray, step: int) -> np.ndarray:
    """One number in (0, 1) for each 31-bit seed at this step: SplitMix64 of the pair.

    It lies on the middles of a grid of 2**22, so that float32 holds it exactly and never
    rounds it to 0 or 1.
    """
    z = (seeds.astype(np.uint64) << np.uint64(32)) | np.uint64(step)
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (((z >> np.uint64(42)).astype(np.float64) + 0.5) / 2**22).astype(np.float32)


class Draw:
    """How the rows of a batch draw their next token."""

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        self._device = device
        self._seeds = np.array([row.seed for row in rows], np.uint64)
        self._top_p = torch.tensor([row.top_p for row in rows], device=device)
        temperature = torch.tensor([row.temperature for row in rows], device=device)
        self._greedy = temperature <= 0
        self._temperature = temperature.masked_fill(self._greedy, 1.0)
        self._refresh()

    def keep(self, indices: torch.Tensor) -> None:
        """Only these rows go on."""
        self._seeds = self._seeds[indices.cpu().numpy()]
        self._top_p = self._top_p[indices]
        self._greedy = self._greedy[indices]
        self._temperature = self._temperature[indices]
        self._refresh()

    def _refresh(self) -> None:
        self._any_greedy = bool(self._greedy.any())
        self._all_greedy = bool(self._greedy.all())
        self._cut = (self._top_p < 1).nonzero()[:, 0]

    def tokens(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """The next token of every row, from logits [rows, vocabulary]."""
        logits = logits.float()
        best = logits.argmax(-1) if self._any_greedy else None
        if self._all_greedy and best is not None:
            return best
        shares = torch.softmax(logits / self._temperature[:, None], -1)
        if len(self._cut):
            shares[self._cut] = _nucleus(shares[self._cut], self._top_p[self._cut])
        # The first token at which the summed shares reach the drawn number.
        sums = shares.cumsum(-1)
        total = sums[:, -1:]
        if not bool(torch.isfinite(total).all()):
            raise BackendError("bad_reply", "the model's logits are not finite numbers")
        number = torch.from_numpy(uniform(self._seeds, step)).to(self._device)
        drawn = torch.searchsorted(sums, number[:, None] * total)[:, 0]
        return drawn if best is None else torch.where(self._greedy, best, drawn)


def _nucleus(shares: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Shares outside the smallest set that holds `top_p` of the mass, set to 0."""
    falling = shares.sort(-1, descending=True).values
    before = falling.cumsum(-1) - falling
    inside = before < top_p[:, None]
    inside[:, 0] = True
    least = falling.masked_fill(~inside, 2.0).amin(-1, keepdim=True)
    return shares.masked_fill(shares < least, 0.0)


class Decoder:
    """One causal language model of transformers, and how far it can count.

    stops: token ids that end a text. context: positions the model knows, or None.
    """

    def __init__(self, model: Any, stops: Sequence[int], context: int | None = None) -> None:
        self.model = model
        self.device: torch.device = model.device
        self.context = context
        # Renamed in transformers 5.24; models with code of their own keep the old name.
        takes = inspect.signature(type(model).forward).parameters
        self.cache_name = "cache" if "cache" in takes else "past_key_values"
        self._stops = torch.tensor(list(stops), dtype=torch.long, device=self.device)

    @torch.inference_mode()
    def run(self, rows: Sequence[Row], emit: Emit) -> None:
        """Draw every row to its end; `emit` gets each as soon as it has ended."""
        state = _Batch(self, rows)
        for step in range(max(row.limit for row in rows)):
            tokens = state.draw.tokens(state.logits, step)
            ended = state.take(tokens, step, torch.isin(tokens, self._stops))
            if ended:
                emit(ended)
            if not state.compact():
                return
            state.forward(step)


class _Batch:
    """The rows that are being decoded; index i of every field is one row."""

    def __init__(self, decoder: Decoder, rows: Sequence[Row]) -> None:
        self._decoder = decoder
        self._rows = list(rows)
        self._places = list(range(len(rows)))
        self._over = np.zeros(len(rows), bool)
        self._limits = np.array([row.limit for row in rows])
        self.draw = Draw(rows, decoder.device)
        prompts = {row.group: row.prompt for row in rows}
        number = {group: i for i, group in enumerate(prompts)}
        owners = torch.tensor([number[row.group] for row in rows], device=decoder.device)
        self._prefill(list(prompts.values()), owners, int(self._limits.max()))

    def _prefill(self, prompts: Sequence[Sequence[int]], owners: torch.Tensor, room: int) -> None:
        device = self._decoder.device
        width = max(map(len, prompts))
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.ones(len(prompts), width + room, dtype=torch.long)
        for i, prompt in enumerate(prompts):
            ids[i, width - len(prompt) :] = torch.tensor(prompt)
            mask[i, : width - len(prompt)] = 0
        ids, mask = ids.to(device), mask.to(device)
        positions = (mask[:, :width].cumsum(-1) - 1).clamp(min=0)
        self._cache = DynamicCache(config=self._decoder.model.config)
        # Layers of other kinds (sliding windows, recurrent states) keep their own ways.
        self._cache.layers = [
            GrowingLayer() if type(layer) is DynamicLayer else layer for layer in self._cache.layers
        ]
        logits = self._call(ids, mask[:, :width], positions)
        self._width = width
        # One prompt, one sample: nothing to copy.
        if len(owners) > len(prompts):
            self._cache.reorder_cache(cast(torch.LongTensor, owners))
            logits, mask, positions = logits[owners], mask[owners], positions[owners]
        self.logits, self._mask, self._position = logits, mask, positions[:, -1:]
        self._history = torch.zeros(len(owners), room, dtype=torch.long, device=device)

    def _call(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        out = self._decoder.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            **{self._decoder.cache_name: self._cache},
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def take(
        self, tokens: torch.Tensor, step: int, stopped: torch.Tensor
    ) -> list[tuple[int, list[int], bool]]:
        """Note this step's tokens; returns the rows that end with them."""
        self._history[:, step] = tokens
        stops = stopped.cpu().numpy()
        ends = (stops | (self._limits <= step + 1)) & ~self._over
        result = [
            (self._places[i], self._history[i, : step + 1].tolist(), bool(stops[i]))
            for i in np.flatnonzero(ends)
        ]
        gone = np.fromiter((row.gone() for row in self._rows), bool, len(self._rows))
        self._over |= ends | gone
        return result

    def compact(self) -> bool:
        """Drop ended rows once they are many; False when none is left."""
        over = int(self._over.sum())
        if over == len(self._rows):
            return False
        if over >= IDLE_SHARE * len(self._rows):
            kept = np.flatnonzero(~self._over)
            indices = torch.from_numpy(kept).to(self._decoder.device)
            self._rows = [self._rows[i] for i in kept]
            self._places = [self._places[i] for i in kept]
            self._limits, self._over = self._limits[kept], self._over[kept]
            self._cache.reorder_cache(cast(torch.LongTensor, indices))
            self._mask, self._history = self._mask[indices], self._history[indices]
            self._position = self._position[indices]
            self.draw.keep(indices)
        return True

    def forward(self, step: int) -> None:
        """Feed the tokens of `step`, so that `logits` are those of the next."""
        self._position = self._position + 1
        if self._decoder.context is not None:
            # Ended rows that are still carried along must not count beyond what exists.
            self._position = self._position.clamp(max=self._decoder.context - 1)
        mask = self._mask[:, : self._width + step + 1]
        self.logits = self._call(self._history[:, step : step + 1], mask, self._position)
