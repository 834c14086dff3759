"""The ratings of one group of models that battles join."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gristmill.arena.battles import Battles, Names
from gristmill.arena.fit import CENTRE, SCALE, Cells, Fit, cells_of, fit
from gristmill.arena.groups import Group, bounded
from gristmill.arena.likelihood import probabilities
from gristmill.arena.settings import Settings
from gristmill.arena.uncertainty import Spread, bootstrap, clustered, opened, sandwich
from gristmill.errors import DataError

CHANCE = 0.025
"""How likely a record without a loss would still be at the end of the interval of its model."""


@dataclass(frozen=True)
class Rated:
    """A group's ratings, in points and in the order of `Group.models`. A rating without a finite
    maximum is infinite, or NaN where not even its direction is known; `note` says why.

    ties: nu or eta. style: a coefficient each. clusters: their number. gradient: see `Fit`.
    """

    rating: np.ndarray
    se: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    note: list[str]
    ties: float | None = None
    style: list[dict[str, Any]] = field(default_factory=list)
    clusters: int | None = None
    gradient: float | None = None


def rate(battles: Battles, group: Group, settings: Settings, style: dict[str, np.ndarray]) -> Rated:
    """Fit the models of a group that have finite ratings, and say of the others what is known.

    style: scaled covariates, a value for each battle.
    """
    members = group.models if settings.l2 > 0 else group.core
    rated = _blank(len(group.models))
    notes = (("undefeated", group.above, np.inf), ("winless", group.below, -np.inf))
    place = {model: at for at, model in enumerate(group.models.tolist())}
    for note, models, rating in notes if settings.l2 == 0 else ():
        for model in models.tolist():
            rated.rating[place[model]] = rating
            rated.note[place[model]] = note
    if settings.l2 == 0:
        lone = group.apart.tolist() if len(group.core) else group.models.tolist()
        for model in lone:
            rated.note[place[model]] = "not comparable"
    if not len(members):
        return rated
    part, covariates = _among(battles, members, style)
    by_cluster = settings.intervals == "cluster"
    cells = cells_of(part, covariates, rows=by_cluster)
    at = [place[model] for model in members.tolist()]
    if settings.l2 == 0 and settings.method != "bt" and not bounded(cells):
        for model in at:
            rated.note[model] = "no maximum"
        return rated
    found = fit(cells, settings.method, l2=settings.l2)  # type: ignore[arg-type]
    spread, clusters = _spread(found, cells, part, settings)
    size = len(members)
    spread = opened(spread, size)
    rated.rating[at] = CENTRE + SCALE * found.theta
    rated.se[at] = SCALE * spread.se[:size]
    rated.lower[at] = CENTRE + SCALE * spread.lower[:size]
    rated.upper[at] = CENTRE + SCALE * spread.upper[:size]
    if settings.l2 == 0:
        _bound(rated, battles, group, found)
    return Rated(
        rated.rating,
        rated.se,
        rated.lower,
        rated.upper,
        rated.note,
        None if found.ties is None else float(np.exp(found.ties)),
        _coefficients(found, spread, list(style)),
        clusters,
        found.gradient,
    )


def _blank(size: int) -> Rated:
    far = np.full(size, np.inf)
    return Rated(np.full(size, np.nan), far.copy(), -far, far, [""] * size)


def _among(
    battles: Battles, members: np.ndarray, style: dict[str, np.ndarray]
) -> tuple[Battles, np.ndarray]:
    """The battles among some models, these numbered anew, and their covariates, a row each."""
    place = np.full(len(battles.models), -1, dtype=np.int32)
    place[members] = np.arange(len(members), dtype=np.int32)
    a, b = place[battles.a], place[battles.b]
    rows = (a >= 0) & (b >= 0)
    if rows.all():
        rows = slice(None)  # Without a copy.
    z = np.stack(list(style.values()), axis=1) if style else np.empty((len(battles), 0))
    names = {k: Names(n.codes[rows], n.names) for k, n in battles.names.items()}
    models = [battles.models[m] for m in members]
    return Battles(models, a[rows], b[rows], battles.outcome[rows], names), z[rows]


def _spread(
    found: Fit, cells: Cells, part: Battles, settings: Settings
) -> tuple[Spread, int | None]:
    if settings.intervals == "sandwich":
        return sandwich(found, cells, settings.l2), None
    if settings.intervals == "bootstrap":
        return bootstrap(found, cells, settings.rounds, settings.seed, settings.l2), None
    names = part.names.get(settings.cluster_by)
    if names is None:
        raise DataError(f"--cluster-by {settings.cluster_by}: the battles have no such column")
    return clustered(found, cells, names.codes, settings.l2)


def _coefficients(found: Fit, spread: Spread, names: list[str]) -> list[dict[str, Any]]:
    first = found.free - len(names)
    return [
        {
            "name": name,
            "coefficient": float(found.style[n]),
            "lower": float(spread.lower[first + n]),
            "upper": float(spread.upper[first + n]),
            "se": float(spread.se[first + n]),
            "points": float(SCALE * found.style[n]),
        }
        for n, name in enumerate(names)
    ]


def _bound(rated: Rated, battles: Battles, group: Group, found: Fit) -> None:
    """The one end that an undefeated or winless model's interval has: the rating at which its
    record against rated models would have had a chance of 2.5 %, their ratings taken as they are.
    """
    core = {model: at for at, model in enumerate(group.core.tolist())}
    for at, model in enumerate(group.models.tolist()):
        if not np.isinf(rated.rating[at]):
            continue
        met = np.concatenate([battles.b[battles.a == model], battles.a[battles.b == model]])
        theirs = np.array([found.theta[core[m]] for m in met.tolist() if m in core])
        if not len(theirs):
            continue
        sign = 1.0 if rated.rating[at] > 0 else -1.0
        end = CENTRE + SCALE * sign * _least(found, sign * theirs)
        (rated.lower if sign > 0 else rated.upper)[at] = end


def _least(found: Fit, theirs: np.ndarray) -> float:
    """The strength at which winning against all of `theirs` has the chance `CHANCE`."""
    t = -np.inf if found.ties is None else found.ties
    if found.method == "rao-kupper":
        t = found.ties or 0.0
    low, high = float(theirs.min()) - 60, float(theirs.max()) + 60
    for _ in range(100):
        middle = (low + high) / 2
        wins = probabilities(found.method, middle - theirs, t)[:, 0]
        if np.log(np.maximum(wins, 1e-300)).sum() < np.log(CHANCE):
            low = middle
        else:
            high = middle
    return high
