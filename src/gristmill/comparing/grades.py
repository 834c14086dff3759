"""Two reward models on the same answers: verdicts, ranks, attributes, and who is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, cast

import numpy as np

from gristmill.bench.boards import Board, board_of
from gristmill.bench.compare import comparison
from gristmill.bench.figures import part_of, scores, subset_parts
from gristmill.bench.items import Item
from gristmill.bench.outcomes import Outcome
from gristmill.bench.tally import Bench, Tally
from gristmill.comparing.ask import Said
from gristmill.comparing.read import Rows, answers_of
from gristmill.intervals import fisher, mean_of, wilson
from gristmill.records import ATTRIBUTES, prompt_id
from gristmill.train.measure import pearson

OF_A_PROMPT = 100
"""Answers to one prompt whose order is compared; further ones are left out, since the pairs grow
with the square."""

EXAMPLES = 6
"""Pairs that the two order differently and that are shown: those on which both are surest."""


@dataclass(frozen=True)
class Grade:
    """What one model said of one answer."""

    reward: float
    attributes: tuple[float, ...] | None


Both = dict[str, tuple[Grade, Grade]]
"""What A and B said, by the key of the answer."""


def both_graded(a: Said, b: Said) -> Both:
    """The answers that both have graded."""
    return {
        key: (one, other)
        for key in a.keys
        if (one := _grade(a, key)) is not None and (other := _grade(b, key)) is not None
    }


def grade_figures(rows: Rows, both: Both, a: Said, b: Said) -> dict[str, Any]:
    """All figures of two reward models; see docs/compare.md for each."""
    groups = [group for group in _groups(rows, both) if len(group) > 1]
    pairs = list(both.values())
    rewards = np.array([[one.reward, other.reward] for one, other in pairs]).reshape(-1, 2)
    same_form = {one.attributes is None for pair in pairs for one in pair}
    return {
        "answers": len(both),
        "forms": [_form(pairs, side) for side in (0, 1)],
        "accuracy": _accuracy(rows, a, b),
        **_order(groups),
        "reward": _number(rewards, scale=len(same_form) == 1),
        "attributes": _attributes(pairs),
    }


def _grade(said: Said, key: str) -> Grade | None:
    kept = said.kept.get(key)
    if kept is None:
        return None
    five = kept["attributes"]
    return Grade(kept["reward"], tuple(five) if five else None)


def _form(pairs: Sequence[tuple[Grade, Grade]], side: int) -> str:
    """`attributes` or `scalar`: what a model gave; `both` where its replies differ."""
    forms = {"scalar" if pair[side].attributes is None else "attributes" for pair in pairs}
    return "both" if len(forms) > 1 else next(iter(forms), "")


def _groups(rows: Rows, both: Both) -> list[np.ndarray]:
    """The rewards of all answers to each prompt, (n, 2) of A and B."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for item in rows.items:
        group = found.setdefault(prompt_id(item.prompt), {})
        for key, _, _ in answers_of(item):
            if key in both and len(group) < OF_A_PROMPT:
                one, other = both[key]
                group[key] = (one.reward, other.reward)
    return [np.array(list(group.values())) for group in found.values() if group]


def _order(groups: Sequence[np.ndarray]) -> dict[str, Any]:
    """Whether both put the answers to a prompt in the same order.

    verdicts: of two answers to one prompt both prefer the same, or call both equal; the share of
    its pairs, averaged over prompts. ranks: Kendall's tau-b within a prompt (Kendall 1945),
    averaged; prompts whose answers one model all calls equal have none.
    """
    shares, taus, pairs, same = [], [], 0, 0
    for group in groups:
        first, second = np.triu_indices(len(group), 1)
        signs = np.sign(group[first] - group[second])
        equal = signs[:, 0] == signs[:, 1]
        pairs, same = pairs + len(equal), same + int(equal.sum())
        shares.append(float(equal.mean()))
        if (untied := np.abs(signs).sum(axis=0)).all():
            taus.append(float(signs[:, 0] @ signs[:, 1]) / sqrt(untied[0] * untied[1]))
    low, high = wilson(sum(shares), len(shares)) or (None, None)
    mean = sum(shares) / len(shares) if shares else None
    verdicts = {"mean": mean, "low": low, "high": high, "pairs": pairs, "differ": pairs - same}
    answers = sum(map(len, groups)) / len(groups) if groups else None
    return {
        "verdicts": {**verdicts, "prompts": len(shares)},
        "ranks": {**mean_of(np.array(taus)), "answers": answers},
    }


def _number(values: np.ndarray, *, scale: bool = True) -> dict[str, Any]:
    """Of one number that both give, (n, 2): means, Pearson's r with Fisher's interval, mean
    absolute difference, mean of B less A. scale: whether both are on one scale."""
    means = [float(v) for v in values.mean(axis=0)] if len(values) else [None, None]
    r = pearson(values[:, 0], values[:, 1])
    low, high = fisher(r, len(values)) or (None, None)
    gaps = values[:, 1] - values[:, 0] if scale else np.array([])
    return {
        "n": len(values),
        "means": means,
        "r": r,
        "r_low": low,
        "r_high": high,
        "gap": mean_of(np.abs(gaps)),
        "shift": mean_of(gaps),
    }


def _attributes(pairs: Sequence[tuple[Grade, Grade]]) -> dict[str, dict[str, Any]]:
    five = [(a.attributes, b.attributes) for a, b in pairs if a.attributes and b.attributes]
    if not five:
        return {}
    values = np.array(five, float)
    return {name: _number(values[:, :, n]) for n, name in enumerate(ATTRIBUTES)}


def _accuracy(rows: Rows, a: Said, b: Said) -> dict[str, Any] | None:
    """How often each prefers the better answer, by the rules of `gristmill rewardbench`, and the
    paired comparison, over the rows that both judged; None where there is none of which one answer
    is known to be better."""
    asked = [item for item in rows.items if 0 < item.right < len(item.answers)]
    every = [(item, [outcome_of(said, item) for said in (a, b)]) for item in asked]
    judged = [each for each in every if not any(outcome.failure for outcome in each[1])]
    if not judged:
        return None
    items = [item for item, _ in judged]
    counts: dict[str, int] = {}
    for item in items:
        counts[item.subset] = counts.get(item.subset, 0) + 1
    bench = Bench(rows.data[0], _board(counts), counts)
    tallies = [Tally(bench, said.side.judge) for said in (a, b)]
    for item, outcomes in judged:
        bench.add(item)
        for outcome, tally in zip(outcomes, tallies, strict=True):
            tally.add(item, outcome)
    found = [_of_one(bench, tally) for tally in tallies]
    paired = comparison(bench, b.side.name, a.side.name, tallies[1], tallies[0])
    return {
        "benchmark": bench.board.name if bench.board else "pairs",
        "items": len(items),
        "models": found,
        "paired": paired,
    }


def _board(counts: dict[str, int]) -> Board | None:
    """The board that all subsets are of, if there is one."""
    boards = [board_of(subset) for subset in counts]
    return boards[0] if all(board is boards[0] for board in boards) else None


def _of_one(bench: Bench, tally: Tally) -> dict[str, Any]:
    credits = tally.values("both")
    parts = subset_parts(bench, tally, credits)
    whole = part_of(credits)
    return {
        "accuracy": vars(whole) if whole else None,
        **scores(bench, parts),
        "parts": {name: vars(part) for name, part in parts.items()},
    }


def outcome_of(said: Said, item: Item) -> Outcome:
    """What a model's grades say of an item; a failure where an answer has none."""
    grades = [(key, _grade(said, key)) for key, _, _ in answers_of(item)]
    for key, grade in grades:
        if grade is None:
            failed = said.kept.failure(key)
            return Outcome(failure=(failed.kind, failed.detail) if failed else ("missing", ""))
    return Outcome(tuple(cast(Grade, grade).reward for _, grade in grades))


def disagreements(rows: Rows, a: Said, b: Said) -> list[dict[str, Any]]:
    """Pairs of answers in one row that the two order differently, those first of which the less
    sure of the two is surest."""
    found = []
    for item in rows.items:
        one, other = (outcome_of(said, item).scores for said in (a, b))
        if one is None or other is None or len(one) != 2:
            continue
        gaps = (one[0] - one[1], other[0] - other[1])
        if gaps[0] * gaps[1] < 0:
            found.append((min(map(abs, gaps)), item, one, other))
    found.sort(key=lambda entry: -entry[0])
    return [
        {"item": item, "a": one, "b": other, "known": item.right > 0}
        for _, item, one, other in found[:EXAMPLES]
    ]
