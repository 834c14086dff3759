"""Scoring for `packing.py`: the local reward backend beside a padded loop of transformers.

Both get conversations and give numbers, so that chat template and tokenizer count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import NemotronForSequenceClassification

from gristmill import packing
from gristmill.backends import open_reward
from gristmill.backends.local_load import find, load_model, load_tokenizer
from gristmill.records import Message, as_dicts
from shapes import Shape, lengths
from trl_side import now

Conversation = tuple[Message, ...]


def conversations(folder: Path, shape: Shape, prompts: int, n: int) -> list[Conversation]:
    """`n` responses to each prompt, of words that are about a token each."""
    dice = np.random.default_rng(0)
    vocabulary = load_tokenizer(find(f"hf:{folder}")).get_vocab()
    words = sorted(word[1:] for word in vocabulary if word[0] == "Ġ" and word[1:].isalpha())

    def text(length: int) -> str:
        return " ".join(dice.choice(words, length))

    found = []
    for size in lengths(dice, shape.prompt, prompts):
        asked = Message("user", text(size))
        sizes = lengths(dice, shape.response, n)
        found += [(asked, Message("assistant", text(length))) for length in sizes]
    return found


@contextmanager
def counted() -> Iterator[list[int]]:
    """The tokens of each pack that is laid out meanwhile."""
    found: list[int] = []
    original = packing.pack

    def noting(sequences: Any) -> packing.Pack:
        made = original(sequences)
        found.append(made.tokens)
        return made

    packing.pack = noting
    try:
        yield found
    finally:
        packing.pack = original


async def ours(backend: Any, asked: list[Conversation]) -> tuple[float, list[float]]:
    """Seconds, and the grades."""
    begun = now()
    scores = await asyncio.gather(*map(backend.score, asked))
    return now() - begun, [score.scalar for score in scores]


class Padded:
    """The usual loop: sorted by length, padded to the longest of each batch."""

    def __init__(self, folder: Path) -> None:
        source = find(f"hf:{folder}")
        self.tokenizer = load_tokenizer(source)
        self.model = load_model(source, NemotronForSequenceClassification)
        self.tokens = 0

    @torch.inference_mode()
    def run(self, asked: list[Conversation], batch: int) -> tuple[float, list[float]]:
        """Seconds, and the grades; `tokens` says how many were computed."""
        begun = now()
        texts = [self.tokenizer.apply_chat_template(as_dicts(c), tokenize=False) for c in asked]
        ids = self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        grades = [0.0] * len(ids)
        self.tokens = 0
        for at in range(0, len(order), batch):
            part = order[at : at + batch]
            inputs = self.tokenizer.pad(
                {"input_ids": [ids[i] for i in part]}, padding_side="right", return_tensors="pt"
            ).to(self.model.device)
            self.tokens += inputs["input_ids"].numel()
            for i, grade in zip(part, self.model(**inputs).logits[:, 0].tolist(), strict=True):
                grades[i] = grade
        return now() - begun, grades


async def compare(folder: Path, shape: Shape, prompts: int, n: int, rounds: int) -> dict[str, Any]:
    """Both in turn; the loop with the batch size that is fastest for it."""
    asked = conversations(folder, shape, prompts, n)
    padded = Padded(folder)
    async with open_reward(f"hf:{folder}", {}) as backend:
        await ours(backend, asked[: 4 * n])
        padded.run(asked[: 4 * n], n)
        sample = asked[: len(asked) // 2]
        batch = min((1, 2, 4, 8, 16, 32, 64), key=lambda size: padded.run(sample, size)[0])
        mine, theirs, differences = [], [], []
        for _ in range(rounds):
            with counted() as computed:
                seconds, grades = await ours(backend, asked)
            mine.append(seconds)
            seconds, others = padded.run(asked, batch)
            theirs.append(seconds)
            differences.append(max(abs(a - b) for a, b in zip(grades, others, strict=True)))
    return {
        "ours": mine,
        "theirs": theirs,
        "best": f"batches of {batch}",
        "ours_tokens": sum(computed),
        "theirs_tokens": padded.tokens,
        "difference": max(differences),
    }
