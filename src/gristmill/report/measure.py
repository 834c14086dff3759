"""Histograms, quantiles and correlations of a run, in memory that does not grow with it.

Two passes over the number columns alone: the first finds ranges, the second counts. Quantiles
are read off a fine histogram, exact to a 4,096th of the range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gristmill.records import ATTRIBUTES
from gristmill.report.folder import Run, Table, numbers, require

FINE = 4_096
MEASURED = (*ATTRIBUTES, "reward")


@dataclass
class Range:
    """The least, the greatest, and whether all values are whole numbers."""

    n: int = 0
    low: float = math.inf
    high: float = -math.inf
    whole: bool = True

    def add(self, values: np.ndarray) -> None:
        """Count in some finite values."""
        if values.size:
            self.n += values.size
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
            self.whole = self.whole and bool((values == np.rint(values)).all())


@dataclass
class Counts:
    """One histogram over `edges`, with the moments and quantiles of what it counted."""

    edges: np.ndarray
    counts: np.ndarray = field(init=False)
    n: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.edges) - 1, np.int64)
        self._fine = np.zeros(FINE, np.int64)
        self._low, self._high = math.inf, -math.inf

    def add(self, values: np.ndarray) -> None:
        """Count some finite values, all inside the edges."""
        if not values.size:
            return
        self.n += values.size
        self.total += float(values.sum(dtype=np.float64))
        self.counts += np.histogram(values, self.edges)[0]
        span = (float(self.edges[0]), float(self.edges[-1]))
        self._fine += np.histogram(values, FINE, span)[0]
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))

    @property
    def mean(self) -> float | None:
        """The mean, None of nothing."""
        return self.total / self.n if self.n else None

    @property
    def shares(self) -> np.ndarray:
        """The share of the counted values in every bin."""
        return self.counts / max(1, self.n)

    def quantile(self, q: float) -> float | None:
        """The value below which a share q lies, None of nothing."""
        if not self.n:
            return None
        below = np.cumsum(self._fine)
        at = int(np.searchsorted(below, q * self.n))
        at = min(at, FINE - 1)
        inside = (q * self.n - (below[at] - self._fine[at])) / max(1, int(self._fine[at]))
        width = float(self.edges[-1] - self.edges[0]) / FINE
        found = float(self.edges[0]) + (at + inside) * width
        return min(max(found, self._low), self._high)


@dataclass(frozen=True)
class Distribution:
    """One measured column, kept beside rejected."""

    name: str
    kept: Counts
    rejected: Counts
    whole: bool


@dataclass(frozen=True)
class Scores:
    """All that is known of the graded responses.

    correlation: Pearson's r between the columns named in `correlated`; NaN where one of them
    never changes; None when fewer than three responses have all of them.
    """

    distributions: tuple[Distribution, ...]
    kept: int
    rejected: int
    correlated: tuple[str, ...] = ()
    correlation: np.ndarray | None = None


def bin_edges(span: Range, within: tuple[float, float] | None = None) -> np.ndarray:
    """Round bin edges over a range: about twenty bins, or one a value for few whole numbers.

    within: widen to at least this scale, unless the values lie far outside of it.
    """
    low, high = span.low, span.high
    if within and low >= within[0] - 1 and high <= within[1] + 1:
        low, high = min(low, within[0]), max(high, within[1])
    if span.whole and high - low <= 24:
        return np.arange(math.floor(low) - 0.5, math.ceil(high) + 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    step = round_step((high - low) / 20)
    # The last edge must not fall short of the greatest value by a rounding error.
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    edges = np.round(np.arange(first, last + 1) * step, 12)
    edges[0], edges[-1] = min(edges[0], span.low), max(edges[-1], span.high)
    return edges


def round_step(rough: float) -> float:
    """The least of 1, 2, 2.5, 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * (1 - 1e-9))


def measure_scores(run: Run) -> Scores | None:
    """Measure `data/scored.parquet`; None when the run wrote none, or wrote it empty."""
    table = run.tables.get("scored")
    if table is None or not table.rows:
        return None
    require(table, "kept", "reward")
    names = [name for name in MEASURED if name in table.columns]
    ranges = {name: Range() for name in names}
    moments = Moments(len(names))
    sides = np.zeros(2, np.int64)
    for kept, values in _columns(table, names):
        sides += (int(kept.sum()), int((~kept).sum()))
        for name, column in values.items():
            ranges[name].add(column[np.isfinite(column)])
        moments.add(np.stack(list(values.values())))
    found = {
        name: Distribution(name, Counts(edges), Counts(edges), ranges[name].whole)
        for name, edges in (
            (n, bin_edges(r, (0, 4) if n != "reward" else None)) for n, r in ranges.items() if r.n
        )
    }
    for kept, values in _columns(table, list(found)):
        for name, each in found.items():
            finite = np.isfinite(values[name])
            each.kept.add(values[name][finite & kept])
            each.rejected.add(values[name][finite & ~kept])
    return Scores(
        tuple(found.values()), int(sides[0]), int(sides[1]), tuple(names), moments.correlation()
    )


def measure_gaps(run: Run) -> Counts | None:
    """Measure chosen_score - rejected_score of the pairs; None when there is no pair."""
    table = run.tables.get("preference")
    if table is None or not table.rows:
        return None
    require(table, "chosen_score", "rejected_score")

    def gaps() -> Iterable[np.ndarray]:
        for batch in table.batches(["chosen_score", "rejected_score"]):
            gap = numbers(batch.column("chosen_score")) - numbers(batch.column("rejected_score"))
            yield gap[np.isfinite(gap)]

    return _counted(gaps)


def _counted(chunks: Callable[[], Iterable[np.ndarray]]) -> Counts | None:
    span = Range()
    for values in chunks():
        span.add(values)
    if not span.n:
        return None
    counts = Counts(bin_edges(Range(span.n, min(0.0, span.low), span.high, span.whole)))
    for values in chunks():
        counts.add(values)
    return counts


class Moments:
    """Sums for correlations, over the rows that have every column."""

    def __init__(self, width: int) -> None:
        self.n = 0
        self._mean = np.zeros(width)
        self._cross = np.zeros((width, width))

    def add(self, columns: np.ndarray) -> None:
        """Count in a block with one row a column."""
        block = columns[:, np.isfinite(columns).all(axis=0)].astype(np.float64)
        n = block.shape[1]
        if not n:
            return
        # Chan's update: merging centred blocks loses no digits where plain sums would.
        mean = block.mean(axis=1)
        block -= mean[:, None]
        shift = mean - self._mean
        both = self.n + n
        self._cross += block @ block.T + np.outer(shift, shift) * (self.n * n / both)
        self._mean += shift * (n / both)
        self.n = both

    def correlation(self) -> np.ndarray | None:
        """Pearson's r, NaN beside a column that never changes, None below three rows."""
        if self.n < 3:
            return None
        spread = np.sqrt(np.diag(self._cross))
        spread[spread < 1e-9 * np.maximum(1.0, np.abs(self._mean)) * math.sqrt(self.n)] = np.nan
        return np.clip(self._cross / np.outer(spread, spread), -1.0, 1.0)


def _columns(table: Table, names: list[str]) -> Iterable[tuple[np.ndarray, dict[str, Any]]]:
    for batch in table.batches(["kept", *names]):
        kept = batch.column("kept").fill_null(False).to_numpy(zero_copy_only=False)
        yield kept.astype(bool), {name: numbers(batch.column(name)) for name in names}
