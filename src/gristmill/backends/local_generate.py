"""The decode loop of a local model: prompts in, token ids out, many rows at a time.

    pass 1   every different prompt once, padded on the left          -> keys and values
    expand   each prompt's keys and values for its n samples
    step     one token for every row, until all have ended; ended rows are handed over at once
             and leave the batch when a quarter of it is idle
    join     rows that have come meanwhile: their own pass 1, and their keys and values below the
             others', the shorter padded on the left

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

from gristmill.backends.local_ask import Likelihood
from gristmill.backends.local_cache import Cache
from gristmill.backends.local_draw import Draw, likelihoods

IDLE_SHARE = 0.25
"""Share of ended rows at which a batch is compacted: copying costs about one step."""

JOIN_STEPS = 8
"""Steps after which new rows may join: reading a prompt costs the others about one step."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sample to draw.

    prompt: token ids; group: equal for rows with equal prompts; limit: new tokens at most;
    gone: asked before every step, True where nobody waits any more.
    watch: told each token but a stop token, and how likely it was where `top` is given; True from
    it ends the row. top: how many of the likeliest tokens it is told.
    """

    prompt: Sequence[int]
    group: Hashable
    seed: int
    temperature: float
    top_p: float
    limit: int
    gone: Callable[[], bool]
    watch: Callable[[int, Likelihood | None], bool] | None = None
    top: int | None = None


Emit = Callable[[list[tuple[int, list[int], bool]]], None]
"""Takes ended rows: their number in order of coming, the new tokens, and whether a stop token ended
them (it is the last of the tokens). Called after each step in which rows ended or were watched."""

More = Callable[[int, int, int], Sequence[Row]]
"""Rows that are to join: given how many rows there are, how many places each of them takes, and how
many more it may come to take."""


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
    def run(self, rows: Sequence[Row], emit: Emit, more: More | None = None) -> None:
        """Draw every row to its end; `emit` gets each as soon as it has ended.

        more: asked now and then for rows that join; they are numbered on.
        """
        state = _Batch(self, rows, 0)
        joins = more if state.cache.grows else None
        step = 0
        count = len(rows)
        while True:
            tokens = state.draw.tokens(state.logits, state.steps)
            ended = state.take(tokens, torch.isin(tokens, self._stops))
            if ended or state.watched:
                emit(ended)
            if not state.compact():
                return
            state.forward()
            step += 1
            if joins is not None and step % JOIN_STEPS == 0:
                fresh = joins(len(state.rows), state.width, state.ahead)
                if fresh:
                    state.take_in(_Batch(self, fresh, count))
                    count += len(fresh)


class _Batch:
    """The rows that are being decoded; index i of every field is one row."""

    def __init__(self, decoder: Decoder, rows: Sequence[Row], number: int) -> None:
        """Read the prompts. number: of the first of the rows."""
        self._decoder = decoder
        self.rows = list(rows)
        self._places = list(range(number, number + len(rows)))
        self._over = np.zeros(len(rows), bool)
        self._limits = np.array([row.limit for row in rows])
        self._said: list[list[int]] = [[] for _ in rows]
        self.steps = np.zeros(len(rows), np.int64)
        self.draw = Draw(rows, decoder.device)
        self._refresh()
        prompts = {row.group: row.prompt for row in rows}
        places = {group: i for i, group in enumerate(prompts)}
        owners = torch.tensor([places[row.group] for row in rows], device=decoder.device)
        self._prefill(list(prompts.values()), owners)

    def _refresh(self) -> None:
        self.watched = [i for i, row in enumerate(self.rows) if row.watch is not None]
        self._likely = [i for i in self.watched if self.rows[i].top is not None]

    @property
    def ahead(self) -> int:
        """Tokens that a row may still come to take, at most."""
        return int((self._limits - self.steps)[~self._over].max(initial=0))

    def _prefill(self, prompts: Sequence[Sequence[int]], owners: torch.Tensor) -> None:
        device = self._decoder.device
        self.width = max(map(len, prompts))
        ids = torch.zeros(len(prompts), self.width, dtype=torch.long)
        pads = torch.tensor([self.width - len(prompt) for prompt in prompts])
        for row, prompt, pad in zip(ids, prompts, pads.tolist(), strict=True):
            row[pad:] = torch.tensor(prompt)
        ids, self._pads = ids.to(device), pads.to(device)
        positions = torch.arange(self.width, device=device) - self._pads[:, None]
        self.cache = Cache(self._decoder.model.config)
        self._room(self.width)
        logits = self._call(ids, positions.clamp(min=0))
        # One prompt, one sample: nothing to copy.
        if len(owners) > len(prompts):
            self.cache.reorder_cache(cast(torch.LongTensor, owners))
            logits, self._pads = logits[owners], self._pads[owners]
            self._room(self.width)
        self.logits = logits

    def _room(self, width: int) -> None:
        """An attention mask for all rows with places to spare: 0 where a row has not begun."""
        places = torch.arange(width + 64, device=self._decoder.device)
        self._mask = (places >= self._pads[:, None]).long()

    def _call(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        if self.width > self._mask.shape[1]:
            self._room(self.width)
        out = self._decoder.model(
            input_ids=ids,
            attention_mask=self._mask[:, : self.width],
            position_ids=positions,
            **{self._decoder.cache_name: self.cache},
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def take(
        self, tokens: torch.Tensor, stopped: torch.Tensor
    ) -> list[tuple[int, list[int], bool]]:
        """Note this step's tokens; returns the rows that end with them."""
        drawn = tokens.tolist()
        for said, token in zip(self._said, drawn, strict=True):
            said.append(token)
        self.steps += 1
        self.last = tokens
        stops = stopped.cpu().numpy()
        ends = (stops | (self._limits <= self.steps)) & ~self._over
        for i in self._told(tokens, drawn, stops):
            ends[i] = True
        result = [
            (self._places[i], self._said[i].copy(), bool(stops[i])) for i in np.flatnonzero(ends)
        ]
        gone = np.fromiter((row.gone() for row in self.rows), bool, len(self.rows))
        self._over |= ends | gone
        return result

    def _told(self, tokens: torch.Tensor, drawn: list[int], stops: np.ndarray) -> list[int]:
        """Show the watchers their tokens; returns the rows that they end."""
        likely: dict[int, Likelihood] = {}
        if self._likely:
            which = torch.tensor(self._likely, device=tokens.device)
            most = max(self.rows[i].top or 0 for i in self._likely)
            found = likelihoods(self.logits[which], tokens[which], most)
            likely = dict(zip(self._likely, found, strict=True))
        ended = []
        for i in self.watched:
            watch = self.rows[i].watch
            if watch is None or stops[i] or self._over[i]:
                continue
            if watch(drawn[i], likely.get(i)):
                ended.append(i)
        return ended

    def compact(self) -> bool:
        """Drop ended rows once they are many; False when none is left."""
        over = int(self._over.sum())
        if over == len(self.rows):
            return False
        if over >= IDLE_SHARE * len(self.rows):
            kept = np.flatnonzero(~self._over)
            indices = torch.from_numpy(kept).to(self._decoder.device)
            self.rows = [self.rows[i] for i in kept]
            self._places = [self._places[i] for i in kept]
            self._said = [self._said[i] for i in kept]
            self._limits, self._over = self._limits[kept], self._over[kept]
            self.steps, self.last = self.steps[kept], self.last[indices]
            self.cache.reorder_cache(cast(torch.LongTensor, indices))
            self._pads, self._mask = self._pads[indices], self._mask[indices]
            self.draw.keep(indices)
            self._refresh()
            self._trim()
        return True

    def _trim(self) -> None:
        """Forget the places in which no row has begun, once they are many."""
        empty = int(self._pads.min())
        if empty >= 64 and self.cache.grows:
            self.cache.cut(empty)
            self.width -= empty
            self._pads = self._pads - empty
            self._room(self.width)

    def forward(self) -> None:
        """Feed the last tokens, so that `logits` are those of the next."""
        positions = self.width - self._pads[:, None]
        self.width += 1
        if self._decoder.context is not None:
            # Ended rows that are still carried along must not count beyond what exists.
            positions = positions.clamp(max=self._decoder.context - 1)
        self.logits = self._call(self.last[:, None], positions)

    def take_in(self, other: _Batch) -> None:
        """The rows of a batch that has read its prompts."""
        width = max(self.width, other.width)
        self.cache.take_in(other.cache)
        self._pads = torch.cat(
            [self._pads + (width - self.width), other._pads + (width - other.width)]
        )
        self.width = width
        self._room(width)
        self.rows += other.rows
        self._places += other._places
        self._said += other._said
        self._over = np.concatenate([self._over, other._over])
        self._limits = np.concatenate([self._limits, other._limits])
        self.steps = np.concatenate([self.steps, other.steps])
        self.logits = torch.cat([self.logits, other.logits])
        self.draw = Draw(self.rows, self._decoder.device)
        self._refresh()
