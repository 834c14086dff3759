"""The figures of a training's page: headline tiles, measurements over time, calibration plots.

Numbers in, numbers and words out; `page.html` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from gristmill.page.frame import Tile
from gristmill.page.text import brief, decimal, duration, one_line, percent, plural, whole
from gristmill.train.wording import amount, interval, listed, mapping, number

SIDE, LEFT, BOTTOM, TOP = 220.0, 26.0, 24.0, 8.0
SLACK = 0.25
"""Points beyond the scale that a bin may lie without another scale."""
ROWS = 12
"""Measurements shown at most, evenly spaced."""


def tiles(metrics: dict[str, Any]) -> list[Tile]:
    """The five headline figures: the two that matter most for the kind, then the loss, what was
    seen, and the time."""
    validation = mapping(metrics, "validation")
    tokens, computed = amount(metrics, "tokens"), amount(metrics, "tokens_computed")
    saved = ""
    if tokens and computed is not None and computed < tokens:
        saved = f"{percent(1 - computed / tokens)} not computed twice"
    first, last = (number(metrics, "loss", end) for end in ("first", "last"))
    begun = "" if first is None else f"from {decimal(first, 3)} in the first steps"
    own = _main(validation, metrics)
    spare = [
        Tile("Training loss", decimal(last, 3), begun),
        Tile("Examples", whole(amount(metrics, "examples", "train")), "trained on"),
    ]
    return [
        *own,
        Tile("Validation loss", decimal(number(validation, "loss"), 3), "on what was held out"),
        *spare[: max(0, 2 - len(own))],
        Tile("Tokens seen", brief(tokens), saved),
        Tile("Time", duration(number(metrics, "seconds")), _steps(metrics)),
    ]


def _steps(metrics: dict[str, Any]) -> str:
    steps = amount(metrics, "steps")
    return "" if steps is None else plural(steps, "step")


def _main(validation: dict[str, Any], metrics: dict[str, Any]) -> list[Tile]:
    """The figures of the kind."""
    found: list[Tile] = []
    pairs = mapping(validation, "pairs")
    if amount(pairs, "n"):
        ends = interval(pairs)
        note = f"95 %: {percent(ends[0])} to {percent(ends[1])}" if ends else ""
        found.append(Tile("Pair accuracy", percent(number(pairs, "accuracy")), note))
    elif "accuracy" in validation:
        held = plural(amount(metrics, "examples", "validation"), "pair")
        found.append(
            Tile("Accuracy on pairs", percent(number(validation, "accuracy")), f"of {held}")
        )
    best = [
        (r, name)
        for name in mapping(validation, "attributes")
        if (r := number(validation, "attributes", name, "pearson")) is not None
    ]
    if best:
        mean = sum(r for r, _ in best) / len(best)
        note = f"mean over {plural(len(best), 'attribute')}"
        found.append(Tile("Pearson with raters", decimal(mean, 2), note))
    if "perplexity" in validation:
        found.append(Tile("Perplexity", decimal(number(validation, "perplexity"), 2), "held out"))
    return found


def measurements(lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]] | None:
    """The validation figures over time: names of the columns, and rows of words.

    None of fewer than two measurements, which would be no course.
    """
    if len(lines) < 2:
        return None
    last = len(lines) - 1
    shown = sorted({round(i * last / (ROWS - 1)) for i in range(ROWS)})
    keys: dict[str, None] = {}
    for line in lines:
        flat = mapping(line, "validation")
        keys |= {k: None for k in flat if number(flat, k) is not None}
    names = list(keys)[:6]
    rows = [
        [
            whole(amount(lines[i], "step")),
            *(decimal(number(lines[i], "validation", name), 4) for name in names),
        ]
        for i in shown
    ]
    return [one_line(name, 40) for name in names], rows


@dataclass(frozen=True)
class Calibration:
    """One attribute's plot, `side` wide and high: mean label over mean score, bin by bin.

    points: x, y and what the bin says in words. diagonal: ends of the line on which a calibrated
    model lies. ticks: place on the axis from the left, from the top, and the label.
    """

    name: str
    error: str
    points: list[tuple[float, float, str]]
    diagonal: tuple[float, float, float, float]
    ticks: list[tuple[float, float, str]]
    side: float = SIDE
    left: float = LEFT
    base: float = SIDE - BOTTOM
    top: float = TOP

    @property
    def line(self) -> str:
        """The points as an SVG polyline has them."""
        return " ".join(f"{x:g},{y:g}" for x, y, _ in self.points)

    @property
    def summary(self) -> str:
        """What the plot shows, for who cannot see it."""
        return f"Calibration of {self.name}: {'; '.join(said for _, _, said in self.points)}."


def calibration_charts(calibration: dict[str, Any]) -> list[Calibration]:
    """A plot for each attribute that has bins."""
    found = []
    for name in calibration:
        bins = []
        for row in listed(calibration, name, "bins"):
            predicted, label = number(row, "predicted"), number(row, "label")
            if predicted is not None and label is not None:
                bins.append((predicted, label, amount(row, "n")))
        if bins:
            error = number(calibration, name, "error")
            found.append(_chart(one_line(name, 40), decimal(error, 2), bins))
    return found


def _chart(name: str, error: str, bins: list[tuple[float, float, int | None]]) -> Calibration:
    values = [v for predicted, label, _ in bins for v in (predicted, label)]
    # The scale is 0 to 4. What lies a little outside may stand beside the plot, more widens it.
    low, high = min(0, floor(min(values) + SLACK)), max(4, ceil(max(values) - SLACK))

    def x(value: float) -> float:
        return round(LEFT + (SIDE - LEFT - TOP) * (value - low) / (high - low), 1)

    def y(value: float) -> float:
        return round(SIDE - BOTTOM - (SIDE - BOTTOM - TOP) * (value - low) / (high - low), 1)

    step = max(1, (high - low) // 5)
    return Calibration(
        name=name,
        error=error,
        points=[
            (x(p), y(v), f"says {decimal(p, 2)}, raters {decimal(v, 2)} ({plural(n, 'response')})")
            for p, v, n in bins
        ],
        diagonal=(x(low), y(low), x(high), y(high)),
        ticks=[(x(t), y(t), f"{t}".replace("-", "−")) for t in range(low, high + 1, step)],
    )
