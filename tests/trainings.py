"""Small training runs: rows of every kind, configs, and what a run's folder says."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

from gristmill.backends.local_load import find, load_tokenizer
from gristmill.intake.cells import Refused
from gristmill.intake.source import Source
from gristmill.nemotron import REWARD_TEMPLATE
from gristmill.records import ATTRIBUTES
from gristmill.train.encode import Encoder, Item
from gristmill.train.examples import KIND_OF, Example, examples_of

WORDS = [
    "red",
    "blue",
    "green",
    "seven",
    "apple",
    "river",
    "stone",
    "cat",
    "dog",
    "of",
    "and",
    "not",
]


def said(rng: random.Random, least: int, most: int) -> str:
    """A few words."""
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


def rated_rows(number: int, seed: int = 0, responses: int = 2) -> list[dict[str, Any]]:
    """Rated responses, several to a prompt; one label in five is not given."""
    rng = random.Random(seed)
    rows = []
    for i in range(number):
        if i % responses == 0:
            prompt = f"{said(rng, 4, 12)} {i}"
        labels = {name: rng.choice([0, 1, 2, 3, 4]) for name in ATTRIBUTES if rng.random() < 0.8}
        labels = labels or {"helpfulness": 2}
        rows.append({"prompt": prompt, "response": f"{said(rng, 1, 9)} {i}", **labels})
    return rows


def pair_rows(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Preference pairs with a strength and a reward model's scores."""
    rng = random.Random(seed)
    return [
        {
            "prompt": f"{said(rng, 4, 12)} {i}",
            "chosen": f"{said(rng, 2, 8)} yes",
            "rejected": f"{said(rng, 1, 8)} no",
            "preference_strength": rng.choice([1, 2, 3]),
            "chosen_score": round(rng.uniform(0, 4), 2),
            "rejected_score": round(rng.uniform(-1, 3), 2),
        }
        for i in range(number)
    ]


def chat_rows(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Conversations of one or two turns, some with a system message."""
    rng = random.Random(seed)
    rows = []
    for i in range(number):
        messages = [{"role": "system", "content": said(rng, 2, 4)}] if rng.random() < 0.3 else []
        for turn in range(rng.randint(1, 2)):
            messages.append({"role": "user", "content": f"{said(rng, 2, 8)} {i} {turn}"})
            messages.append({"role": "assistant", "content": said(rng, 1, 9)})
        rows.append({"messages": messages})
    return rows


def text_rows(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Documents."""
    rng = random.Random(seed)
    return [{"text": f"{said(rng, 10, 40)} {i}"} for i in range(number)]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def values_of(model: str, data: Path, **changes: Any) -> dict[str, Any]:
    """A config's values: few steps, float32, a few examples a step; `changes` on top."""
    values: dict[str, Any] = {
        "model": model,
        "data": [{"file": str(data)}],
        "validation": 0.2,
        "batch": {"examples": 4, "tokens": 256},
        "optimizer": {"lr": 1e-3, "warmup": 2},
        "precision": "fp32",
        "measure_every": 3,
    }
    return values | changes


def write_config(path: Path, values: dict[str, Any]) -> Path:
    """The config as a YAML file."""
    path.write_text(yaml.safe_dump(values))
    return path


def log_of(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log without what the clock says."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def losses_of(folder: Path) -> list[float]:
    """The loss of each step."""
    return [line["loss"] for line in log_of(folder) if "loss" in line]


def metrics_of(folder: Path) -> dict[str, Any]:
    """What `metrics.json` holds."""
    return json.loads((folder / "metrics.json").read_text())


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The weights that a run saved."""
    return load_file(folder / "model" / "model.safetensors")


def encoded(
    examples: Sequence[Example], *, ends: bool = False, limit: int | None = None, **options: Any
) -> list[Item]:
    """The items of examples that can all be encoded, with the tiny family's tokenizer."""
    tokenizer = load_tokenizer(find("tiny:reward" if ends else "tiny:instruct"))
    if ends:
        tokenizer.chat_template = REWARD_TEMPLATE
    items: list[Item] = []
    for found in Encoder(tokenizer, ends=ends, limit=limit, **options).encode(examples):
        assert not isinstance(found, Refused), found
        items += found
    return items


def examples_from(rows: list[dict[str, Any]], kind: type) -> list[Any]:
    """The examples of a kind that rows give."""
    found = []
    for number, row in enumerate(rows, 1):
        where = f"rows.jsonl:{number}"
        found += examples_of(Source(file="rows.jsonl").record(row, where, (KIND_OF[kind],)))
    return found
