"""Numbers to SVG geometry. The templates draw it; nothing here writes markup."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gristmill.page.text import decimal, percent, plural
from gristmill.report.measure import Counts, Distribution, round_step

WIDTH, HEIGHT = 340.0, 176.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 8.0, 14.0, 22.0


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, or a vertical guide, with its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Layer:
    """One group of a histogram. `line` is its outline, closed on the axis for filling."""

    group: str
    area: str
    line: str
    median: float | None


@dataclass(frozen=True)
class Histogram:
    """All that a template needs to draw one histogram. `summary` is what it says in words."""

    layers: list[Layer]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    guides: list[Tick]
    summary: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    base: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    most: float

    def x(self, value: float) -> float:
        inner = WIDTH - LEFT - RIGHT
        return round(LEFT + inner * (value - self.low) / (self.high - self.low), 1)

    def y(self, share: float) -> float:
        inner = HEIGHT - TOP - BOTTOM
        return round(HEIGHT - BOTTOM - inner * share / self.most, 1)


def draw_scores(found: Distribution, bounds: dict[str, float]) -> Histogram:
    """Kept over rejected, each as shares of its own group, so that sizes do not hide shapes."""
    groups = [("rejected", found.rejected), ("kept", found.kept)]
    said = "; ".join(
        f"{name}: {plural(each.n, 'response')}, median {decimal(each.quantile(0.5))}"
        for name, each in reversed(groups)
        if each.n
    )
    shown = {"min": "at least {}", "max": "at most {}"}
    guides = [
        (bounds[key], text.format(f"{bounds[key]:g}"))
        for key, text in shown.items()
        if key in bounds
    ]
    return _draw(groups, guides, f"Histogram of {found.name}. {said}.", found.whole)


def draw_gaps(gaps: Counts) -> Histogram:
    """The gaps of the preference pairs."""
    said = (
        f"Histogram of the gaps of {plural(gaps.n, 'pair')}, median {decimal(gaps.quantile(0.5))}."
    )
    return _draw([("kept", gaps)], [], said, whole=False)


def _draw(
    groups: list[tuple[str, Counts]], guides: list[tuple[float, str]], summary: str, whole: bool
) -> Histogram:
    edges = groups[0][1].edges
    most = max(float(each.shares.max()) for _, each in groups)
    step = round_step(max(most, 1e-6) / 3)
    scale = _Scale(float(edges[0]), float(edges[-1]), max(most * 1.06, step))
    ticks = np.arange(0, scale.most + 1e-12, step)
    digits = 0 if step >= 0.01 else 1
    return Histogram(
        layers=[_layer(name, each, scale) for name, each in groups if each.n],
        x_ticks=_x_ticks(edges, scale, whole),
        y_ticks=[Tick(scale.y(t), percent(t, digits)) for t in ticks.tolist()],
        guides=[Tick(scale.x(v), t) for v, t in guides if scale.low <= v <= scale.high],
        summary=summary,
    )


def _layer(name: str, counts: Counts, scale: _Scale) -> Layer:
    xs = [scale.x(edge) for edge in counts.edges.tolist()]
    ys = [scale.y(share) for share in counts.shares.tolist()]
    base = scale.y(0)
    path = [f"M{xs[0]:g} {base:g}"]
    for x, y in zip(xs[1:], ys, strict=True):
        path.append(f"V{y:g}H{x:g}")
    outline = "".join([*path, f"V{base:g}"])
    median = counts.quantile(0.5)
    return Layer(name, outline + "Z", outline, None if median is None else scale.x(median))


def _x_ticks(edges: np.ndarray, scale: _Scale, whole: bool) -> list[Tick]:
    low, high = float(edges[0]), float(edges[-1])
    step = round_step((high - low) / 6)
    if whole:
        step = max(1.0, round(step))
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    digits = max(0, int(np.ceil(-np.log10(step) - 1e-9)))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-9:
        digits += 1
    return [Tick(scale.x(i * step), decimal(i * step, digits)) for i in range(first, last + 1)]
