"""From tallies to the figures of `metrics.json`: scores, intervals, biases, comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np

from gristmill.bench.boards import TIES
from gristmill.bench.compare import comparison
from gristmill.bench.items import EVALUATED
from gristmill.bench.survey import Evaluation, Survey
from gristmill.bench.tally import Bench, Tally
from gristmill.bench.ties import ties_score
from gristmill.intervals import Z95, mean_of, wilson


@dataclass(frozen=True)
class Part:
    """Accuracy on one subset. half: half of the 95 % interval's width, for what is made of it."""

    accuracy: float
    low: float
    high: float
    half: float
    judged: int


def figures(
    bench: Bench,
    tallies: Sequence[Tally],
    seconds: Sequence[float],
    survey: Survey,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """All that `metrics.json` holds."""
    board = bench.board
    judges = [_judge(bench, t, s) for t, s in zip(tallies, seconds, strict=True)]
    found: dict[str, Any] = {
        "benchmark": board.name if board else "pairs",
        "data": bench.source,
        "files": [file.place for file in evaluation.source.files(EVALUATED)],
        "limit": evaluation.source.limit,
        "rows": sum(bench.counts.values()),
        "subset_rows": bench.counts,
        "refused": dict(Counter(r.reason for r in survey.refused).most_common()),
        "refused_rows": len(survey.refused) + survey.truncated,
        "unused_columns": dict(survey.unused.most_common()),
        "incomplete": {} if board is None else _incomplete(bench),
        "judges": judges,
        "comparisons": [
            comparison(bench, judges[i]["name"], judges[j]["name"], tallies[i], tallies[j])
            for i, j in combinations(range(len(tallies)), 2)
        ],
    }
    if len(judges) == 1:
        found |= _alone(judges[0])
    return found


def _alone(judge: dict[str, Any]) -> dict[str, Any]:
    """The plain numbers of a single judge; the first three, and the accuracies of the subsets as
    `extra_results`, are what reward-bench's own result file has."""
    return {
        "model": judge["model"],
        "accuracy": judge["accuracy"],
        "num_prompts": judge["num_prompts"],
        "extra_results": {name: part["accuracy"] for name, part in judge["parts"].items()},
        "sections": {name: section["score"] for name, section in judge["sections"].items()},
        "score": judge["score"] and judge["score"]["score"],
    }


def _incomplete(bench: Bench) -> dict[str, list[int]]:
    """Subset -> [rows that are there, rows of the whole], where they differ."""
    assert bench.board is not None
    return {name: list(counts) for name, counts in bench.board.missing(bench.counts).items()}


def _judge(bench: Bench, tally: Tally, seconds: float) -> dict[str, Any]:
    credits = tally.values("credit") if bench.board else tally.values("both")
    parts = subset_parts(bench, tally, credits)
    whole = part_of(credits)
    judge, settings = tally.judge, tally.judge.settings
    price = settings.paid
    usd = (price.input * tally.prompt_tokens + price.output * tally.completion_tokens) / 1e6
    return {
        "name": judge.name,
        "model": settings.model,
        "kind": judge.kind,
        "reference": settings.reference,
        "orders": judge.orders,
        "accuracy": whole.accuracy if whole else None,
        "low": whole.low if whole else None,
        "high": whole.high if whole else None,
        "num_prompts": whole.judged if whole else 0,
        "failed": dict(tally.failed.most_common()),
        "first_failure": tally.said or None,
        **scores(bench, parts),
        "if_missing_wrong": _pessimistic(bench, tally, credits),
        "parts": {name: vars(part) for name, part in parts.items()},
        "position": _position(tally),
        "length": _length(bench, credits, tally.values("leaning")),
        "equal": tally.equal,
        "replies": tally.replies,
        "unreadable": tally.unreadable,
        "grid": _grid(tally),
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "usd": usd if price.input or price.output else None,
        "seconds": seconds,
    }


def part_of(credits: np.ndarray) -> Part | None:
    """Accuracy with Wilson's interval; None where nothing was judged. credits: (n,), NaN left
    out."""
    known = credits[np.isfinite(credits)]
    ends = wilson(float(known.sum()), len(known))
    if ends is None:
        return None
    n, wins = len(known), float(known.sum())
    # With Agresti and Coull's two wins and two losses more, so that 10 of 10 is not beyond doubt.
    p = (wins + 2) / (n + 4)
    return Part(wins / n, *ends, Z95 * sqrt(p * (1 - p) / n), n)


def subset_parts(bench: Bench, tally: Tally, credits: np.ndarray) -> dict[str, Part]:
    """Each subset's accuracy, those without a verdict left out; Ties by its own formula."""
    found, subset = {}, bench.subset
    for place, name in enumerate(bench.subsets):
        part = part_of(credits[subset == place])
        if bench.board is not None and name == TIES and part is not None:
            score = ties_score(tally.ties)
            if score is not None:
                value, half = score
                part = Part(value, max(0.0, value - half), value + half, half, part.judged)
        if part is not None:
            found[name] = part
    return found


def scores(bench: Bench, parts: Mapping[str, Part]) -> dict[str, Any]:
    """`sections` and `score` of a board, with intervals: errors of subsets are independent."""
    board = bench.board
    if board is None:
        return {"sections": {}, "score": None}
    values = board.section_scores({name: part.accuracy for name, part in parts.items()})
    sections = {
        section: _value(
            values[section], _half([(share, parts[name].half) for name, share in shares.items()])
        )
        for section, shares in board.shares(parts).items()
    }
    score, shares = board.score(values), board.score_shares(values)
    if score is None or shares is None:
        return {"sections": sections, "score": None}
    half = _half([(share, sections[name]["half"]) for name, share in shares.items()])
    return {"sections": sections, "score": _value(score, half)}


def _half(parts: Sequence[tuple[float, float]]) -> float:
    """Half the width of an interval of a weighted mean, from (share, half width) of its parts."""
    return sqrt(sum((share * half) ** 2 for share, half in parts))


def _value(value: float, half: float) -> dict[str, float]:
    return {
        "score": value,
        "low": max(0.0, value - half),
        "high": max(value, min(1.0, value + half)),
        "half": half,
    }


def _pessimistic(bench: Bench, tally: Tally, credits: np.ndarray) -> float | None:
    """The score, or accuracy, if every item without a verdict were judged wrongly; None where
    there is none."""
    if not tally.failed:
        return None
    counted = np.nan_to_num(credits, nan=0.0)
    parts = subset_parts(bench, tally, counted)
    found = scores(bench, parts)["score"]
    whole = part_of(counted)
    return found["score"] if found else whole.accuracy if whole else None


def _position(tally: Tally) -> dict[str, Any] | None:
    """How the order in which a chat model is shown answers moves its choice.

    first: share of replies that chose what was shown first (a half without bias, where both
    orders are asked). bias: accuracy with the better answer first less accuracy with it later.
    flipped: share of items whose choice changes with the order. right_in_both: accuracy where
    only a choice that is right in both orders counts. net: JudgeBench's rule, right if both
    replies together are more often right than wrong (Tan et al. 2024, arXiv:2410.12784).
    """
    if not tally.replies:
        return None
    found: dict[str, Any] = {
        "first": mean_of(tally.values("first")),
        "when_first": mean_of(tally.values("when_first")),
        "when_later": mean_of(tally.values("when_later")),
    }
    if tally.judge.orders == 2:
        both = tally.values("both")
        known = both[np.isfinite(both)]
        found["bias"] = mean_of(tally.values("when_first") - tally.values("when_later"))
        found["flipped"] = mean_of(tally.values("flipped"))
        found["right_in_both"] = mean_of((known == 1).astype(float))
        found["net"] = mean_of((known > 0.5).astype(float))
    return found


def _length(bench: Bench, credits: np.ndarray, leaning: np.ndarray) -> dict[str, Any] | None:
    """Accuracy on pairs whose better answer is the longer one, and the shorter one; and how often
    the longer one was preferred (a tie is half of it) beside how often it is better. Characters
    count."""
    longer = bench.longer
    known = np.isfinite(longer) & np.isfinite(credits) & (longer != 0)
    if not known.any():
        return None
    longer, credits, leaning = longer[known], credits[known], leaning[known]
    long, short = mean_of(credits[longer > 0]), mean_of(credits[longer < 0])
    preferred = np.where(longer > 0, leaning, 1 - leaning)
    bias = None
    if long["se"] is not None and short["se"] is not None:
        mean, se = long["mean"] - short["mean"], sqrt(long["se"] ** 2 + short["se"] ** 2)
        bias = {"mean": mean, "se": se, "low": mean - Z95 * se, "high": mean + Z95 * se}
    return {
        "when_longer": long,
        "when_shorter": short,
        "bias": bias,
        "prefers_longer": mean_of(preferred),
        "longer_is_better": float((longer > 0).mean()),
    }


def _grid(tally: Tally) -> dict[str, dict[str, float]] | None:
    """RM-Bench's hard, normal and easy for each domain (Liu et al. 2024, arXiv:2410.16184).

    Styles run from plain to fancy. Hard compares a plainer better answer with a fancier worse one
    (above the diagonal), normal the same style, easy a fancier better one.
    """
    found = {}
    for name, cells in tally.grids.items():
        mean = np.mean(np.stack(cells), axis=0)
        size = len(mean)
        found[name] = {
            "hard": float(mean[np.triu_indices(size, 1)].mean()),
            "normal": float(mean.diagonal().mean()),
            "easy": float(mean[np.tril_indices(size, -1)].mean()),
        }
    return found or None
