"""The reward model: the base, regressing the five rule labels from an answer's last token.

It starts from the base, not from the instruct model: style is easy, but telling
right from wrong needs a backbone that can solve. Besides the five labels at the
last token it is asked, where each statement ends, whether that statement is
true and whether everything so far is: the tutor knows, and a wrong answer then
teaches *where* it went wrong. These two outputs are dropped from the result.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from gristmill.nemotron.chat import reward_text
from gristmill.nemotron.presets import PRESETS, Preset
from gristmill.tutor import QUALITIES, Question, answer, grade, questions
from gristmill.tutor.labels import labels_of

from . import lean
from .lean import Weights
from .loop import Batch, Plan, run
from .sft import keep, own_answers
from .text import Documents, tokenizer_at

LABELS, COLUMNS = 5, 7  # five attributes; then: this statement is true, all so far are
TRUE, FALSE = 4, 0  # truth on the labels' scale

Rated = tuple[Question, str]


def conversation(question: Question, text: str) -> str:
    """What the reward model reads."""
    turns = [{"role": "user", "content": question.text}, {"role": "assistant", "content": text}]
    return reward_text(turns)


def documents(tokenizer: Any, rated: list[Rated]) -> Documents:
    """Conversations with their targets: labels at the last token, truths at statement ends."""
    texts = [conversation(q, text) for q, text in rated]
    encoded = tokenizer(texts, return_offsets_mapping=True)
    ids = [np.array(row, dtype=np.int16) for row in encoded["input_ids"]]
    targets = []
    for (question, text), whole, offsets in zip(
        rated, texts, encoded["offset_mapping"], strict=True
    ):
        graded = grade(question, text)
        rows = np.full((len(offsets), COLUMNS), -1, dtype=np.int8)
        rows[-1, :LABELS] = labels_of(graded, text)
        begins = np.array([a for a, _ in offsets])
        shift = len(whole) - len(f"{text}\n<extra_id_2>")
        clean = TRUE
        for (_, truth), end in zip(graded.statements, graded.ends, strict=True):
            # The token that holds the character after the statement: its full stop.
            at = min(int(np.searchsorted(begins, shift + end, side="right")) - 1, len(begins) - 2)
            if truth is not None:
                rows[at, LABELS] = TRUE if truth else FALSE
                clean = clean if truth else FALSE
                rows[at, LABELS + 1] = clean
        targets.append(rows)
    starts = np.cumsum([0] + [len(row) for row in ids])
    flat = np.concatenate(ids)
    return Documents(flat, np.ones(len(flat), dtype=np.uint8), starts, np.concatenate(targets))


def reward_loss(preset: Preset, w: Weights, batch: Batch) -> Tensor:
    """Masked mean squared error: over the labels, plus the same over the statements' truths."""
    h = lean.hidden(preset, w, batch.ids)
    said = F.linear(h, w["score.weight"], w["score.bias"]).float()
    known = (batch.targets >= 0).float()
    errors = (said - batch.targets).square() * known
    ends = errors[..., :LABELS].sum() / known[..., :LABELS].sum().clamp(min=1)
    steps = errors[..., LABELS:].sum() / known[..., LABELS:].sum().clamp(min=1)
    return ends + 0.5 * steps


@torch.no_grad()
def scores(preset: Preset, w: Weights, tokenizer: Any, rated: list[Rated]) -> np.ndarray:
    """The five predicted attributes of each conversation, (n, 5)."""
    ids = tokenizer([conversation(q, text) for q, text in rated])["input_ids"]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = np.zeros((len(ids), LABELS), dtype=np.float32)
    for begin in range(0, len(order), 128):
        rows = order[begin : begin + 128]
        last = torch.tensor([len(ids[i]) - 1 for i in rows])
        padded = torch.tensor([ids[i] + [0] * (int(last.max()) + 1 - len(ids[i])) for i in rows])
        h = lean.hidden(preset, w, padded)[torch.arange(len(rows)), last]
        said = F.linear(h, w["score.weight"][:LABELS], w["score.bias"][:LABELS])
        out[rows] = said.float().numpy()
    return out


def synthetic(count: int, seed: int) -> list[Rated]:
    """Made answers of every quality, the wrong and the right ones most."""
    rng = random.Random(f"reward:{seed}")
    asked = questions(min(count, 100_000), 200 + seed, held_out=False)
    mix = dict.fromkeys(QUALITIES, 8) | {"right": 26, "wrong": 40}
    return [(q, answer(q, rng.choices(list(mix), list(mix.values()))[0], rng)) for q in asked]


def with_head(base: Weights) -> Weights:
    """The base with a fresh head that begins by saying the middle of the scale."""
    d = base["model.norm.weight"].shape[0]
    weights = {k: v for k, v in base.items() if k != "lm_head.weight"}
    return weights | {
        "score.weight": torch.zeros(COLUMNS, d),
        "score.bias": torch.full((COLUMNS,), 2.0),
    }


def reward(
    work: Path,
    minutes: float,
    *,
    sizes: tuple[int, int, int],
    seed: int = 0,
    workers: int = 2,
) -> Weights:
    """Train on the instruct model's own answers and on made ones, from `work/base.safetensors`.

    `sizes`: training questions answered by the instruct model, answers each, made answers.
    """
    out = work / "reward"
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_at(work / "tokenizer")
    if not (out / "documents.npz").exists():
        asked = questions(sizes[0], 300 + seed, held_out=False)
        own = own_answers(work, asked, sizes[1], seed=seed, workers=workers)
        rated = [(q, text) for q, texts in zip(asked, own, strict=True) for text in texts]
        documents(tokenizer, rated + synthetic(sizes[2], seed)).save(out / "documents.npz")
    keep(with_head(load_file(work / "base.safetensors")), out / "start.safetensors")
    plan = Plan(
        PRESETS["tiny"],
        out,
        out / "start.safetensors",
        reward_loss,
        minutes=minutes,
        rates=(0.004, 8e-4),
        decay=0.9,
        seed=seed,
        workers=workers,
    )
    weights = run(plan)
    weights["score.weight"] = weights["score.weight"][:LABELS]
    weights["score.bias"] = weights["score.bias"][:LABELS]
    return weights
