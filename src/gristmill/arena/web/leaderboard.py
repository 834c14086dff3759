"""The leaderboard's tab: ratings of the votes so far, and who beat whom."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import replace
from time import monotonic, time
from typing import Any

from gristmill.arena.battles import MODEL_JUDGE, Battle, Battles
from gristmill.arena.store import Votes
from gristmill.arena.web.config import PageConfig
from gristmill.errors import GristmillError
from gristmill.page.frame import environment
from gristmill.page.text import plural, whole


class Leaderboard:
    """A piece of HTML that is made anew at most every so often, however many look at it."""

    def __init__(self, config: PageConfig, votes: Votes) -> None:
        self._config = config
        self._votes = votes
        self._lock = asyncio.Lock()
        self._html = ""
        self._made_at = -float("inf")

    async def html(self) -> str:
        """The leaderboard as it is, or was a moment ago."""
        async with self._lock:
            if monotonic() - self._made_at >= self._config.leaderboard.refresh_seconds:
                self._html = await asyncio.to_thread(self._make)
                self._made_at = monotonic()
            return self._html

    def _make(self) -> str:
        votes = list(self._counted(self._votes.battles()))
        return leaderboard(votes, self._votes.count(), self._config)

    def _counted(self, battles: Iterable[Battle]) -> Iterable[Battle]:
        shown = {model.called: model.shown for model in self._config.models}
        # A vote that may still be taken back would tell whom it was for.
        settled = time() - self._config.undo_seconds
        for battle in battles:
            if battle.time is not None and battle.time > settled:
                continue
            if self._config.leaderboard.judges or not battle.judge.startswith(MODEL_JUDGE):
                yield replace(
                    battle,
                    model_a=shown.get(battle.model_a, battle.model_a),
                    model_b=shown.get(battle.model_b, battle.model_b),
                    # Ratings have no use for what was said.
                    conversation_a=(),
                    conversation_b=(),
                )


def leaderboard(votes: list[Battle], counts: dict[str, int], config: PageConfig) -> str:
    """The HTML for some votes, which already name the models as they are shown.

    counts: as `Votes.count` gives them.
    """
    left_out = sum(counts.values()) - counts["counted"] - counts["withdrawn"]
    context: dict[str, Any] = {
        "votes": len(votes),
        "left_out": left_out,
        "withdrawn": counts["withdrawn"],
        "minimum": config.leaderboard.minimum_votes,
        "people_only": not config.leaderboard.judges,
        "rows": [],
        "few": [],
        "warnings": [],
        "heat": "",
        "said": _said(len(votes), left_out),
    }
    if votes:
        try:
            context |= _rated(votes, config.leaderboard.minimum_votes)
        except GristmillError as error:
            context["warnings"] = [str(error)]
    page = environment("gristmill.arena.web", style="style.css")
    return page.get_template("leaderboard.html").render(context)


def _rated(votes: list[Battle], minimum: int) -> dict[str, Any]:
    # Small matrices: threads of the linear algebra only get in the way of the page's own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from gristmill.arena.heatmap import fragment
    from gristmill.arena.rank import rank

    battles = Battles.of(votes)
    found = rank(battles)
    ratings = found["ratings"]
    enough = [row for row in ratings if row["battles"] >= minimum]
    known = [row[end] for row in enough for end in ("lower", "upper") if row[end] is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return {
        "rows": [
            {**row, "rank": _rank(row, enough), "bar": _bar(row, low, high)} for row in enough
        ],
        "few": [row for row in ratings if row["battles"] < minimum],
        "warnings": found["warnings"],
        "heat": fragment(battles, found),
    }


def _rank(row: dict[str, Any], listed: list[dict[str, Any]]) -> int:
    """1 + how many of those listed are surely better; of a model with few votes none is sure."""
    if row["upper"] is None:
        return row["rank"]
    same = (other for other in listed if other["group"] == row["group"])
    return 1 + sum(o["lower"] is not None and o["lower"] > row["upper"] for o in same)


def _bar(row: dict[str, Any], low: float, high: float) -> dict[str, float] | None:
    """Where rating and interval lie between the board's ends, in percent."""
    if any(row[name] is None for name in ("lower", "rating", "upper")):
        return None
    places = (row[name] for name in ("lower", "rating", "upper"))
    from_, at, to = (100 * (value - low) / ((high - low) or 1) for value in places)
    return {"from": from_, "at": at, "width": to - from_}


def _said(count: int, left_out: int) -> str:
    said = f"{plural(count, 'vote')} counted"
    return f"{said}, {whole(left_out)} kept but not counted." if left_out else f"{said}."
