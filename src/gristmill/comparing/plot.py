"""The rewards of both models as points, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gristmill.page.text import decimal

SIZE, EDGE = 420.0, 44.0
MOST = 1200
"""Points that are drawn; of more, every so many-th."""


@dataclass(frozen=True)
class Scatter:
    """Points in a square, A to the right and B upwards. ticks: place along an axis, and its words;
    diagonal: where both are equal, where they are on one scale."""

    points: list[tuple[float, float]]
    across: list[tuple[float, str]]
    upward: list[tuple[float, str]]
    diagonal: tuple[float, float, float, float] | None
    size: float = SIZE
    edge: float = EDGE


def scatter(pairs: Sequence[tuple[float, float]], *, one_scale: bool) -> Scatter | None:
    """None for fewer than two points. one_scale: draw both axes alike, with the diagonal."""
    if len(pairs) < 2:
        return None
    step = -(-len(pairs) // MOST)
    ranges = [_range([pair[axis] for pair in pairs]) for axis in (0, 1)]
    if one_scale:
        low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
        ranges = [(low, high)] * 2
    x, y = (_scale(*r, turned=axis == 1) for axis, r in enumerate(ranges))
    ends = ranges[0]
    return Scatter(
        [(x(a), y(b)) for a, b in pairs[::step]],
        [(x(v), decimal(v, 1)) for v in _ticks(*ranges[0])],
        [(y(v), decimal(v, 1)) for v in _ticks(*ranges[1])],
        (x(ends[0]), y(ends[0]), x(ends[1]), y(ends[1])) if one_scale else None,
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.04 or 0.5
    return low - margin, high + margin


def _scale(low: float, high: float, *, turned: bool):
    room = SIZE - 2 * EDGE

    def place(value: float) -> float:
        part = (value - low) / (high - low)
        return EDGE + room * (1 - part if turned else part)

    return place


def _ticks(low: float, high: float) -> list[float]:
    return [low + (high - low) * part for part in (0.0, 0.25, 0.5, 0.75, 1.0)]
