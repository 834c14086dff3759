"""Battles for the tests: made of known strengths, or written as files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.arena.battles import Battles, Names


def battles_of(
    a: np.ndarray, b: np.ndarray, outcome: np.ndarray, models: int, **more: Any
) -> Battles:
    """Battles among models m00, m01, ..."""
    names = [f"m{n:02d}" for n in range(models)]
    arrays = (np.asarray(x, dtype=k) for x, k in ((a, "i4"), (b, "i4"), (outcome, "i1")))
    return Battles(names, *arrays, **more)


def drawn_pairs(rng: np.random.Generator, models: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of different models, some models five times as often as others."""
    often = np.geomspace(1, 5, models)
    a = rng.choice(models, count, p=often / often.sum())
    b = rng.choice(models, count, p=often / often.sum())
    same = a == b
    b[same] = (a[same] + 1 + rng.integers(0, models - 1, same.sum())) % models
    return a, b


def davidson_outcomes(rng: np.random.Generator, d: np.ndarray, nu: float) -> np.ndarray:
    """Outcomes of Davidson's model for differences d (natural logarithms)."""
    shares = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full_like(d, nu)], axis=-1)
    shares /= shares.sum(axis=-1, keepdims=True)
    drawn = rng.random(d.shape)
    return (drawn > shares[..., 0]).astype(int) + (drawn > shares[..., :2].sum(axis=-1))


def judged(codes: np.ndarray, prefix: str = "j") -> Names:
    """A column of judges, prompts or pairs."""
    return Names(
        np.asarray(codes, dtype=np.int32), [f"{prefix}{n}" for n in range(codes.max() + 1)]
    )


def write_csv(
    path: Path, rows: Sequence[Sequence[Any]], header: str = "model_a,model_b,winner"
) -> Path:
    """A CSV file of rows."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path
