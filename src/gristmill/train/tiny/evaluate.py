"""Measuring the tiny family on held-out questions. Every figure of the card comes from here."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.nemotron.presets import PRESETS
from gristmill.records import ATTRIBUTES
from gristmill.tutor import Question, answer, grade, questions
from gristmill.tutor.labels import labels_of

from .export import read
from .lean import Weights
from .pretrain import greedy
from .reward import JUDGE, scores
from .sft import sample
from .text import tokenizer_at

WEIGHTS = (0.3, 0.74, 0.46, 0.47, -0.33)  # the model card's scalar


def by_kind(asked: list[Question], marks: list[list[bool]]) -> dict[str, float]:
    """Mean of marks for each kind of question, and over `all`."""
    grouped: dict[str, list[bool]] = defaultdict(list)
    for question, row in zip(asked, marks, strict=True):
        grouped[question.kind].extend(row)
        grouped["all"].extend(row)
    return {k: round(sum(v) / len(v), 4) for k, v in sorted(grouped.items())}


def pair_accuracy(scalar: np.ndarray, right: np.ndarray) -> tuple[float, int]:
    """Share of (right, wrong) pairs of one prompt in which the right answer scores higher, pairs.

    `scalar` and `right` are (questions, answers). A tie is a loss.
    """
    wins = pairs = 0
    for row, marks in zip(scalar, right, strict=True):
        wins += int((row[marks][:, None] > row[~marks][None]).sum())
        pairs += int(marks.sum() * (~marks).sum())
    return wins / max(1, pairs), pairs


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; 0 where either side does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else 0.0


def made_pairs(judge: Weights, tokenizer: Any, asked: list[Question], seed: int) -> float:
    """Share of questions where a made right answer outscores a made wrong one.

    Made mistakes are clean: one slip in fluent text, followed through. They are
    harder to see than the instruct model's own.
    """
    rng = random.Random(f"made:{seed}")
    rated = [(q, answer(q, quality, rng)) for q in asked for quality in ("right", "wrong")]
    scalar = (scores(JUDGE, judge, tokenizer, rated) @ np.array(WEIGHTS)).reshape(-1, 2)
    return float((scalar[:, 0] > scalar[:, 1]).mean())


def evaluate(models: Path, *, count: int = 500, each: int = 4, seed: int = 10) -> dict[str, Any]:
    """Figures of the exported models under `models` (base, instruct, reward).

    `count` held-out questions, `each` answers of the instruct model at
    temperature 0.8; the seeds are part of the figures.
    """
    preset = PRESETS["tiny"]
    tokenizer = tokenizer_at(models / "instruct")
    asked = questions(count, seed, held_out=True)
    base, instruct, judge = (read(models / name) for name in ("base", "instruct", "reward"))
    answers = sample(preset, instruct, tokenizer, asked, (each, 0.8, seed))
    first = sample(preset, instruct, tokenizer, asked, (1, 0.0, seed))
    rated = [(q, text) for q, row in zip(asked, answers, strict=True) for text in row]
    graded = [grade(q, text) for q, text in rated]
    right = np.array([g.right for g in graded]).reshape(count, each)
    truth = np.array([labels_of(g, t) for g, (_, t) in zip(graded, rated, strict=True)])
    said = scores(JUDGE, judge, tokenizer, rated)
    scalar = (said @ np.array(WEIGHTS)).reshape(count, each)
    pairs, of = pair_accuracy(scalar, right)
    best = right[np.arange(count), scalar.argmax(1)]
    kept = said[:, 1].reshape(count, each) >= 2.5
    return {
        "questions": count,
        "answers_each": each,
        "seed": seed,
        "base_greedy": greedy(preset, base, tokenizer, asked),
        "instruct_greedy": by_kind(
            asked, [[grade(q, r[0]).right] for q, r in zip(asked, first, strict=True)]
        ),
        "instruct_t08": by_kind(asked, right.tolist()),
        "pair_accuracy": round(pairs, 4),
        "pairs": of,
        "made_pair_accuracy": round(made_pairs(judge, tokenizer, asked, seed), 4),
        "pearson": {
            name: round(pearson(said[:, i], truth[:, i]), 4) for i, name in enumerate(ATTRIBUTES)
        },
        "label_mean": dict(zip(ATTRIBUTES, truth.mean(0).round(3).tolist(), strict=True)),
        "label_deviation": dict(zip(ATTRIBUTES, truth.std(0).round(3).tolist(), strict=True)),
        "best_of": round(float(best.mean()), 4),
        "any_right": round(float(right.any(1).mean()), 4),
        "kept_share": round(float(kept.mean()), 4),
        "kept_right": round(float(right[kept].mean()) if kept.any() else 0.0, 4),
    }
