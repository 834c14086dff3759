"""Win rates of every model against every other: a table in a page, and a picture."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from textwrap import wrap
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from gristmill.arena.battles import Battles
from gristmill.arena.show import headline
from gristmill.errors import MissingExtra
from gristmill.intervals import wilson
from gristmill.page.frame import Tile, environment
from gristmill.page.text import NARROW, label, percent, plural, visible, whole

WRITTEN = 26
"""Models up to which each cell of the picture has its number written in it."""
SCALE = ("#ec9a5c", "#e2e5e9", "#62a8e0")
"""Colours of 0, 50 and 100 %, on which the ink can be read; `heat.css` has the same."""
INK = "#1a1f26"


@dataclass(frozen=True)
class Heat:
    """models: from the best rating to the worst. battles: (models, models), how many each pair had;
    points: of the row's model in them, a tie being half a one."""

    models: list[str]
    battles: np.ndarray
    points: np.ndarray

    @property
    def pairs(self) -> int:
        """Pairs that met."""
        return int((np.triu(self.battles, 1) > 0).sum())

    @property
    def possible(self) -> int:
        """Pairs that could have met."""
        return len(self.models) * (len(self.models) - 1) // 2

    def rate(self, row: int, column: int) -> float | None:
        """The share of the points that the row's model has; None where they never met."""
        count = self.battles[row, column]
        return float(self.points[row, column] / count) if count else None

    def said(self, row: int, column: int) -> str:
        """The cell in words, with its 95 % interval (Wilson)."""
        count = int(self.battles[row, column])
        names = [label(visible(self.models[place]), 60) for place in (row, column)]
        if not count:
            return (
                f"{names[0]}: the same model"
                if row == column
                else f"{' and '.join(names)}: never met"
            )
        ends = wilson(float(self.points[row, column]), count)
        assert ends
        low, high = (percent(end, 0) for end in ends)
        share = percent(self.rate(row, column), 0)
        return f"{' against '.join(names)}: {share} of {plural(count, 'battle')} ({low} to {high})"


def heat(battles: Battles, found: dict[str, Any]) -> Heat:
    """The win rates of battles, in the order of a leaderboard of them."""
    size = len(battles.models)
    won = np.array([1.0, 0.0, 0.5, 0.5])[battles.outcome]
    key = battles.a.astype(np.int64) * size + battles.b
    counts = np.bincount(key, minlength=size * size).reshape(size, size)
    points = np.bincount(key, won, size * size).reshape(size, size)
    place = {name: at for at, name in enumerate(battles.models)}
    order = np.array([place[row["model"]] for row in found["ratings"]])
    both = (counts + counts.T)[np.ix_(order, order)]
    mine = (points + (counts - points).T)[np.ix_(order, order)]
    return Heat([battles.models[at] for at in order], both, mine)


@lru_cache
def templates() -> jinja2.Environment:
    """The templates of the arena's pages."""
    return environment("gristmill.arena", style=("heat.css", "page.css"), script="heat.js")


def fragment(battles: Battles, found: dict[str, Any]) -> str:
    """The win rates as a piece of HTML that brings its own style, for another page."""
    style = Markup(files("gristmill.arena").joinpath("heat.css").read_text(encoding="utf-8"))
    template = templates().get_template("heat.html")
    return template.render(h=heat(battles, found), own_style=style)


def cells(table: Heat) -> str:
    """The win rates as a piece of HTML for a page of ours."""
    return Markup(templates().get_template("heat.html").render(h=table))


def heat_page(table: Heat, found: dict[str, Any], name: str) -> bytes:
    """A page of the win rates alone."""
    met = int(table.battles.sum() // 2)
    context = {
        "name": name,
        "state": (plural(found["battles"], "battle"), "good"),
        "tiles": [
            Tile("Models", whole(len(table.models))),
            Tile("Battles", whole(met)),
            Tile("Pairs that met", whole(table.pairs), f"of {whole(table.possible)}"),
            Tile("Ties", percent(found["ties"]["share"])),
            Tile("Battles a pair", whole(round(met / max(1, table.pairs))), "on average"),
        ],
        "heat": cells(table),
        "said": headline(found),
        "warnings": found["warnings"],
    }
    return templates().get_template("heatmap.html").render(context).encode("utf-8", "replace")


def heat_picture(table: Heat, found: dict[str, Any], name: str) -> bytes:
    """The win rates as a PNG picture. Raises MissingExtra without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("a picture of the heat map", "arena") from None
    size = len(table.models)
    side = 0.42 * size if size <= WRITTEN else 11.0
    names = [label(model, 40) for model in table.models]
    font = 8.5 if size <= WRITTEN else max(3.5, min(7.0, 380 / size))
    room = 0.7 * font / 72 * max(map(len, names))
    figure = Figure(
        figsize=(side + max(3.2, 1.6 + room), side + max(2.6, 1.2 + room)),
        dpi=150,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = np.full((size, size), np.nan)
    met = table.battles > 0
    shown[met] = table.points[met] / table.battles[met]
    colours = LinearSegmentedColormap.from_list("win rate", SCALE)
    image = axes.imshow(np.ma.masked_invalid(shown), cmap=colours, vmin=0, vmax=1)
    axes.set_xticks(range(size), names, rotation=90, fontsize=font, parse_math=False)
    axes.set_yticks(range(size), names, fontsize=font, parse_math=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2 if size <= WRITTEN else 0.5)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if size <= WRITTEN:
        _write_in(axes, shown)
    title = f"{label(name, 60)} · {headline(found)}".replace(NARROW, " ")
    figure.suptitle(
        "\n".join(["Win rate of the row over the column, in %", *wrap(title, 40 + 9 * int(side))]),
        fontsize=9,
        x=0.01,
        ha="left",
        color=INK,
        parse_math=False,
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.015, aspect=30)
    bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"], fontsize=8)
    bar.outline.set_visible(False)  # type: ignore[union-attr]
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that no font has is a box; the page shows it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format="png", facecolor="white", metadata={"Software": "gristmill"})
    return file.getvalue()


def _write_in(axes: Any, shown: np.ndarray) -> None:
    for row, column in np.argwhere(np.isfinite(shown)):
        figure = f"{100 * shown[row, column]:.0f}"
        axes.text(column, row, figure, ha="center", va="center", fontsize=7.5, color=INK)
