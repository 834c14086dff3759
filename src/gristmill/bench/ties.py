"""RewardBench 2's Ties: many right answers, which should score alike and above every wrong one.

Each prompt comes as `tied:N` with several right answers and, for most, as `ref:N` with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt, tanh
from typing import NamedTuple

import numpy as np

from gristmill.intervals import Z95

_FORMS = ("ref", "tied")


class Margins(NamedTuple):
    """gap: lowest right score minus highest wrong one. spread: between the right ones' scores,
    None of a single one."""

    gap: float
    spread: float | None


def margins(scores: Sequence[float], right: int) -> Margins:
    """The margins of one row, whose first `right` scores are those of right answers."""
    gap = min(scores[:right]) - max(scores[right:])
    return Margins(gap, max(scores[:right]) - min(scores[:right]) if right > 1 else None)


def ties_score(rows: Iterable[tuple[str, Margins]]) -> tuple[float, float] | None:
    """(score, its 95 % interval's half width) of the subset from (id, margins); None of no rows.

    With g the gap and d the spread of right answers (of the tied form): 0.3 share(g_tied > 0)
    + 0.3 share(g_ref > 0) + 0.2 share(g_tied > d) + 0.2 share(min(g_ref, g_tied) > d)
    + 0.01 mean tanh(min(g_ref, g_tied) / d - 1), the last three over prompts that have both forms,
    and the last over those with d above 0 (reward-bench's `process_single_model`). A share of
    nothing is 0.
    """
    forms: dict[str, dict[str, Margins]] = {form: {} for form in _FORMS}
    for name, found in rows:
        form, _, number = name.partition(":")
        if form in forms:
            forms[form][number] = found
        else:  # Any other name is that of a prompt of its own, in the tied form alone.
            forms["tied"][f":{name}"] = found
    ref, tied = forms["ref"], forms["tied"]
    if not ref and not tied:
        return None
    both = [
        (ref[n].gap, tied[n].gap, d) for n in tied if n in ref and (d := tied[n].spread) is not None
    ]
    terms = [
        (0.3, [found.gap > 0 for found in tied.values()]),
        (0.3, [found.gap > 0 for found in ref.values()]),
        (0.2, [g > d for _, g, d in both]),
        (0.2, [min(r, g) > d for r, g, d in both]),
        (0.01, [tanh(min(r, g) / d - 1) for r, g, d in both if d > 0]),
    ]
    known = [(weight, np.array(values, float)) for weight, values in terms if values]
    score = sum(weight * float(values.mean()) for weight, values in known)
    # The terms of one prompt go together: at worst their errors add up.
    error = sum(w * sqrt(v.var(ddof=1) / len(v)) for w, v in known if len(v) > 1)
    return score, Z95 * error
