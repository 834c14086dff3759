"""Two judges on the same items: who is better, is it more than chance, and do they agree?"""

from __future__ import annotations

from math import exp, lgamma, log, sqrt
from typing import Any

import numpy as np

from gristmill.bench.tally import Bench, Tally
from gristmill.intervals import Z95, mean_of


def comparison(bench: Bench, name: str, other: str, a: Tally, b: Tally) -> dict[str, Any]:
    """`name` less `other`, over the items that both judged.

    difference: of the board's scores, or of accuracy, with a 95 % interval from paired
    differences. sections: the same of each section. All else is of the verdicts in the first order,
    where none is not right: only_first, only_second: items that one alone got right; p: McNemar's
    exact test of them; agreement: share of items on which both are right or both are not; kappa:
    what is left of it beyond chance.
    """
    which = "credit" if bench.board else "both"
    mine, theirs = a.values(which), b.values(which)
    both = np.isfinite(mine) & np.isfinite(theirs)
    differences = np.where(both, mine - theirs, np.nan)
    # One verdict of each on every item: halves, of two orders that disagree, would be neither
    # right nor wrong, and leaving them out would favour whoever is sure of itself.
    right, other_right = (tally.values("credit")[both] > 0.5 for tally in (a, b))
    only_first = int((right & ~other_right).sum())
    only_second = int((other_right & ~right).sum())
    return {
        "first": name,
        "second": other,
        "items": int(both.sum()),
        **_scores(bench, differences),
        "only_first": only_first,
        "only_second": only_second,
        "p": mcnemar(only_first, only_second),
        "agreement": float((right == other_right).mean()) if len(right) else None,
        "kappa": _kappa(right, other_right),
    }


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact p of McNemar's test (McNemar 1947): were the items that one judge alone
    got right a toss-up, how often would they be split as unevenly as this, or more?

    min(1, 2 P(X <= min(b, c))), X binomial with b + c trials and p = 1/2.
    """
    n, least = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    whole = lgamma(n + 1) - n * log(2)
    tail = sum(exp(whole - lgamma(k + 1) - lgamma(n - k + 1)) for k in range(least + 1))
    return min(1.0, 2 * tail)


def _scores(bench: Bench, differences: np.ndarray) -> dict[str, Any]:
    board = bench.board
    if board is None:
        return {"difference": mean_of(differences), "sections": {}}
    # Ties has a formula of its own; of the items alone its difference is that of accuracy.
    subset = bench.subset
    means = {
        name: found
        for place, name in enumerate(bench.subsets)
        if (found := mean_of(differences[subset == place]))["mean"] is not None
    }
    sections = {
        section: _combined({name: (share, means[name]) for name, share in shares.items()})
        for section, shares in board.shares(means).items()
    }
    shares = board.score_shares(sections)
    whole = shares and _combined({name: (share, sections[name]) for name, share in shares.items()})
    return {"difference": whole or mean_of(differences), "sections": sections}


def _combined(parts: dict[str, tuple[float, dict[str, Any]]]) -> dict[str, Any]:
    mean = sum(share * part["mean"] for share, part in parts.values())
    # Of a single item nothing is known but that a difference is at most 1.
    errors = ((share, 1.0 if part["se"] is None else part["se"]) for share, part in parts.values())
    se = sqrt(sum((share * error) ** 2 for share, error in errors))
    return {"mean": mean, "se": se, "low": mean - Z95 * se, "high": mean + Z95 * se}


def _kappa(first: np.ndarray, second: np.ndarray) -> float | None:
    """Cohen's kappa of two judges' right and wrong (Cohen 1960); None where chance is certain."""
    if not len(first):
        return None
    p, q = float(first.mean()), float(second.mean())
    chance = p * q + (1 - p) * (1 - q)
    return None if chance == 1 else (float((first == second).mean()) - chance) / (1 - chance)
