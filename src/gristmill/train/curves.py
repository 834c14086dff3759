"""The course of a training run: its log read, and drawn as one picture."""

from __future__ import annotations

import importlib.util
import io
import json
import warnings
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.errors import MissingExtra, StorageError

Line = dict[str, Any]

INK, QUIET, RULE = "#1a1f26", "#5a6470", "#e2e5e9"
TRAIN, HELD_OUT, OTHER = "#0a66ad", "#b9500b", "#1b6b3a"
"""Colours of the pages; validation is told apart by its marker as well."""
STEEP = 6.0
"""Highest over lowest smoothed loss from which the axis is logarithmic."""


def read_log(path: Path) -> tuple[list[Line], list[Line]]:
    """The step lines and the validation lines of a `log.jsonl`, each in the order of steps.

    A validation line is given as it stands: `step`, and `validation` with its figures. Where a
    resumed run went back to its checkpoint, the steps that it did again replace the first ones.
    Half a line at the end, and whatever else is no line of a log, is left out; so is a missing
    file, which is a run without steps.
    """
    steps: list[Line] = []
    measured: list[Line] = []
    if not path.exists():
        return steps, measured
    with path.open("rb") as file:
        for raw in file:
            line = _parsed(raw)
            if line is None:
                continue
            into = measured if "validation" in line else steps
            for lines in (steps, measured) if into is steps else (measured,):
                while lines and lines[-1]["step"] >= line["step"]:
                    lines.pop()
            into.append(line)
    return steps, measured


def _parsed(raw: bytes) -> Line | None:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not isinstance(line.get("step"), int):
        return None
    return line if isinstance(line.get("validation", {}), dict) else None


def series(lines: list[Line], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one key, where it is a finite number."""
    found = [(line["step"], line.get(key)) for line in lines]
    known = [(s, float(v)) for s, v in found if isinstance(v, int | float) and isfinite(v)]
    steps, values = zip(*known, strict=True) if known else ((), ())
    return np.array(steps, float), np.array(values, float)


def smoothed(values: np.ndarray) -> np.ndarray:
    """A running mean with Hann weights over about a sixteenth of the values, centred, so that it
    neither lags nor falls off at the ends."""
    width = 2 * (len(values) // 32) + 1
    if width < 3:
        return values
    kernel = np.hanning(width + 2)[1:-1]
    weight = np.convolve(np.ones(len(values)), kernel, "same")
    return np.convolve(values, kernel, "same") / weight


def check() -> None:
    """Raises MissingExtra without matplotlib: before a long run, not at its end."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("the plot of a training", "train")


def plot(log: Path, png: Path) -> bool:
    """Draw a log as a picture 1,350 pixels wide; True if there was a step to draw.

    Above the loss: every step faint, its running mean, and the points on validation data. Below
    it the accuracy on pairs, where the log has one, then learning rate and gradient norm. The
    picture is on white and self-explanatory without the page.
    Raises MissingExtra without matplotlib, StorageError when the disk refuses.
    """
    steps, measured = read_log(log)
    if not len(series(steps, "loss")[0]):
        return False
    # Which of its own dependencies matplotlib finds deprecated is no matter of the user's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = _draw(steps, measured)
    partial = png.with_name(f".{png.name}.partial")
    try:
        partial.write_bytes(drawn)
        partial.replace(png)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{png}: cannot be written ({error.strerror or error})") from error
    return True


def _draw(steps: list[Line], measured: list[Line]) -> bytes:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("a plot", "train") from None
    accuracy = len(series(steps, "accuracy")[0]) > 0
    heights = [3.2, 1.5, 1.1] if accuracy else [3.2, 1.1]
    # A Figure of its own, not pyplot's: that keeps every figure in a global list.
    figure = Figure(figsize=(9, sum(heights) + 0.9), dpi=150, facecolor="white", layout="tight")
    axes = figure.subplots(len(heights), sharex=True, height_ratios=heights)
    for ax in axes:
        _plain(ax)
    points = [{"step": line["step"], **line["validation"]} for line in measured]
    _curve(axes[0], steps, points, "loss")
    if accuracy:
        _curve(axes[1], steps, points, "accuracy")
        axes[1].set_ylim(0, 1.02)
        axes[1].axhline(0.5, color=RULE, linewidth=1, zorder=0)
    _rates(axes[-1], steps)
    axes[-1].set_xlabel("step", color=QUIET)
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    figure.align_ylabels(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _curve(ax: Any, steps: list[Line], points: list[Line], key: str) -> None:
    """Raw, running mean and validation of one key."""
    at, values = series(steps, key)
    mean = smoothed(values)
    ax.plot(at, values, color=TRAIN, alpha=0.22, linewidth=1)
    # A line through one point would be invisible.
    dot = "o" if len(at) == 1 else ""
    ax.plot(at, mean, color=TRAIN, linewidth=1.9, marker=dot, label="training")
    held_at, held = series(points, key)
    if len(held):
        ax.plot(
            held_at,
            held,
            color=HELD_OUT,
            linewidth=1.2,
            marker="o",
            markersize=4.5,
            markeredgecolor="white",
            label="validation",
        )
    if key == "loss":
        _scale(ax, values, np.concatenate([mean, held]))
        # Above the axes, where it covers nothing.
        place = {"loc": "lower right", "bbox_to_anchor": (1, 0.98), "borderaxespad": 0}
        ax.legend(frameon=False, labelcolor=INK, fontsize=10, ncols=2, **place)
    ax.set_ylabel(key, color=QUIET)


def _scale(ax: Any, values: np.ndarray, shown: np.ndarray) -> None:
    """A logarithmic axis for a loss that falls far, with numbers written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if shown.min() > 0 and values.min() > 0 and shown.max() / shown.min() >= STEEP:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(which="minor", length=0)


def _rates(ax: Any, steps: list[Line]) -> None:
    """Learning rate at the left, gradient norm at the right."""
    from matplotlib.ticker import FuncFormatter

    ax.plot(*series(steps, "lr"), color=OTHER, linewidth=1.6)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.3g}".replace("e-0", "e-")))
    ax.set_ylabel("learning rate", color=OTHER)
    at, norms = series(steps, "grad_norm")
    if not len(norms):
        return
    right = ax.twinx()
    _plain(right)
    right.grid(False)
    right.plot(at, norms, color=QUIET, alpha=0.25, linewidth=1)
    right.plot(at, smoothed(norms), color=QUIET, linewidth=1.4)
    # One burst would flatten all the rest.
    right.set_ylim(0, 1.25 * max(float(np.quantile(norms, 0.99)), 1e-12))
    right.set_ylabel("gradient norm", color=QUIET)


def _plain(ax: Any) -> None:
    ax.grid(True, axis="y", color=RULE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=QUIET, labelsize=10, length=0)
    ax.margins(x=0.01)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(RULE)
