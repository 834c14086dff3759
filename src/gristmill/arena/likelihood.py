"""What three models say of one battle: log-likelihood, gradient and curvature.

All of them depend on the models' strengths through d = theta_a - theta_b (+ style) alone, and two
of them on a parameter for ties. Each is concave in all of them together, so Newton's method finds
the one maximum, if there is one.

- Bradley and Terry (1952): P(a) = s(d); a tie is half a win of each.
- Davidson (1970): P(a) : P(tie) : P(b) = exp(d/2) : exp(t) : exp(-d/2); nu = exp(t).
- Rao and Kupper (1967): P(a) = s(d - t), P(b) = s(-d - t), and a tie is the rest; eta = exp(t).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gristmill.arena.battles import A, B

Method = Literal["bt", "davidson", "rao-kupper"]


@dataclass(frozen=True, slots=True)
class Terms:
    """Of each battle: log-likelihood, its first derivatives by d and t, and the second ones with
    the sign turned. What belongs to t is 0 where there is no parameter of ties."""

    value: np.ndarray
    d: np.ndarray
    t: np.ndarray
    dd: np.ndarray
    dt: np.ndarray
    tt: np.ndarray


def terms(method: Method, d: np.ndarray, t: float, outcome: np.ndarray) -> Terms:
    """The terms of battles with differences `d` (natural logarithms) and outcomes 0 (A wins),
    1 (B wins) or 2 and 3 (ties)."""
    if method == "bt":
        return _bradley_terry(d, outcome)
    return _davidson(d, t, outcome) if method == "davidson" else _rao_kupper(d, t, outcome)


def probabilities(method: Method, d: np.ndarray, t: float) -> np.ndarray:
    """P(A wins), P(B wins), P(tie) along a new last axis. Bradley and Terry know no ties: 0."""
    if method == "bt":
        return np.stack([_sigmoid(d), _sigmoid(-d), np.zeros_like(d)], axis=-1)
    if method == "davidson":
        return _davidson_shares(d, t)
    win, loss = _sigmoid(d - t), _sigmoid(-d - t)
    return np.stack([win, loss, np.expm1(2 * t) * win * loss], axis=-1)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Of the smaller side first, since exp overflows for large differences.
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1 + small)


def _log_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))


_NOTHING = np.zeros(1)


def _bradley_terry(d: np.ndarray, outcome: np.ndarray) -> Terms:
    share = np.array([1.0, 0.0, 0.5, 0.5])[outcome]
    small = np.exp(-np.abs(d))
    p = np.where(d < 0, small, 1.0) / (1 + small)
    value = share * d - np.maximum(d, 0.0) - np.log(1 + small)
    return Terms(value, share - p, _NOTHING, p * (1 - p), _NOTHING, _NOTHING)


def _davidson_shares(d: np.ndarray, t: float) -> np.ndarray:
    logs = np.stack([d / 2, -d / 2, np.full_like(d, t)], axis=-1)
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def _davidson(d: np.ndarray, t: float, outcome: np.ndarray) -> Terms:
    p = _davidson_shares(d, t)
    tie = outcome > B
    half = np.array([0.5, -0.5, 0.0, 0.0])[outcome]
    mean = (p[..., 0] - p[..., 1]) / 2
    ties = p[..., 2]
    with np.errstate(divide="ignore"):
        value = np.log(np.take_along_axis(p, np.minimum(outcome, 2)[..., None], -1)[..., 0])
    return Terms(
        value,
        half - mean,
        tie - ties,
        (1 - ties) / 4 - mean**2,
        -mean * ties,
        ties * (1 - ties),
    )


def _rao_kupper(d: np.ndarray, t: float, outcome: np.ndarray) -> Terms:
    # A tie has the product of both factors, and exp(2t) - 1.
    tie = outcome > B
    a, b = (((outcome == side) | tie).astype(np.float64) for side in (A, B))
    up, down = _sigmoid(d - t), _sigmoid(-d - t)
    value = a * _log_sigmoid(d - t) + b * _log_sigmoid(-d - t)
    first, second = a * up * (1 - up), b * down * (1 - down)
    by_t = -a * (1 - up) - b * (1 - down)
    by_tt = first + second
    if t > 0:
        value = value + tie * np.log(np.expm1(2 * t))
        by_t = by_t + tie * (2 / -np.expm1(-2 * t))
        by_tt = by_tt + tie / np.sinh(t) ** 2
    return Terms(
        value,
        a * (1 - up) - b * (1 - down),
        by_t,
        first + second,
        second - first,
        by_tt,
    )
