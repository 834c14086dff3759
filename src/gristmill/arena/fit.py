"""The strengths that make the battles likeliest: Newton's method, to the end.

Equal battles are one cell with a weight, so a million battles of a hundred models are some ten
thousand cells; with covariates each battle is its own cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gristmill.arena.battles import TIE, A, B, Battles
from gristmill.arena.likelihood import Method, Terms, terms
from gristmill.errors import RunError

SCALE = 400 / np.log(10)
"""Points for one unit of natural logarithm: 400 points are odds of ten to one."""
CENTRE = 1000.0
TOLERANCE = 1e-10
"""Largest derivative of the mean log-likelihood at which a fit has converged. It goes on while that
still falls, which Newton's method does to the last digits in a step or two."""
STEPS = 100
_DENSE = 1500
"""Models up to which all possible cells are counted in one table of 3 x models x models."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Equal battles, each kind once. i, j: models; outcome: A (i wins), B or TIE.

    weight: how often. z: covariates, one row a cell; no columns where there are none.
    of_row: for each battle its cell. A side may be exchanged: what a battle adds to the gradient
    of i and j is its cell's all the same.
    """

    size: int
    i: np.ndarray
    j: np.ndarray
    outcome: np.ndarray
    weight: np.ndarray
    z: np.ndarray
    of_row: np.ndarray | None = None

    def within(self, keep: np.ndarray) -> Cells:
        """The cells of battles among the models of `keep` (bool each), numbered anew."""
        place = np.cumsum(keep) - 1
        rows = keep[self.i] & keep[self.j]
        return Cells(
            int(keep.sum()),
            place[self.i[rows]],
            place[self.j[rows]],
            self.outcome[rows],
            self.weight[rows],
            self.z[rows],
        )


def cells_of(battles: Battles, z: np.ndarray | None = None, *, rows: bool = False) -> Cells:
    """The cells of battles. z: covariates, a row each. rows: whether `of_row` is needed."""
    size, count = len(battles.models), len(battles)
    outcome = np.minimum(battles.outcome, TIE)
    if z is not None and z.shape[1]:
        own = np.arange(count) if rows else None
        weight = np.ones(count)
        return Cells(size, battles.a, battles.b, outcome, weight, z, own)
    swap = battles.a > battles.b
    i, j = np.where(swap, battles.b, battles.a), np.where(swap, battles.a, battles.b)
    # Exchanged, A's win is B's.
    flipped = np.array([B, A, TIE], dtype=np.int8)[outcome]
    key = (i.astype(np.int32 if size <= _DENSE else np.int64) * size + j) * 3
    key += np.where(swap, flipped, outcome)
    of_row = None
    if size <= _DENSE:
        weight = np.bincount(key, minlength=3 * size * size)
        found = np.flatnonzero(weight)
        weight = weight[found]
        if rows:
            place = np.zeros(3 * size * size, dtype=np.int64)
            place[found] = np.arange(len(found))
            of_row = place[key]
    else:
        found, of_row, weight = np.unique(key, return_inverse=True, return_counts=True)
    pair, result = np.divmod(found, 3)
    none = np.empty((len(found), 0))
    return Cells(
        size,
        *np.divmod(pair, size),
        result.astype(np.int8),
        weight.astype(np.float64),
        none,
        of_row,
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """A maximum. theta: strengths, natural logarithms, mean 0. ties: the parameter of ties (t in
    `likelihood`), None where the method has none or no battle was tied. style: coefficients.

    terms: of the cells, at the maximum. gradient: largest derivative of the mean log-likelihood.
    """

    method: Method
    theta: np.ndarray
    ties: float | None
    style: np.ndarray
    terms: Terms
    gradient: float
    steps: int

    @property
    def free(self) -> int:
        """How many parameters there are: strengths, ties, style."""
        return len(self.theta) + (self.ties is not None) + len(self.style)


def fit(
    cells: Cells,
    method: Method,
    *,
    l2: float = 0.0,
    start: Fit | None = None,
    tolerance: float = TOLERANCE,
) -> Fit:
    """The maximum of the likelihood of cells whose models are all comparable (see `groups`).

    l2: the precision of a normal prior on the strengths; 0 is none. start: a fit near by, of the
    same models. tolerance: a larger one for a fit among many. Raises RunError where no maximum is
    reached.
    """
    ties = cells.outcome == TIE
    if ties.all():
        method = "bt"  # Models are equal then, whatever the parameter, which is infinite.
    tied = method != "bt" and bool(ties.any())
    if method == "rao-kupper" and not tied:
        method = "bt"  # What it is with a parameter of 0.
    x = _start(cells, method, tied, start)
    total = cells.weight.sum()
    value, at = _value(cells, method, tied, l2, x)
    gradient = _gradient(cells, tied, l2, x, at)
    steps, before = 0, np.inf
    polish = tolerance <= TOLERANCE
    while (size := float(np.abs(gradient).max() / total)) > tolerance or (
        polish and size < before / 2
    ):
        if steps == STEPS:
            raise RunError(_unfinished(size, steps))
        before = size
        matrix = information(cells, at, tied)
        matrix[: cells.size, : cells.size] += l2 * np.eye(cells.size)
        step = solve(matrix, gradient, cells.size)
        # Concave, so a step too far is halved until it gains; near the end rounding decides.
        for _ in range(60):
            ahead = x + step
            if not (method == "rao-kupper" and ahead[cells.size] <= 0):
                reached, there = _value(cells, method, tied, l2, ahead)
                if reached >= value - 1e-12 * abs(value):
                    break
            step = step / 2
        else:
            raise RunError(_unfinished(size, steps))
        x, value, at = ahead, reached, there
        gradient = _gradient(cells, tied, l2, x, at)
        steps += 1
    theta = x[: cells.size] - x[: cells.size].mean()
    parameter = float(x[cells.size]) if tied else None
    return Fit(method, theta, parameter, x[cells.size + tied :], at, size, steps)


def _unfinished(size: float, steps: int) -> str:
    return (
        f"the ratings did not converge: after {steps} steps of Newton's method a derivative is "
        f"still {size:.1e}; covariates that are nearly the same can do that: leave one out"
    )


def _start(cells: Cells, method: Method, tied: bool, start: Fit | None) -> np.ndarray:
    x = np.zeros(cells.size + tied + cells.z.shape[1])
    if tied:
        share = cells.weight[cells.outcome == TIE].sum() / cells.weight.sum()
        odds = min(max(share, 1e-3), 1 - 1e-3)
        # What explains the share of ties if all models were equal.
        x[cells.size] = (
            np.log(2 * odds / (1 - odds))
            if method == "davidson"
            else np.log((1 + odds) / (1 - odds))
        )
    if start is not None:
        x[: cells.size] = start.theta
        x[cells.size + tied :] = start.style
        if tied and start.ties is not None:
            x[cells.size] = start.ties
    return x


def _value(
    cells: Cells, method: Method, tied: bool, l2: float, x: np.ndarray
) -> tuple[float, Terms]:
    theta = x[: cells.size]
    d = theta[cells.i] - theta[cells.j]
    if cells.z.shape[1]:
        d = d + cells.z @ x[cells.size + tied :]
    # Davidson's model without a tie is the limit at minus infinity.
    t = float(x[cells.size]) if tied else (-np.inf if method == "davidson" else 0.0)
    at = terms(method, d, t, cells.outcome)
    return float(cells.weight @ at.value) - l2 / 2 * float(theta @ theta), at


def _gradient(cells: Cells, tied: bool, l2: float, x: np.ndarray, at: Terms) -> np.ndarray:
    by_d = cells.weight * at.d
    parts = [_spread(cells, by_d) - l2 * x[: cells.size]]
    if tied:
        parts.append(np.array([cells.weight @ at.t]))
    parts.append(cells.z.T @ by_d)
    return np.concatenate(parts)


def _spread(cells: Cells, values: np.ndarray) -> np.ndarray:
    """What each model gets of values that are i's and, with the sign turned, j's."""
    size = cells.size
    return np.bincount(cells.i, values, size) - np.bincount(cells.j, values, size)


def information(cells: Cells, at: Terms, tied: bool) -> np.ndarray:
    """The matrix of second derivatives, its sign turned, over strengths, ties and style."""
    return assemble(cells, cells.weight * at.dd, cells.weight * at.dt, cells.weight * at.tt, tied)


def assemble(
    cells: Cells, dd: np.ndarray, dt: np.ndarray, tt: np.ndarray, tied: bool
) -> np.ndarray:
    """The sum over cells of products of (e_i - e_j, 1, z), with factors by the pair of parts."""
    size, more = cells.size, cells.z.shape[1]
    matrix = np.zeros((size + tied + more, size + tied + more))
    between = np.bincount(cells.i * np.int64(size) + cells.j, dd, size * size).reshape(size, size)
    between = between + between.T
    matrix[:size, :size] = np.diag(between.sum(axis=1)) - between
    if tied:
        matrix[:size, size] = matrix[size, :size] = _spread(cells, dt)
        matrix[size, size] = tt.sum()
    for n in range(more):
        at = size + tied + n
        matrix[:size, at] = matrix[at, :size] = _spread(cells, dd * cells.z[:, n])
        if tied:
            matrix[size, at] = matrix[at, size] = dt @ cells.z[:, n]
    matrix[size + tied :, size + tied :] = cells.z.T @ (dd[:, None] * cells.z)
    return matrix


def solve(matrix: np.ndarray, right: np.ndarray, size: int) -> np.ndarray:
    """matrix^+ right, where strengths are known up to a constant alone: their mean stays 0."""
    fixed = matrix.copy()
    fixed[:size, :size] += max(1.0, np.trace(matrix[:size, :size]) / size) / size
    try:
        return np.linalg.solve(fixed, right)
    except np.linalg.LinAlgError:
        raise RunError(
            "the ratings have no single maximum: one covariate follows from the others or from "
            "the models; leave it out"
        ) from None


def weighted(cells: Cells, weight: np.ndarray) -> Cells:
    """The cells with other weights; those without any are left out."""
    keep = weight > 0
    if keep.all():
        return replace(cells, weight=weight)
    return replace(
        cells,
        i=cells.i[keep],
        j=cells.j[keep],
        outcome=cells.outcome[keep],
        weight=weight[keep],
        z=cells.z[keep],
        of_row=None,
    )
