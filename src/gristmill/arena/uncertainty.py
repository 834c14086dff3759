"""How far off ratings may be: sandwich, cluster-robust and bootstrap.

The sandwich H^-1 B H^-1 (Huber 1967, White 1982), H the information and B the sum of squared
scores, holds whether or not the model is true of each pair. Its cluster form (Liang and Zeger
1986) sums the scores of a judge, a prompt or a pair shown before it squares them, since votes that
have these in common are not independent: on real votes the error by prompt is 1.4 times the naive
one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from gristmill.arena.battles import TIE, UNNAMED
from gristmill.arena.fit import Cells, Fit, assemble, fit, information, solve, weighted
from gristmill.arena.groups import bounded, groups_of
from gristmill.intervals import Z95

_TOLERANCE = 1e-7
"""Of a bootstrap round's fit. Newton's method has then less than a thousandth of a point to go."""
FEW = 10
"""Battles of a model below which the sandwich alone is not believed: a single tie, which the fit
explains wholly, would leave nothing open. The interval is then at least the information's."""
_TABLE = 1 << 22
"""Numbers in the table of clusters' scores that is held at once."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of each parameter, strengths first: standard error and the ends of its 95 % interval, in
    natural logarithms. An end that nothing holds is infinite."""

    se: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def opened(spread: Spread, strengths: int) -> Spread:
    """The same; open where no strength has any spread. Battles that are all alike, as when all are
    tied, do not say how far off ratings may be."""
    if spread.se[:strengths].any():
        return spread
    far = np.full(len(spread.se), np.inf)
    return Spread(far, -far, far)


def sandwich(found: Fit, cells: Cells, l2: float = 0.0) -> Spread:
    """Intervals for independent battles."""
    at, weight, tied = found.terms, cells.weight, found.ties is not None
    scores = assemble(cells, weight * at.d**2, weight * at.d * at.t, weight * at.t**2, tied)
    return _normal(found, cells, scores, l2, Z95)


def clustered(
    found: Fit, cells: Cells, clusters: np.ndarray, l2: float = 0.0
) -> tuple[Spread, int]:
    """Intervals where the battles of one cluster (a code each; `UNNAMED` is alone) may depend on
    each other. Returns them and the number of clusters, G.

    Scaled by G / (G - 1), with Student's t of G - 1 degrees of freedom: of few clusters the spread
    itself is badly known. A single cluster says nothing: the intervals are then infinite.
    """
    from scipy.special import stdtrit

    codes = _numbered(clusters)
    count = int(codes.max()) + 1
    if count < 2:
        far = np.full(found.free, np.inf)
        return Spread(far, -far, far), count
    scores = _scores_of(found, cells, codes, count) * (count / (count - 1))
    width = float(stdtrit(count - 1, 0.975))
    return _normal(found, cells, scores, l2, width), count


def _numbered(clusters: np.ndarray) -> np.ndarray:
    """Codes from 0 on without gaps; those without a name each get their own."""
    alone = clusters == UNNAMED
    codes = np.empty(len(clusters), dtype=np.int64)
    names, codes[~alone] = np.unique(clusters[~alone], return_inverse=True)
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes


def _scores_of(found: Fit, cells: Cells, codes: np.ndarray, count: int) -> np.ndarray:
    """The sum over clusters of s s', s being the sum of a cluster's scores."""
    assert cells.of_row is not None
    order = np.argsort(codes, kind="stable")
    codes, rows = codes[order], cells.of_row[order]
    at, free, tied = found.terms, found.free, found.ties is not None
    total = np.zeros((free, free))
    step = max(1, _TABLE // free)
    for first in range(0, count, step):
        last = min(first + step, count)
        part = slice(*np.searchsorted(codes, (first, last)))
        of, row = codes[part] - first, rows[part]
        by_d = at.d[row]
        table = np.bincount(of * free + cells.i[row], by_d, (last - first) * free)
        table -= np.bincount(of * free + cells.j[row], by_d, (last - first) * free)
        table = table.reshape(last - first, free)
        if tied:
            table[:, cells.size] += np.bincount(of, at.t[row], last - first)
        for n in range(cells.z.shape[1]):
            values = by_d * cells.z[row, n]
            table[:, cells.size + tied + n] += np.bincount(of, values, last - first)
        total += table.T @ table
    return total


def _normal(found: Fit, cells: Cells, scores: np.ndarray, l2: float, width: float) -> Spread:
    """Intervals of the sandwich with `scores` inside, `width` standard errors to each side."""
    size = cells.size
    bread = information(cells, found.terms, found.ties is not None)
    bread[:size, :size] += l2 * np.eye(size)
    half = solve(bread, scores, size)
    se = _errors(solve(bread, half.T, size), size)
    battles = np.bincount(cells.i, cells.weight, size) + np.bincount(cells.j, cells.weight, size)
    if se[:size].any() and (few := np.flatnonzero(battles < FEW)).size:
        plain = _errors(solve(bread, np.eye(len(bread)), size), size)
        se[few] = np.maximum(se[few], plain[few])
    centre = parameters(found)
    return Spread(se, centre - width * se, centre + width * se)


def _errors(covariance: np.ndarray, size: int) -> np.ndarray:
    """Standard errors. Strengths are given from their mean: the error of that is not theirs."""
    from_mean = np.eye(len(covariance))
    from_mean[:size, :size] -= 1 / size
    return np.sqrt(np.maximum(np.diag(from_mean @ covariance @ from_mean.T), 0))


def parameters(found: Fit) -> np.ndarray:
    """All parameters of a fit in one row: strengths, ties, style."""
    ties = [] if found.ties is None else [found.ties]
    return np.concatenate([found.theta, ties, found.style])


def bootstrap(found: Fit, cells: Cells, rounds: int, seed: int, l2: float = 0.0) -> Spread:
    """Percentiles of fits to resampled battles: multinomial over the cells, each begun at the
    fit. Round r's numbers depend on seed and r alone."""
    chances = cells.weight / cells.weight.sum()
    drawn = np.empty((rounds, found.free))
    battles = round(cells.weight.sum())
    for number in range(rounds):
        rng = np.random.default_rng((seed, number))
        drawn[number] = _again(found, weighted(cells, resampled(rng, battles, chances)), l2)
    return percentiles(drawn)


def resampled(rng: np.random.Generator, battles: int, chances: np.ndarray) -> np.ndarray:
    """How often each cell is drawn when as many battles are drawn with replacement.

    Multinomial, and three times as fast as drawing it directly where cells are many: numbers that
    are Poisson with a sum m are multinomial of m draws, and the rest is drawn one by one.
    """
    expected = battles - 5 * sqrt(battles)
    if expected < len(chances):
        return rng.multinomial(battles, chances).astype(np.float64)
    while (drawn := rng.poisson(expected * chances)).sum() > battles:
        pass  # Once in a million rounds. What m is, if not too large, changes nothing.
    bounds = np.cumsum(chances)
    rest = np.searchsorted(bounds, rng.random(battles - drawn.sum()) * bounds[-1], side="right")
    return (drawn + np.bincount(rest, minlength=len(chances))).astype(np.float64)


def _again(found: Fit, cells: Cells, l2: float) -> np.ndarray:
    """The parameters for resampled cells. Strengths without a finite maximum are infinite, and
    NaN where nothing at all is known of them."""
    method = found.method
    whole = [] if l2 > 0 else groups_of(cells)
    if l2 > 0 or (len(whole) == 1 and len(whole[0].core) == cells.size):
        if l2 == 0 and method != "bt" and not bounded(cells):
            return np.full(found.free, np.nan)
        again = fit(cells, method, l2=l2, start=found, tolerance=_TOLERANCE)
        return _padded(found, again, cells)
    result = np.full(found.free, np.nan)
    group = whole[0]
    result[group.above], result[group.below] = np.inf, -np.inf
    if len(group.core):
        keep = np.zeros(cells.size, dtype=bool)
        keep[group.core] = True
        start = replace(found, theta=found.theta[keep])
        inner = cells.within(keep)
        if method != "bt" and not bounded(inner):
            return result
        part = fit(inner, method, start=start, tolerance=_TOLERANCE)
        # Of fewer models the mean is another: they are put where the others last saw them.
        result[group.core] = part.theta + found.theta[keep].mean()
        result[cells.size :] = _padded(found, part, inner)[len(part.theta) :]
    return result


def _padded(found: Fit, again: Fit, cells: Cells) -> np.ndarray:
    """The parameters; that of ties may be missing, where no tie was drawn, or nothing else."""
    if found.ties is not None and again.ties is None:
        none = -np.inf if found.method == "davidson" else 0.0
        none = np.inf if (cells.outcome == TIE).all() else none
        return np.concatenate([again.theta, [none], again.style])
    return parameters(again)


def percentiles(drawn: np.ndarray) -> Spread:
    """2.5 % and 97.5 % of each column of rounds, and the standard deviation. What a round knows
    nothing of (NaN) may be anywhere.

    The k-th of R rounds stands for k / (R + 1) (Weibull's positions): others are too narrow where
    rounds are few.
    """
    known = np.isfinite(drawn)
    if known.all():
        lower, upper = np.quantile(drawn, (0.025, 0.975), axis=0, method="weibull")
        return Spread(drawn.std(axis=0, ddof=1), lower, upper)
    ends = []
    for share, anywhere in ((0.025, -np.inf), (0.975, np.inf)):
        filled = np.where(np.isnan(drawn), anywhere, drawn)
        ends.append(np.quantile(filled, share, axis=0, method="inverted_cdf"))
    errors = [
        column[fine].std(ddof=1) if fine.all() else np.inf
        for column, fine in zip(drawn.T, known.T, strict=True)
    ]
    return Spread(np.array(errors), *ends)
