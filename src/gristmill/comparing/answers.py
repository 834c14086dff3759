"""Two chat models on the same prompts: right answers, equal texts, how likely given ones are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import exp, log
from typing import Any

import numpy as np

from gristmill.backends.remembered import unpack
from gristmill.bench.compare import mcnemar
from gristmill.comparing.ask import Said, likely_tasks
from gristmill.comparing.read import Asked, Rows
from gristmill.comparing.truths import Truths
from gristmill.intervals import mean_of, wilson
from gristmill.records import Response

EXAMPLES = 6
"""Answers that differ and are shown: those first that one model alone got right."""

Answered = tuple[Asked, Response, Response]


def both_answered(rows: Rows, a: Said, b: Said) -> list[Answered]:
    """The rows that both have an answer to."""
    found = []
    for asked in rows.asked:
        one, other = a.kept.get(asked.key), b.kept.get(asked.key)
        if one is not None and other is not None:
            found.append((asked, unpack(one["response"]), unpack(other["response"])))
    return found


def answer_figures(
    rows: Rows, answered: Sequence[Answered], right: np.ndarray, a: Said, b: Said
) -> dict[str, Any]:
    """All figures of two chat models. right: (n, 2), see `rightness`."""
    equal = [one.text == other.text for _, one, other in answered]
    low, high = wilson(sum(equal), len(equal)) or (None, None)
    share = sum(equal) / len(equal) if equal else None
    texts = [said for _, *both in answered for said in both]
    lengths = np.array([said.completion_tokens for said in texts], float).reshape(-1, 2)
    cut = [sum(said.finish_reason == "length" for said in texts[side::2]) for side in (0, 1)]
    return {
        "answers": len(answered),
        "right": _right(right),
        "equal": {"mean": share, "low": low, "high": high, "n": len(equal)},
        "length": lengths.mean(axis=0).tolist() if answered else [None, None],
        "cut": cut,
        "likely": _likely(rows, a, b),
    }


def rightness(answered: Sequence[Answered], truths: Truths) -> np.ndarray:
    """(n, 2) 1 for a right answer, 0 for a wrong one, NaN in a row whose truth is not known."""
    columns = []
    for side in (0, 1):
        graded = truths.grade([(asked.prompt, both[side]) for asked, *both in answered])
        columns.append([np.nan if one is None else float(one) for one in graded])
    found = np.array(columns, float).reshape(2, -1).T
    found[np.isnan(found).any(axis=1)] = np.nan
    return found


def _right(right: np.ndarray) -> dict[str, Any] | None:
    known = right[np.isfinite(right).all(axis=1)] if len(right) else right
    if not len(known):
        return None
    models = []
    for column in known.T:
        low, high = wilson(float(column.sum()), len(column)) or (None, None)
        models.append({"mean": float(column.mean()), "low": low, "high": high})
    only = [int(((known[:, x] == 1) & (known[:, 1 - x] == 0)).sum()) for x in (0, 1)]
    return {
        "n": len(known),
        "models": models,
        "difference": mean_of(known[:, 1] - known[:, 0]),
        "only": only,
        "p": mcnemar(*only),
    }


def _likely(rows: Rows, a: Said, b: Said) -> dict[str, Any] | None:
    """How likely each finds the answers that the rows give; None where no row gives one.

    perplexity: exp of the mean of -log p over all tokens, in the model's own tokens. bits: per byte
    of the answers, which models with different tokens have in common; difference: of rows, B less
    A, with a paired 95 % interval.
    """
    given = {
        key: len(turns[-1].content.encode("utf-8", "replace")) for key, turns in likely_tasks(rows)
    }
    if not given:
        return None
    models = [_likely_of(said, given) for said in (a, b)]
    gaps = []
    for key, size in given.items():
        one, other = (said.likely.get(key) if said.likely else None for said in (a, b))
        if one is not None and other is not None and size:
            gaps.append((one["total"] - other["total"]) / (log(2) * size))
    return {"models": models, "difference": mean_of(np.array(gaps, float))}


def _likely_of(said: Said, given: dict[str, int]) -> dict[str, Any] | None:
    """None for a model that cannot be asked."""
    if said.likely is None:
        return None
    found = [(kept, size) for key, size in given.items() if (kept := said.likely.get(key))]
    failed = Counter(one.kind for key in given if (one := said.likely.failure(key)))
    total = sum(kept["total"] for kept, _ in found)
    tokens, size = sum(kept["of"] for kept, _ in found), sum(size for _, size in found)
    return {
        "rows": len(found),
        "failed": dict(failed.most_common()),
        "tokens": tokens,
        # Beyond that it says nothing but that the answer was impossible.
        "perplexity": exp(min(-total / tokens, 700)) if tokens else None,
        "bits": -total / (log(2) * size) if size else None,
    }


def differing(answered: Sequence[Answered], right: np.ndarray) -> list[dict[str, Any]]:
    """Rows whose texts differ: those first that A alone got right, then those that B did."""
    found = []
    for (asked, one, other), (first, second) in zip(answered, right, strict=True):
        if one.text != other.text:
            rank = 0 if first > second else 1 if second > first else 2
            found.append((rank, asked, one, other, (first, second)))
    found.sort(key=lambda entry: entry[0])
    # Some of each: a page of losses alone would tell half of it.
    chosen = [e for rank in (0, 1, 2) for e in [e for e in found if e[0] == rank][: EXAMPLES // 3]]
    return [
        {"asked": asked, "a": one, "b": other, "right": [_word(x) for x in right]}
        for _, asked, one, other, right in chosen
    ]


def _word(right: float) -> str:
    return "not known" if right != right else "right" if right else "wrong"
