"""Pretraining the base: next-token prediction on the tutor's text."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from gristmill.nemotron.presets import PRESETS, Preset
from gristmill.tutor import Question, grade, questions

from . import lean
from .lean import Weights
from .loop import Batch, Plan, run
from .text import pretraining, tokenizer_at, train_tokenizer

MEASURED = 200  # questions behind each accuracy in the log


def language_loss(preset: Preset, w: Weights, batch: Batch) -> Tensor:
    """Cross-entropy of next tokens, weighted by the documents' loss weights."""
    scores = F.linear(lean.hidden(preset, w, batch.ids), w["lm_head.weight"]).float()
    weights = F.pad(batch.weights[:, 1:], (0, 1)).flatten()
    targets = F.pad(batch.ids[:, 1:], (0, 1)).flatten()
    losses = F.cross_entropy(scores.flatten(0, 1), targets, reduction="none")
    return (losses * weights).sum() / weights.sum()


def greedy(preset: Preset, w: Weights, tokenizer: Any, asked: list[Question]) -> dict[str, float]:
    """Greedy accuracy in the question-and-answer format, graded in full: per kind and `all`."""
    prompts = tokenizer([f"Question: {q.text}\nAnswer:" for q in asked])["input_ids"]
    half = {k: v.bfloat16() for k, v in w.items()}
    out = lean.generate(preset, half, prompts, stops=(0,), max_tokens=110)
    marks: dict[str, list[bool]] = defaultdict(list)
    for question, ids in zip(asked, out, strict=True):
        right = grade(question, tokenizer.decode(ids).strip()).right
        marks[question.kind].append(right)
        marks["all"].append(right)
    return {k: round(sum(v) / len(v), 3) for k, v in sorted(marks.items())}


def measure(plan: Plan, w: Weights) -> dict[str, Any]:
    """Held-out greedy accuracy, for the log."""
    tokenizer = tokenizer_at(plan.out.parent / "tokenizer")
    asked = questions(MEASURED, 1, held_out=True)
    return {"held_out_greedy": greedy(plan.preset, w, tokenizer, asked)}


def pretrain(
    work: Path, minutes: float, *, documents: int, seed: int = 0, workers: int = 2
) -> Weights:
    """Tokenizer, documents and base model under `work`; what exists already is kept."""
    out = work / "base"
    out.mkdir(parents=True, exist_ok=True)
    if not (work / "tokenizer").exists():
        train_tokenizer(seed).save_pretrained(work / "tokenizer")
    if not (out / "documents.npz").exists():
        tokenizer = tokenizer_at(work / "tokenizer")
        pretraining(tokenizer, documents, seed).save(out / "documents.npz")
    preset = PRESETS["tiny"]
    save_file(lean.initial(preset, seed), out / "start.safetensors")
    plan = Plan(
        preset,
        out,
        out / "start.safetensors",
        language_loss,
        measure if documents >= MEASURED * 10 else None,  # a toy run has nothing to measure
        minutes=minutes,
        # At Muon's usual 0.02 accuracy stopped at about 0.75 and went up and down; the long
        # fall from 0.012 took every kind above 0.9 within a few minutes.
        rates=(0.012, 2e-3),
        decay=0.6,
        seed=seed,
        workers=workers,
    )
    return run(plan)
