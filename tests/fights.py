"""Battles for the tests: made of known strengths, or written as files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.arena.battles import Battle, Battles, Names


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
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file of rows, of the kind that its name says: .csv, .jsonl, .json or .parquet."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({n: [row.get(n) for row in rows] for n in names}), path)
    elif path.suffix == ".csv":
        write_csv(path, [[_cell(row.get(n)) for n in names] for row in rows], ",".join(names))
    elif path.suffix == ".json":
        path.write_bytes(orjson.dumps(rows))
    else:
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def _cell(value: Any) -> Any:
    return ";".join(value) if isinstance(value, list) else value


def row(model_a: Any = "a", model_b: Any = "b", winner: Any = "model_a", **more: Any) -> dict:
    """One battle as a row of a file."""
    return {"model_a": model_a, "model_b": model_b, "winner": winner, **more}


def decided(*wins: tuple[str, str, str, int]) -> Battles:
    """Battles from (model a, model b, outcome, how often)."""
    return Battles.of(
        Battle(id="", model_a=a, model_b=b, winner=winner)
        for a, b, winner, count in wins
        for _ in range(count)
    )


def fair(models: int = 4, count: int = 600, seed: int = 0, **more: Any) -> Battles:
    """Battles with ties among models of which none is far ahead."""
    rng = np.random.default_rng(seed)
    a, b = drawn_pairs(rng, models, count)
    theta = np.linspace(-0.6, 0.6, models)
    return battles_of(a, b, davidson_outcomes(rng, theta[a] - theta[b], 0.7), models, **more)
