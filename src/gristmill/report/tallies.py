"""What is counted of judges and of every two of them, and the figures that it comes to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from gristmill.intervals import Z95, wilson
from gristmill.judges._matches import Record
from gristmill.page.text import label


@dataclass(frozen=True)
class Leaning:
    """How the order in which a chat model is shown two answers moves its choice.

    replies: that chose one of the two. first: the share of them that chose what was shown first,
    a half without a bias, with its 95 % interval (Wilson, replies counted as independent). pairs:
    compared in both orders with a readable verdict in each. flipped: the share of them in which
    it chose by the place. tied: in which it called the answers equal in one order or both.
    unread: the share of all replies without a verdict.
    """

    replies: int
    first: float | None
    low: float | None
    high: float | None
    pairs: int
    flipped: float | None
    tied: float | None
    unread: float | None


@dataclass(frozen=True)
class Opinions:
    """What one judge gave. silent: responses of which it had no say. failed: by kind."""

    name: str
    model: str
    verdicts: int
    silent: int
    failed: dict[str, int]
    mean: float | None
    leaning: Leaning | None


@dataclass(frozen=True)
class Agreement:
    """Two judges, `first` and `second` by their place, on the responses that both graded.

    pairs: of responses to one prompt. alike, opposed: those that both order, and in the same or
    the other way; tied: those that one of them alone orders. share: (alike + tied / 2) of these,
    a half by chance, with a 95 % interval (prompts counted as independent). tau: Kendall's tau-b
    (Kendall 1945) over pairs of one prompt, (alike - opposed) / sqrt(pairs that the first orders *
    pairs that the second orders). same, kappa: where both give 1 or 0 and nothing else, the share
    of responses that they give the same, and what is left of it beyond chance (Cohen 1960).
    """

    first: int
    second: int
    responses: int
    pairs: int
    alike: int
    opposed: int
    tied: int
    share: float | None
    low: float | None
    high: float | None
    tau: float | None
    same: float | None
    kappa: float | None


@dataclass
class Tally:
    """What is counted of one judge."""

    name: str = ""
    model: str = ""
    n: int = 0
    total: float = 0.0
    silent: int = 0
    binary: bool = True
    failed: Counter[str] = field(default_factory=Counter)
    heard: Counter[str] = field(default_factory=Counter)

    def add(self, rewards: np.ndarray, asked: int) -> None:
        known = rewards[np.isfinite(rewards)]
        self.n += len(known)
        self.silent += asked - len(known)
        self.total += float(known.sum())
        self.binary = self.binary and bool(((known == 0) | (known == 1)).all())

    def hear(self, detail: str | None) -> None:
        """Count in the record of an answer's matches, where the detail begins with one."""
        if detail and (record := Record.read(detail)):
            for name in Record.__slots__:
                self.heard[name] += getattr(record, name)

    def figures(self, name: str, model: str) -> Opinions:
        """`name` and `model` as the config has them, where no verdict says them."""
        mean = self.total / self.n if self.n else None
        failed = dict(self.failed.most_common())
        who = (label(self.name or name), label(self.model or model))
        return Opinions(*who, self.n, self.silent, failed, mean, self._leaning())

    def _leaning(self) -> Leaning | None:
        h = self.heard
        if not h:
            return None
        replies, all_heard = h["first"] + h["second"], h["first"] + h["second"] + h["even"]
        readable = h["won"] + h["tied"] + h["lost"]
        low, high = wilson(h["first"], replies) or (None, None)
        return Leaning(
            replies,
            _share(h["first"], replies),
            low,
            high,
            # Each match stands in the records of both its answers.
            readable // 2,
            _share(h["flipped"], readable),
            _share(h["tied"] - h["flipped"], readable),
            _share(h["unheard"], all_heard + h["unheard"]),
        )


@dataclass
class Pair:
    """What is counted of two judges. table: responses by what both gave, [first][second].

    moments: over prompts, with s points of n pairs that count: prompts, s, n, s s, s n, n n.
    """

    responses: int = 0
    pairs: int = 0
    alike: int = 0
    opposed: int = 0
    first_ties: int = 0
    second_ties: int = 0
    table: np.ndarray = field(default_factory=lambda: np.zeros((2, 2), np.int64))
    moments: np.ndarray = field(default_factory=lambda: np.zeros(6))

    def add(self, codes: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        """Count in whole prompts. codes: (R,), which prompt, ascending; x, y: (R,) rewards, NaN
        where there is none."""
        known = np.isfinite(x) & np.isfinite(y)
        codes, x, y = codes[known], x[known], y[known]
        self.responses += len(x)
        bits = ((x == 0) | (x == 1)) & ((y == 0) | (y == 1))
        cells = 2 * x[bits].astype(np.int64) + y[bits].astype(np.int64)
        self.table += np.bincount(cells, minlength=4).reshape(2, 2)
        _, codes = np.unique(codes, return_inverse=True)
        points, counts = np.zeros(len(x)), np.zeros(len(x))
        for step in range(1, len(x)):
            together = codes[step:] == codes[:-step]
            if not together.any():
                break
            a = np.sign(x[step:] - x[:-step])[together]
            b = np.sign(y[step:] - y[:-step])[together]
            prompt = codes[step:][together]
            ordered = (a != 0) | (b != 0)
            self.pairs += len(a)
            self.alike += int((a * b > 0).sum())
            self.opposed += int((a * b < 0).sum())
            self.first_ties += int(((a == 0) & (b != 0)).sum())
            self.second_ties += int(((a != 0) & (b == 0)).sum())
            points += np.bincount(prompt, (1 + a * b) / 2 * ordered, len(x))
            counts += np.bincount(prompt, ordered, len(x))
        s, n = points[counts > 0], counts[counts > 0]
        self.moments += (len(n), s.sum(), n.sum(), s @ s, s @ n, n @ n)

    def figures(self, first: int, second: int, binary: bool) -> Agreement:
        share, half = self._share()
        ordering = self.alike + self.opposed
        spread = sqrt((ordering + self.first_ties) * (ordering + self.second_ties))
        same, kappa = self._kappa() if binary else (None, None)
        return Agreement(
            first,
            second,
            self.responses,
            self.pairs,
            self.alike,
            self.opposed,
            self.first_ties + self.second_ties,
            share,
            None if share is None or half is None else max(0.0, share - half),
            None if share is None or half is None else min(1.0, share + half),
            (self.alike - self.opposed) / spread if spread else None,
            same,
            kappa,
        )

    def _share(self) -> tuple[float | None, float | None]:
        """The share, and half of its interval: a ratio of sums over prompts, so that its variance
        is about sum (s - share n)^2 / (sum n)^2."""
        prompts, s, n, ss, sn, nn = self.moments.tolist()
        if not n:
            return None, None
        share = s / n
        if prompts < 2:
            return share, None
        rest = max(0.0, ss - 2 * share * sn + share * share * nn)
        return share, Z95 * sqrt(rest * prompts / (prompts - 1)) / n

    def _kappa(self) -> tuple[float | None, float | None]:
        total = int(self.table.sum())
        if not total:
            return None, None
        same = float(np.trace(self.table)) / total
        chance = float(self.table.sum(0) @ self.table.sum(1)) / total**2
        return same, None if chance == 1 else (same - chance) / (1 - chance)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
