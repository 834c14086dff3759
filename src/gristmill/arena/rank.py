"""From battles to ratings, ranks, and what has to be said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from gristmill.arena.battles import TIE, Battles
from gristmill.arena.boards import OVERALL, of_category
from gristmill.arena.elo import elo, elo_rounds
from gristmill.arena.fit import CENTRE, cells_of
from gristmill.arena.groups import Group, groups_of
from gristmill.arena.rate import Rated, rate
from gristmill.arena.settings import Settings
from gristmill.arena.style import FEATURES
from gristmill.arena.suspects import suspects
from gristmill.arena.uncertainty import opened, percentiles
from gristmill.arena.withdrawn import withdrawn
from gristmill.arena.words import warnings
from gristmill.errors import ConfigError, DataError


def rank(
    battles: Battles, settings: Settings | None = None, *, judges: bool = True
) -> dict[str, Any]:
    """The leaderboard as JSON values: `ratings`, best first, `warnings`, and how they came about.

    A rating is on the scale of 400 points for odds of ten to one, its group's mean 1000 unless
    anchored; `lower` and `upper` are the ends of the 95 % interval, `rank` is 1 + the number of
    models of the group whose lower end is above this one's upper. A model without a finite rating
    has null, and says why in `note`. judges: whether to look for suspect ones.

    Raises DataError or ConfigError.
    """
    settings = settings or Settings()
    battles = of_category(battles, settings.category)
    if settings.method == "elo":
        battles = battles.in_time()
    style = _style(battles, settings)
    groups = groups_of(cells_of(battles))
    if settings.method == "elo":
        fits = _rate_elo(battles, groups, settings)
    else:
        fits = [rate(battles, group, settings, style) for group in groups]
    rows = []
    for number, (group, rated) in enumerate(zip(groups, fits, strict=True), 1):
        rows += _rows(battles, group, rated, number, settings)
    if settings.anchor and settings.anchor[0] not in {row["model"] for row in rows}:
        raise ConfigError(_unknown_anchor(settings.anchor[0], battles.models))
    ties = float((battles.outcome >= TIE).mean())
    found = {
        "method": settings.method,
        "intervals": settings.intervals,
        "cluster_by": settings.cluster_by if settings.intervals == "cluster" else None,
        "clusters": fits[0].clusters,
        "rounds": settings.rounds if settings.intervals == "bootstrap" else None,
        "category": settings.category,
        "battles": len(battles),
        "models": len(rows),
        "groups": len(groups),
        "anchor": list(settings.anchor) if settings.anchor else None,
        "ties": {"share": ties, "parameter": fits[0].ties},
        "style": fits[0].style,
        "gradient": max((f.gradient for f in fits if f.gradient is not None), default=None),
        "ratings": rows,
        "unused_columns": dict(battles.unused),
        "judges": suspects(battles, settings.flag_rate, settings.seed) if judges else None,
        # A board of some battles cannot tell which of those taken back would be on it.
        "withdrawn": withdrawn(battles, settings.flag_rate)
        if judges and settings.category == OVERALL
        else None,
    }
    return {**found, "warnings": warnings(found, battles.notes)}


def _style(battles: Battles, settings: Settings) -> dict[str, np.ndarray]:
    """The covariates to be fitted, each scaled to a root mean square of 1.

    They are not centred: exchanging the sides of a battle has to leave the ratings alone.
    """
    wanted = settings.covariates or (FEATURES if settings.style else ())
    if absent := [name for name in wanted if name not in battles.covariates]:
        if settings.covariates:
            raise DataError(f"covariate '{absent[0]}' is not in every file of battles")
        raise DataError(
            "style control needs the answers (`conversation_a`, `conversation_b`) of every battle, "
            "or numeric columns named with --covariates"
        )
    found = {}
    for name in wanted:
        values = battles.covariates[name]
        size = float(np.sqrt(np.mean(values**2)))
        if size > 0:  # What never differs can explain nothing.
            found[name] = values / size
    return found


def _rate_elo(battles: Battles, groups: Sequence[Group], settings: Settings) -> list[Rated]:
    """Every group's ratings, from one pass over all battles."""
    ratings = elo(battles)
    rounds = elo_rounds(battles, settings.rounds, settings.seed)
    return [_of_group(ratings[g.models], rounds[:, g.models]) for g in groups]


def _of_group(ratings: np.ndarray, rounds: np.ndarray) -> Rated:
    spread = opened(percentiles(rounds), len(ratings))
    shift = CENTRE - ratings.mean()
    return Rated(
        rating=ratings + shift,
        se=spread.se,
        lower=spread.lower + shift,
        upper=spread.upper + shift,
        note=[""] * len(ratings),
    )


def _rows(
    battles: Battles, group: Group, rated: Rated, number: int, settings: Settings
) -> list[dict[str, Any]]:
    fought = np.bincount(battles.a, minlength=len(battles.models))
    fought = fought + np.bincount(battles.b, minlength=len(battles.models))
    names = [battles.models[place] for place in group.models]
    shift = 0.0
    if settings.anchor and settings.anchor[0] in names:
        own = float(rated.rating[names.index(settings.anchor[0])])
        if not np.isfinite(own):
            raise ConfigError(f"--anchor: '{settings.anchor[0]}' has no finite rating of its own")
        shift = settings.anchor[1] - own
    rows = []
    for at, name in enumerate(names):
        above = int((rated.lower > rated.upper[at]).sum())
        values = (rated.rating[at], rated.lower[at], rated.upper[at])
        rating, lower, upper = (float(v + shift) if np.isfinite(v) else None for v in values)
        se = float(rated.se[at])
        rows.append(
            {
                "model": name,
                "rating": rating,
                "lower": lower,
                "upper": upper,
                "se": se if np.isfinite(se) else None,
                "rank": 1 + above,
                "battles": int(fought[group.models[at]]),
                "group": number,
                "note": rated.note[at],
            }
        )
    order = sorted(range(len(rows)), key=lambda at: _place(rows[at], rated, at))
    return [rows[at] for at in order]


def _place(row: Mapping[str, Any], rated: Rated, at: int) -> tuple[float, float, str]:
    # Infinite ratings sort among themselves by the end that is known.
    rating = float(rated.rating[at])
    known = rated.lower[at] if rating == np.inf else rated.upper[at] if rating == -np.inf else 0.0
    return (
        -rating if not np.isnan(rating) else np.inf,
        -float(known) if np.isfinite(known) else 0.0,
        row["model"],
    )


def _unknown_anchor(name: str, models: list[str]) -> str:
    near = get_close_matches(name, models, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(models[:10])}"
    return f"--anchor: no battle of '{name}'; {hint}"
