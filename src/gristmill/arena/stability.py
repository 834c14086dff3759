"""Ratings after each tenth of the votes: whether a leaderboard has settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gristmill.arena.battles import Battles
from gristmill.arena.rank import rank
from gristmill.arena.settings import Settings
from gristmill.errors import GristmillError
from gristmill.page.text import NARROW, plural

PARTS = 10
WIDTH, HEIGHT = 760.0, 300.0
LEFT, RIGHT, TOP, BASE = 46.0, 560.0, 12.0, 270.0
_APART = 14.0
"""Between two names at the end of their lines."""


@dataclass(frozen=True)
class Line:
    """One model's course: number gives its colour, path and points are in the picture's units."""

    model: str
    number: int
    path: str
    points: list[tuple[float, float, str]]
    end: float
    label: float


@dataclass(frozen=True)
class Stability:
    """The picture, as geometry. moved: by how many points a rating changed from the ninth tenth
    to the last, at the median. order: of the votes, in words."""

    lines: list[Line]
    ticks: list[tuple[float, str]]
    parts: list[tuple[float, str]]
    moved: float | None
    order: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = RIGHT
    base: float = BASE


def ratings_over_time(battles: Battles, settings: Settings) -> list[dict[str, float]]:
    """For the first tenth of the battles, the first two, ..., all: each model's rating, as far as
    it is finite. In order of time; votes of one time, or of none, are shuffled by the seed: in a
    file's own order they often stand model by model, and each tenth would be of other models."""
    shuffled = np.random.default_rng(settings.seed).permutation(len(battles))
    ordered = battles.take(shuffled).in_time()
    plain = settings.model_copy(
        update={"category": "overall", "ci": "sandwich", "rounds": 2, "anchor": None}
    )
    if settings.method == "elo":
        plain = plain.model_copy(update={"ci": None})
    found = []
    for part in range(1, PARTS + 1):
        end = round(len(ordered) * part / PARTS)
        try:
            rows = rank(ordered.take(np.arange(end)), plain, judges=False)["ratings"]
        except GristmillError:
            rows = []
        found.append(
            {r["model"]: r["rating"] for r in rows if r["rating"] is not None and r["group"] == 1}
        )
    return found


def stability(battles: Battles, settings: Settings, most: int) -> Stability | None:
    """The picture of the `most` best models' courses; None where there is too little to draw."""
    if len(battles) < 10 * PARTS:
        return None
    parts = ratings_over_time(battles, settings)
    last = parts[-1]
    best = sorted(last, key=lambda model: -last[model])[:most]
    values = [part[m] for part in parts for m in best if m in part]
    if not values:
        return None
    low, high = min(values) - 10, max(values) + 10

    def y(value: float) -> float:
        return BASE - (BASE - TOP) * (value - low) / (high - low)

    lines = []
    for number, model in enumerate(best):
        points = [
            (
                _x(at),
                y(part[model]),
                f"{model} after {100 * (at + 1) // PARTS} %: {part[model]:,.0f}",
            )
            for at, part in enumerate(parts)
            if model in part
        ]
        path = "M" + " L".join(f"{a:.1f},{b:.1f}" for a, b, _ in points)
        lines.append(Line(model, number, path, points, points[-1][1], points[-1][1]))
    steps = (10, 20, 25, 50, 100, 200, 500, 1000, 5000, 20_000)
    step = next((s for s in steps if (high - low) / s <= 7), steps[-1])
    marks = np.arange(np.ceil(low / step) * step, high, step)
    return Stability(
        _labelled(lines),
        [(y(float(mark)), f"{mark:,.0f}") for mark in marks],
        [(_x(at), _share(at)) for at in range(PARTS)],
        _moved(parts),
        _order(battles),
    )


def _order(battles: Battles) -> str:
    if battles.time is None:
        return "in a random order, since the votes have no time"
    untimed = int(np.isnan(battles.time).sum())
    last = f", the {plural(untimed, 'vote')} without one last and in a random order"
    return f"in order of time{last if untimed else ''}"


def _share(part: int) -> str:
    return f"{100 * (part + 1) // PARTS}{NARROW}%"


def _x(part: int) -> float:
    return LEFT + (RIGHT - LEFT) * part / (PARTS - 1)


def _moved(parts: list[dict[str, float]]) -> float | None:
    both = [abs(parts[-1][m] - parts[-2][m]) for m in parts[-1] if m in parts[-2]]
    return float(np.median(both)) if both else None


def _labelled(lines: list[Line]) -> list[Line]:
    """The lines with places for their names that do not overlap, in the order of their ends."""
    made: list[Any] = []
    lowest = TOP - _APART
    for line in sorted(lines, key=lambda each: each.end):
        lowest = max(line.end, lowest + _APART)
        made.append((line, lowest))
    over = max(0.0, made[-1][1] - (BASE + 14))
    return [Line(e.model, e.number, e.path, e.points, e.end, at - over) for e, at in made]
