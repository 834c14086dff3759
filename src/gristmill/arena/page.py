"""The leaderboard page: all boards, intervals drawn, stability, win rates, votes and judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gristmill.arena import show, words
from gristmill.arena.agreement import agreement
from gristmill.arena.battles import BOTH_BAD, TIE, A, B, Battles
from gristmill.arena.boards import OVERALL, there, title
from gristmill.arena.heatmap import cells, heat, templates
from gristmill.arena.rank import rank
from gristmill.arena.settings import Settings
from gristmill.arena.stability import stability
from gristmill.errors import DataError, RunError
from gristmill.page.frame import Tile
from gristmill.page.text import label, percent, whole

LEAST = 20
"""Battles from which on a board is shown."""
DRAWN = 8
"""Models, the best first, whose ratings are drawn over time."""


def leaderboard_page(
    name: str, battles: Battles, found: dict[str, Any], settings: Settings
) -> bytes:
    """The page of one leaderboard (`found`, of `settings`), with the boards beside it."""
    boards = _boards(battles, found, settings)
    shown = (
        battles if settings.category == OVERALL else battles.take(there(battles)[settings.category])
    )
    context = {
        "name": name,
        "state": _state(found),
        "tiles": _tiles(shown, found),
        "m": found,
        "said": show.headline(found),
        "show": show,
        "words": words,
        "rows": drawn(found["ratings"]),
        "axis": _axis(found["ratings"]),
        "boards": boards,
        "board_title": title(found["category"]),
        "stability": stability(shown, settings, DRAWN),
        "heat": cells(heat(shown, found)),
        "votes": _votes(shown),
        "agreement": agreement(shown) if "id" in shown.names else None,
    }
    return templates().get_template("page.html").render(context).encode("utf-8", "replace")


def _state(found: dict[str, Any]) -> tuple[str, str]:
    rows = found["ratings"]
    if found["groups"] > 1 or any(row["rating"] is None for row in rows):
        return "not all comparable", "warn"
    first = sum(row["rank"] == 1 for row in rows)
    return ("one model ahead", "good") if first == 1 else (f"{first} share rank 1", "good")


def _tiles(battles: Battles, found: dict[str, Any]) -> list[Tile]:
    judges = battles.names.get("judge")
    voters = len(np.unique(judges.codes[judges.codes >= 0])) if judges else None
    best = found["ratings"][0]
    return [
        Tile("Battles", whole(len(battles))),
        Tile("Models", whole(found["models"])),
        Tile("Judges", whole(voters)),
        Tile("Ties", percent(found["ties"]["share"])),
        Tile("Best rating", show.rating(best), label(best["model"], 26)),
    ]


def _ends(rows: Sequence[dict[str, Any]]) -> tuple[float, float]:
    values = [
        v for row in rows for v in (row["rating"], row["lower"], row["upper"]) if v is not None
    ]
    if not values:
        return 900.0, 1100.0
    low, high = min(values), max(values)
    room = max(20.0, 0.04 * (high - low))
    return low - room, high + room


def drawn(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with places from 0 to 100 for their intervals, on one axis; an open end reaches
    the edge."""
    low, high = _ends(rows)

    def at(value: float | None, edge: float) -> float:
        return edge if value is None else 100 * (value - low) / (high - low)

    return [
        {
            **row,
            "from": at(row["lower"], 0.0),
            "to": at(row["upper"], 100.0),
            "at": None if row["rating"] is None else at(row["rating"], 0.0),
        }
        for row in rows
    ]


def _axis(rows: Sequence[dict[str, Any]]) -> list[tuple[float, str]]:
    """Round ratings with their places from 0 to 100."""
    low, high = _ends(rows)
    rough = (high - low) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(m * size for m in (1, 2, 5, 10) if m * size >= rough)
    marks = np.arange(math.ceil(low / step) * step, high, step)
    return [(100 * (mark - low) / (high - low), f"{mark:,.0f}") for mark in marks]


def _boards(battles: Battles, found: dict[str, Any], settings: Settings) -> list[dict[str, Any]]:
    """Every board with battles enough, with its ratings by the same settings."""
    boards = []
    # How the files were read is said once, at the top.
    battles = replace(battles, notes=(), unused={})
    for name, rows in there(battles).items():
        if int(rows.sum()) < LEAST:
            continue
        if name == settings.category:
            one = found
        else:
            try:
                anchor = settings.anchor
                one = rank(
                    battles,
                    settings.model_copy(update={"category": name, "anchor": None}),
                    judges=False,
                )
                if anchor and any(
                    row["model"] == anchor[0] and row["rating"] is not None
                    for row in one["ratings"]
                ):
                    one = rank(
                        battles, settings.model_copy(update={"category": name}), judges=False
                    )
            except (DataError, RunError) as error:
                said = {"problem": str(error), "battles": int(rows.sum())}
                boards.append({"name": title(name), "key": name, **said})
                continue
        boards.append(
            {
                "name": title(name),
                "key": name,
                "battles": one["battles"],
                "rows": drawn(one["ratings"]),
                "axis": _axis(one["ratings"]),
                "by": {row["model"]: row for row in one["ratings"]},
                "warnings": [] if name == settings.category else one["warnings"],
            }
        )
    return boards


def _votes(battles: Battles) -> dict[str, Any]:
    counts = np.bincount(battles.outcome, minlength=4)
    decided = int(counts[A] + counts[B])
    return {
        "a": int(counts[A]),
        "b": int(counts[B]),
        "tie": int(counts[TIE]),
        "both_bad": int(counts[BOTH_BAD]),
        "left": counts[A] / decided if decided else None,
    }
