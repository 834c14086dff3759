"""Models and data of `packing.py`: small random Nemotrons, and pairs with a spread of lengths."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import NemotronConfig, NemotronForCausalLM, NemotronForSequenceClassification

from gristmill.backends.local_load import quietly
from gristmill.nemotron import preset
from gristmill.nemotron.tiny import tiny_path
from gristmill.packing import Sequence
from gristmill.train.encode import Item
from gristmill.train.examples import Compared

PAIRS = 32
"""Pairs behind one step of the optimizer."""
SPREAD = 0.4
"""Sigma of the lognormal lengths: nine in ten between about half and twice the median."""
FIRST_ID = 16
"""Smallest token id of a random text: no padding, no end of text among them."""
VOCABULARY = 1024

SHAPED: dict[str, dict[str, Any]] = {
    "small": {"hidden_size": 256, "num_hidden_layers": 6, "head_dim": 32},
    "medium": {"hidden_size": 512, "num_hidden_layers": 10, "head_dim": 64},
}


@dataclass(frozen=True)
class Shape:
    """Mean lengths in tokens."""

    prompt: int
    response: int

    def __str__(self) -> str:
        return f"{self.prompt}/{self.response}"


def settings(name: str) -> dict[str, Any]:
    """Arguments of `NemotronConfig` for a model of the benchmark."""
    common = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0, "num_labels": 1}
    if name == "tiny":
        return preset("tiny").config_kwargs() | {"initializer_range": 0.02, **common}
    hidden = SHAPED[name]["hidden_size"]
    return preset("tiny").config_kwargs() | {
        "vocab_size": VOCABULARY,
        "intermediate_size": 4 * hidden,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": 2048,
        "initializer_range": 0.02,
        **SHAPED[name],
        **common,
    }


def write_model(kind: str, name: str, folder: Path) -> int:
    """A random model with the tiny tokenizer, as a Hugging Face folder; its parameters."""
    torch.manual_seed(0)
    made = NemotronForCausalLM if kind == "dpo" else NemotronForSequenceClassification
    model = made(NemotronConfig(**settings(name)))
    with quietly():
        model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        which = "instruct" if kind == "dpo" else "reward"
        shutil.copy(tiny_path(which) / file, folder / file)
    return sum(p.numel() for p in model.parameters())


def lengths(dice: np.random.Generator, mean: int, count: int) -> np.ndarray:
    """Lognormal with that mean."""
    drawn = dice.lognormal(np.log(mean) - SPREAD**2 / 2, SPREAD, count)
    return np.maximum(drawn.round().astype(int), 4)


def pairs(kind: str, shape: Shape, count: int, context: int) -> list[Item]:
    """Pairs of random tokens, the same every time, cut to the context. A reward model reads each
    text's last token, a language model predicts the responses."""
    dice = np.random.default_rng(0)
    prompts = np.minimum(lengths(dice, shape.prompt, count), context * 3 // 4)
    items = []
    for number, length in enumerate(prompts):
        prompt = dice.integers(FIRST_ID, VOCABULARY, length)
        sequences = []
        for size in np.minimum(lengths(dice, shape.response, 2), context - length):
            response = dice.integers(FIRST_ID, VOCABULARY, size)
            ids = np.concatenate([prompt, response]).astype(np.int32)
            learned = np.arange(length - 1, len(ids) - 1)
            sequences.append(Sequence(ids, learned if kind == "dpo" else np.array([len(ids) - 1])))
        example = Compared((), (), (), f"random:{number}")
        items.append(Item(example, str(number), tuple(sequences)))
    return items


Reference = dict[int, torch.Tensor]
"""By the identity of each pair: log-probabilities of chosen and rejected."""


def reference(items: list[Item]) -> Reference:
    """What DPO starts from: about what a random model says, and a little off it. From the model's
    own numbers the first loss would be log 2, whatever a trainer does."""
    dice = torch.Generator().manual_seed(0)
    found = {}
    for item in items:
        sizes = torch.tensor([float(len(s.reads)) for s in item.sequences])
        found[id(item)] = -math.log(VOCABULARY) * sizes + 5 * torch.randn(2, generator=dice)
    return found


def plain_steps(items: list[Item], count: int) -> list[list[Item]]:
    """Pairs as they come."""
    return [items[i * PAIRS : (i + 1) * PAIRS] for i in range(count)]


def grouped_steps(items: list[Item], count: int) -> list[list[Item]]:
    """What transformers' `group_by_length` makes of them: sorted by length, the longest first,
    over 50 steps' worth; of those so many steps, evenly spaced."""
    pool = sorted(items, key=lambda item: -max(len(s.ids) for s in item.sequences))
    steps = [pool[i : i + PAIRS] for i in range(0, len(pool), PAIRS)]
    return [steps[int((i + 0.5) * len(steps) / count)] for i in range(count)]
