"""Means, shares and correlations with their 95 % intervals, for every page that states one."""

from __future__ import annotations

from math import atanh, sqrt, tanh
from typing import Any

import numpy as np

Z95 = 1.959964
"""The normal deviate of a two-sided 95 % interval."""


def mean_of(values: np.ndarray) -> dict[str, Any]:
    """Mean over prompts, standard error, 95 % interval and n. values: (P,); NaN is left out."""
    values = values[np.isfinite(values)]
    if not len(values):
        return {"mean": None, "se": None, "low": None, "high": None, "n": 0}
    mean = float(values.mean())
    se = float(values.std(ddof=1) / sqrt(len(values))) if len(values) > 1 else None
    low, high = (None, None) if se is None else (mean - Z95 * se, mean + Z95 * se)
    return {"mean": mean, "se": se, "low": low, "high": high, "n": len(values)}


def wilson(wins: float, n: int) -> tuple[float, float] | None:
    """Wilson's 95 % interval of a share of n (Wilson 1927), None of nothing.

    With p = wins / n and z = 1.96 its ends are
    (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).
    """
    if n == 0:
        return None
    p, z2 = wins / n, Z95 * Z95 / n
    middle, half = p + z2 / 2, Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n))
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    # Rounding must not leave the share itself outside, at 0 and at 1.
    return max(0.0, min(p, low)), min(1.0, max(p, high))


def fisher(r: float | None, n: float | None) -> tuple[float, float] | None:
    """Fisher's 95 % interval of a correlation of n pairs of values; None where there is none.

    artanh r is about normal with the deviation 1 / sqrt(n - 3).
    """
    if r is None or n is None or n <= 3 or abs(r) >= 1:
        return None
    half = Z95 / sqrt(n - 3)
    return tanh(atanh(r) - half), tanh(atanh(r) + half)
