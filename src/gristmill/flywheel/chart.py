"""Learning curves as SVG geometry; the template draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.page.text import decimal

WIDTH, HEIGHT = 330.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 12.0, 26.0
SHIFT = 5.0
"""Arms stand beside each other by this much, so that their bars do not hide one another."""

Line = Sequence[tuple[int, dict[str, Any]]]
"""(round, mean with the ends of its interval) of one arm."""


@dataclass(frozen=True)
class Unit:
    """How values of a picture are written. ends: between which they can be at all."""

    times: float = 1.0
    sign: str = ""
    ends: tuple[float, float] = (-math.inf, math.inf)

    def say(self, value: float, digits: int) -> str:
        """`64.5 %`."""
        return f"{decimal(self.times * value, digits)}{self.sign}"


SHARE = Unit(100.0, " %", (0.0, 1.0))
NUMBER = Unit()


@dataclass(frozen=True)
class Point:
    """A measured mean and the ends of its interval, in the picture's units."""

    x: float
    y: float
    low: float
    high: float
    said: str


@dataclass(frozen=True)
class Curve:
    """One arm. number: its place, which gives the colour."""

    name: str
    number: int
    points: list[Point]

    @property
    def path(self) -> str:
        """The line's `d`."""
        return "M" + " L".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


@dataclass(frozen=True)
class Chart:
    """All that a template needs for one picture."""

    title: str
    curves: list[Curve]
    ticks: list[tuple[float, str]]
    rounds: list[tuple[float, str]]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    base: float = HEIGHT - BOTTOM


def chart(title: str, lines: dict[str, Line], unit: Unit) -> Chart | None:
    """A line for each arm; None where nothing was measured."""
    known = {
        name: [(r, f) for r, f in line if f and f["mean"] is not None]
        for name, line in lines.items()
    }
    values = [v for line in known.values() for _, f in line for v in _ends(f, unit)]
    if not values:
        return None
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.5
    low, high = max(low - margin, unit.ends[0]), min(high + margin, unit.ends[1])
    last = max(r for line in known.values() for r, _ in line)
    inner = WIDTH - LEFT - RIGHT - SHIFT * len(known)

    def x(round_: int, arm: int) -> float:
        return LEFT + SHIFT * (arm + 0.5) + inner * (round_ / max(1, last))

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    curves = []
    for arm, (name, line) in enumerate(known.items()):
        points = []
        for r, f in line:
            bottom, top = _ends(f, unit)
            mean, least, most = (
                unit.say(v, 2 - (unit.times > 1)) for v in (f["mean"], bottom, top)
            )
            text = f"{name}, round {r}: {mean} ({least} to {most})"
            points.append(Point(x(r, arm), y(f["mean"]), y(bottom), y(top), text))
        curves.append(Curve(name, arm, points))
    step = _step(high - low)
    steps = [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    middle = len(known) / 2 - 0.5
    rounds = [(x(r, 0) + SHIFT * middle, str(r)) for r in range(last + 1)]
    digits = max(0, -math.floor(math.log10(step * unit.times) + 1e-9))
    return Chart(title, curves, [(y(v), unit.say(v, digits)) for v in steps], rounds)


def _step(span: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that makes six marks at most."""
    power = 10.0 ** math.floor(math.log10(span / 6))
    return next(m * power for m in (1, 2, 5, 10) if span / (m * power) <= 6)


def _ends(found: dict[str, Any], unit: Unit) -> tuple[float, float]:
    if found["low"] is None or found["high"] is None:
        return found["mean"], found["mean"]
    return max(found["low"], unit.ends[0]), min(found["high"], unit.ends[1])
