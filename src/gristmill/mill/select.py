"""Selection: best-of-n for fine-tuning, chosen and rejected for preference training."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from gristmill.filters.dedup import normalise
from gristmill.filters.threshold import score_of
from gristmill.records import Decision, Graded, Sample, arguments_of


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference pair of one prompt; the chosen reward is above the rejected one."""

    chosen: Sample
    rejected: Sample
    chosen_score: float
    rejected_score: float


def best(graded: Graded, decisions: tuple[Decision, ...], most: int | None) -> list[Sample]:
    """The kept samples with the highest reward, best first, `most` of them (None: all).

    Equal rewards go to the lower index, so that the choice can be repeated; a sample without a
    reward comes after all that have one.
    """
    kept = [s for s, d in zip(graded.samples, decisions, strict=True) if d.keep]
    ranked = sorted(kept, key=_rank)
    return ranked if most is None else ranked[:most]


def pair(graded: Graded, decisions: tuple[Decision, ...], min_gap: float) -> Pair | None:
    """The best kept response against the worst scored one that is not barred, if they are `min_gap`
    apart.

    None where nothing was kept, where a score is missing, where the gap is smaller or zero, or
    where the two say the same, texts after normalisation and tool calls as they are read: a tie is
    never a preference.
    """
    if len(graded.samples) < 2:
        return None
    top = best(graded, decisions, 1)
    usable = [s for s, d in zip(graded.samples, decisions, strict=True) if not d.barred]
    scored = [(r, s) for s in usable if (r := _reward(s)) is not None]
    if not top or not scored:
        return None
    chosen_score = _reward(top[0])
    rejected_score, rejected = min(scored, key=lambda pair: (pair[0], pair[1].index))
    if chosen_score is None or chosen_score - rejected_score < min_gap:
        return None
    if chosen_score <= rejected_score or _said(top[0]) == _said(rejected):
        return None
    return Pair(top[0], rejected, chosen_score, rejected_score)


def _rank(sample: Sample) -> tuple[float, int]:
    reward = _reward(sample)
    return (inf if reward is None else -reward), sample.index


def _reward(sample: Sample) -> float | None:
    if sample.failure is not None or sample.response is None:
        return None
    reward = score_of(sample.verdicts, "reward")
    return reward if reward is not None and isfinite(reward) else None


def _said(sample: Sample) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Text and calls of each turn; not the calls' ids, which are made up anew each time."""
    assert sample.response is not None
    return [
        (normalise(turn.content), [(call.name, arguments_of(call)) for call in turn.tool_calls])
        for turn in sample.response.turns
    ]
