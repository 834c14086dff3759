"""Judges whose votes look like chance, or like the opposite of everyone else's.

The usual test asks whether a judge's outcomes are likely under the ratings; a person who says
"tie" more often than others fails it, and a third of honest voters is flagged once there are
ties. Here only decisive votes count, and of these whether they follow the difference in strength:

    S = sum (y - p) d,   y: 1 where A won, p = s(d), d: the difference in Davidson's model,

the score of a logistic regression of votes on d at slope 1. Given that a vote is decisive, p is
its chance whatever the judge's liking for ties. A judge who clicks at random, or always on one
side, has S far below 0; its chance under honest voting is simulated, so that the rate of false
alarms is the one that was asked for.
"""

from __future__ import annotations

from math import erfc, sqrt
from typing import Any

import numpy as np

from gristmill.arena.battles import A, B, Battles
from gristmill.arena.fit import cells_of, fit
from gristmill.arena.groups import bounded, groups_of

LEAST = 5
"""Decisive votes below which nothing can be said of a judge."""
MOST = 20_000
"""Judges that are looked at; those with most votes first."""
_SIMULATED = 500
"""Decisive votes up to which the chance is simulated. Of more, the sum is as good as normal."""
_DRAWS = 20_000


def suspects(battles: Battles, rate: float, seed: int) -> dict[str, Any] | None:
    """The judges whose votes honest voting would give with a chance below `rate`.

    Returns their number `tested`, the `rate`, how many false alarms to expect, and `flagged`: each
    with its votes, decisive votes, the share in which the stronger model won, the share expected
    and the chance p. None where the battles do not say who judged.
    """
    judges = battles.names.get("judge")
    if judges is None:
        return None
    strengths = _strengths(battles)
    decisive = (battles.outcome == A) | (battles.outcome == B)
    rows = np.flatnonzero(decisive & (judges.codes >= 0))
    d = strengths[battles.a[rows]] - strengths[battles.b[rows]]
    rows, d = rows[np.isfinite(d)], d[np.isfinite(d)]
    codes = judges.codes[rows]
    # From the stronger model's side, so that the sides of a battle decide nothing.
    won, d = (battles.outcome[rows] == A) != (d < 0), np.abs(d)
    p = 0.5 * (1 + np.tanh(d / 2))
    size = len(judges.names)
    votes = np.bincount(judges.codes[judges.codes >= 0], minlength=size)
    counted = np.bincount(codes, minlength=size)
    score = np.bincount(codes, (won - p) * d, size)
    spread = np.sqrt(np.bincount(codes, p * (1 - p) * d**2, size))
    tested = [j for j in np.argsort(-counted, kind="stable")[:MOST] if counted[j] >= LEAST]
    flagged = []
    for judge in tested:
        # Far on the honest side nothing needs to be simulated, and no votes be looked up.
        if spread[judge] == 0 or score[judge] > -0.5 * spread[judge]:
            continue
        chance = _normal(float(score[judge] / spread[judge]))
        own = None
        if counted[judge] <= _SIMULATED:
            own = np.flatnonzero(codes == judge)
            chance = _simulated(float(score[judge]), d[own], p[own], (seed, int(judge)), rate)
        if chance < rate:
            own = np.flatnonzero(codes == judge) if own is None else own
            flagged.append(
                {
                    "judge": judges.names[judge],
                    "votes": int(votes[judge]),
                    "decisive": int(counted[judge]),
                    "agreement": float((won[own] & (d[own] > 0)).mean()),
                    "expected": float(p[own].mean()),
                    "p": chance,
                }
            )
    return {
        "judges": int((votes > 0).sum()),
        "tested": len(tested),
        "rate": rate,
        "expected": rate * len(tested),
        "flagged": sorted(flagged, key=lambda each: (each["p"], each["judge"])),
    }


def _strengths(battles: Battles) -> np.ndarray:
    """Davidson's strengths; NaN for models that have none which are finite."""
    found = np.full(len(battles.models), np.nan)
    cells = cells_of(battles)
    for group in groups_of(cells):
        if len(group.core):
            keep = np.zeros(cells.size, dtype=bool)
            keep[group.core] = True
            inner = cells.within(keep)
            if bounded(inner):
                found[keep] = fit(inner, "davidson").theta
    return found


def _normal(z: float) -> float:
    return 0.5 * erfc(-z / sqrt(2))


def _simulated(
    score: float, d: np.ndarray, p: np.ndarray, seed: tuple[int, int], rate: float
) -> float:
    """The chance that honest votes have a score as low as this; roughly, where it is far above
    the rate."""
    rng = np.random.default_rng(seed)
    lower = drawn = 0
    # In parts, so that the table stays small; the tolerance is rounding alone.
    while drawn < _DRAWS and (lower < 20 or lower < 3 * rate * drawn):
        votes = rng.random((_DRAWS // 10, len(d))) < p
        lower += int(((votes - p) @ d <= score + 1e-9).sum())
        drawn += len(votes)
    return (lower + 1) / (drawn + 1)
