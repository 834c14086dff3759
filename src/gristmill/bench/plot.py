"""The plot of sections: a dot and its interval for each judge, as geometry for a template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.page.text import NARROW, decimal, label, percent

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 150.0, 92.0, 10.0, 34.0
ROW, GAP = 22.0, 16.0
"""Height of one judge's line, and the space between two sections."""
MARKS = ("M0,-5.5 L5.5,0 0,5.5 -5.5,0 Z", "M-4,-4 H4 V4 H-4 Z", "M0,-5 L5,4 -5,4 Z")
"""A diamond, a square and a triangle for published models, before they begin anew."""


@dataclass(frozen=True)
class Dot:
    """One value. number: the judge's place, which gives the colour, or, if `published`, that of
    the published model, which gives the mark."""

    number: int
    published: bool
    y: float
    x: float
    low: float
    high: float
    value: str
    said: str


@dataclass(frozen=True)
class Group:
    """One section: its name, and a dot for each judge. top, bottom: of its band."""

    name: str
    top: float
    bottom: float
    dots: list[Dot]

    @property
    def middle(self) -> float:
        """Where its name stands."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Plot:
    """All that the template needs. chance: where half of the pairs would be right; None where
    that means nothing."""

    groups: list[Group]
    ticks: list[tuple[float, str]]
    chance: float | None
    height: float
    width: float = WIDTH
    left: float = LEFT
    right: float = WIDTH - RIGHT

    @property
    def base(self) -> float:
        """The lower end of the bands."""
        return self.height - BOTTOM

    def mark(self, number: int) -> str:
        """The outline of a published model's mark, around its middle."""
        return MARKS[number % len(MARKS)]


def plot(
    names: Sequence[str],
    judges: Sequence[dict[str, Any]],
    published: Sequence[dict[str, Any]],
    *,
    chance: float | None,
) -> Plot | None:
    """A group for each of `names`, as far as it has values; None where nothing has.

    judges: `name` and `values`, a mapping of names to `score`, `low` and `high` (0 to 1);
    published: `name` and `values`, names to scores.
    """
    known = [v for j in judges for name in names if (v := j["values"].get(name))]
    if not known:
        return None
    lowest = min([v["low"] for v in known] + [s for p in published for s in p["values"].values()])
    start = min(0.9, math.floor(max(0.0, lowest - 0.02) * 10) / 10)
    if chance is not None and start <= 0.6:
        start = min(start, math.floor(chance * 10) / 10)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - start) / (1 - start)

    groups, at = [], TOP
    for name in names:
        lines = [(i, j["name"], v) for i, j in enumerate(judges) if (v := j["values"].get(name))]
        marks = [
            (i, p["name"], p["values"][name])
            for i, p in enumerate(published)
            if name in p["values"]
        ]
        if not lines:
            continue
        dots = []
        top = at
        for number, judge, value in lines:
            low, high = max(start, value["low"]), min(1.0, value["high"])
            ends = " to ".join(decimal(100 * end, 1) for end in (value["low"], value["high"]))
            said = f"{label(judge, 60)}, {name}: {percent(value['score'])} ({ends})"
            y = at + ROW / 2
            shown = decimal(100 * value["score"], 1)
            dots.append(Dot(number, False, y, x(value["score"]), x(low), x(high), shown, said))
            at += ROW
        for number, mark, score in marks:
            place = x(max(start, score))
            said = f"{mark}, {name}: {percent(score)}, published"
            shown = decimal(100 * score, 1)
            dots.append(Dot(number, True, at + ROW / 2, place, place, place, shown, said))
            at += ROW
        groups.append(Group(name, top, at, dots))
        at += GAP
    step = 0.1 if start < 0.7 else 0.05
    marks = [round(start + step * i, 4) for i in range(round((1 - start) / step) + 1)]
    signs = {1.0: f"{NARROW}%"}
    ticks = [(x(mark), decimal(100 * mark, 0) + signs.get(mark, "")) for mark in marks]
    line = x(chance) if chance is not None and start <= chance else None
    return Plot(groups, ticks, line, at - GAP + BOTTOM)
