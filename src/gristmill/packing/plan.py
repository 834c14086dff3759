"""What attention has to do for a pack, worked out once and used in every layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 64
"""Queries that a CPU computes at once in a long segment. The fused kernel there computes what a
causal mask hides, up to 512 keys at a time; in pieces a segment of 400 takes three quarters of
the time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One call of the kernel: how many of a segment's queries, how many of the keys of its path,
    and what is added to their products; None where it is all of a tree's root, plainly causal and
    within the window."""

    queries: int
    keys: int
    mask: Tensor | None


@dataclass(frozen=True, slots=True)
class Segment:
    """ancestors: indices of the segments before it on its path. pieces: in order, all of it."""

    ancestors: list[int]
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Plan:
    """Of one pack, for one kind of layers."""

    lengths: list[int]
    segments: list[Segment]


Kind = tuple[torch.dtype, torch.device, int | None]
"""Of a layer: what its queries are, and where, and how many tokens they see, themselves among them;
None for all."""


def plan_of(layout: Tensor, query: Tensor, window: int | None = None) -> Plan:
    """The plan of a `Pack`'s layout. It is kept with the layout, which comes to every layer."""
    kept: dict[Kind, Plan] | None = getattr(layout, "plans", None)
    if kept is None:
        kept = layout.plans = {}  # type: ignore[attr-defined]
    kind = query.dtype, query.device, window
    if kind not in kept:
        kept[kind] = _made(layout, *kind)
    return kept[kind]


# What inference mode makes cannot be used in training, and the plan may outlive it.
@torch.inference_mode(False)
def _made(layout: Tensor, dtype: torch.dtype, device: torch.device, window: int | None) -> Plan:
    rows = layout[0, 0].tolist()
    lengths = [row[0] for row in rows]
    masks: dict[tuple[int, int], Tensor] = {}

    def mask(queries: int, before: int) -> Tensor:
        """Each query reads all keys before the piece, and those of the piece up to its own; of
        them only the last ones where there is a window."""
        found = masks.get((queries, before))
        if found is None:
            hidden = torch.full((queries, before + queries), -torch.inf, dtype=dtype, device=device)
            found = hidden.triu(before + 1)
            if window is not None:
                found += hidden.tril(before - window)
            masks[queries, before] = found
        return found

    segments = []
    for length, *path in rows:
        ancestors = [i for i in path if i >= 0]
        before = sum(lengths[i] for i in ancestors)
        sizes = list(_sizes(length, device))
        pieces = []
        for size in sizes:
            plain = not ancestors and len(sizes) == 1 and (window is None or size <= window)
            pieces.append(Piece(size, before + size, None if plain else mask(size, before)))
            before += size
        segments.append(Segment(ancestors, pieces))
    return Plan(lengths, segments)


def _sizes(length: int, device: torch.device) -> Iterator[int]:
    # Of less than two chunks nothing is gained.
    step = CHUNK if device.type == "cpu" and length >= 2 * CHUNK else length
    for begin in range(0, length, step):
        yield min(step, length - begin)
