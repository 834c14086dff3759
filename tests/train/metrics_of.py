"""A training's `metrics.json` as a run writes it, with figures that `measure` made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.train import measure

HOSTILE = (
    '<script>alert(1)</script></style></pre>"><img src=x onerror=alert(2)>{{ 7*7 }}|`*\u202e\0'
)


def reward_metrics(n: int = 300, pairs: int = 240) -> dict[str, Any]:
    """Of a reward model measured on n rated responses and some pairs."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (n, 5)).astype(float)
    scores = 0.8 * labels + 0.4 + rng.normal(0, 0.4, (n, 5))
    keys = np.array([str(i // 2) for i in range(n)])
    weights = np.array([0.3, 0.74, 0.46, 0.47, -0.33])
    lengths = rng.integers(9, 400, n)
    judged = measure.Judged(scores, labels, scores @ weights, lengths, keys)
    rewards = rng.normal((0.9, 0), 1, (pairs, 2))
    strength = rng.integers(1, 4, pairs)
    return {
        "kind": "reward",
        "name": "support-reward",
        "model": "hf:org/base",
        "status": "complete",
        "steps": 40,
        "epochs": 2,
        "examples": {"train": 5000, "validation": n},
        "tokens": 1_000_000,
        "tokens_computed": 750_000,
        "tokens_trained": 25_000,
        "seconds": 83.0,
        "loss": {"first": 4.2, "last": 0.41},
        "validation_before": {"loss": 5.25},
        "validation": {
            "loss": 0.45,
            "attributes": measure.attribute_figures(judged),
            "calibration": measure.calibration(judged),
            "length_bias": measure.length_bias(judged, weights),
            "pairs": measure.pair_figures(rewards[:, 0], rewards[:, 1], strength),
            "pair_length_bias": measure.pair_length_bias(
                rewards, rng.integers(9, 400, (pairs, 2))
            ),
        },
        "sources": [
            {"file": "own.jsonl", "rows": 5400, "used": 5300, "refused": {"too_long": 100},
             "weight": 2.0}
        ],
        "refused": {"too_long": 100},
        "warnings": ["verbosity is never given"],
        "licence": "CC-BY-4.0",
        "versions": {"gristmill": "0.3.0"},
        "parameters": {"all": 4_000_000_000, "trained": 20_000_000},
    }  # fmt: skip


def language_metrics(kind: str, **validation: float) -> dict[str, Any]:
    """Of a kind whose validation figures are plain numbers."""
    return {**reward_metrics(), "kind": kind, "validation": validation}


def write_folder(folder: Path, metrics: dict[str, Any], refused: Sequence[Any] = ()) -> Path:
    """A training's folder with these metrics and refused rows."""
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    lines = "".join(json.dumps(row) + "\n" for row in refused)
    (folder / "refused.jsonl").write_text(lines)
    return folder


def damaged(value: Any) -> list[Any]:
    """The value with each part of it missing, None, or something else, one at a time."""
    found: list[Any] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            rest = {k: v for k, v in value.items() if k != key}
            found.append(rest)
            junk = [None, HOSTILE, 7, -1.5, float("nan"), [], {}, [3], {"a": {"b": []}}, True]
            found += [{**value, key: other} for other in junk]
            found += [{**value, key: other} for other in damaged(inner)]
    elif isinstance(value, list) and value:
        found += [[other, *value[1:]] for other in damaged(value[0])]
    return found
