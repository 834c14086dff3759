"""The reward model: verifying layers on top of a frozen solver, regressing the rule labels.

It starts from the base, not from the instruct model: style is easy, but telling
right from wrong needs a backbone that can solve. The base's last layer holds,
at every token, what should come next; comparing that with what did come takes
further layers. Tuning the base's own five could not do it (right over wrong in
0.82 of pairs, while the base's own token probabilities reached 0.95). So the
base stays as it is below, and three new layers on top learn to compare.

Besides the five labels at the last token they are asked, on the way: at every
token of the answer, how much it surprises the base; where a statement ends,
whether it is true, and whether everything so far is (the tutor knows). These
outputs are dropped from the result.
"""

from __future__ import annotations

import random
from dataclasses import replace
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
from .sft import STOPS, keep, own_answers
from .text import Documents, tokenizer_at

LABELS, COLUMNS = 5, 7  # five attributes; then: this statement is true, all so far are
OUTPUTS = COLUMNS + 1  # and the token's surprise, which the base itself supplies
SOLVER = PRESETS["tiny"].layers
JUDGE = replace(PRESETS["tiny"], layers=SOLVER + 3)
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
    """Masked mean squared error of the labels, and of what is asked on the way (module text)."""
    with torch.no_grad():
        x = F.embedding(batch.ids, w["model.embed_tokens.weight"])
        context = lean.surroundings(preset, x)
        x = lean.through(preset, w, x, context, range(SOLVER))
        expected = _expectedness(w, x, batch.ids)
    x = lean.through(preset, w, x, context, range(SOLVER, preset.layers))
    h = lean.norm(w, "model.norm", x)
    said = F.linear(h, w["score.weight"], w["score.bias"]).float()
    targets = torch.cat((batch.targets, expected[..., None]), dim=-1)
    known = (targets >= 0).float()
    errors = (said - targets).square() * known
    ends, steps, tokens = (
        errors[..., part].sum() / known[..., part].sum().clamp(min=1)
        for part in (slice(0, LABELS), slice(LABELS, COLUMNS), slice(COLUMNS, OUTPUTS))
    )
    return ends + 0.5 * steps + 0.5 * tokens


def _expectedness(w: Weights, x: Tensor, ids: Tensor) -> Tensor:
    """(B, T): 4 plus the base's log probability of each answer token, at least 0; -1 elsewhere."""
    logits = F.linear(lean.norm(w, "solver.norm", x[:, :-1]), w["solver.lm_head.weight"]).float()
    chance = torch.log_softmax(logits, -1).gather(-1, ids[:, 1:, None])[..., 0]
    expected = F.pad((4 + chance).clamp(min=0), (1, 0), value=-1.0)
    # The answer begins behind the second turn token, and ends before the padding.
    answer = ((ids == STOPS[1]).cumsum(1) >= 2) & (ids != 0)
    return torch.where(answer, expected, -1.0)


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
        # A finished model's bias is in the norm's.
        bias = w["score.bias"][:LABELS] if "score.bias" in w else None
        said = F.linear(h, w["score.weight"][:LABELS], bias)
        out[rows] = said.float().numpy()
    return out


def synthetic(count: int, seed: int) -> list[Rated]:
    """Made answers of every quality, the wrong and the right ones most."""
    rng = random.Random(f"reward:{seed}")
    asked = questions(min(count, 100_000), 200 + seed, held_out=False)
    mix = dict.fromkeys(QUALITIES, 8) | {"right": 26, "wrong": 40}
    return [(q, answer(q, rng.choices(list(mix), list(mix.values()))[0], rng)) for q in asked]


def spliced(own: list[Rated], count: int, seed: int) -> list[Rated]:
    """Answers cut up and put together wrongly: what a small model's worst samples look like.

    The words of one answer, or of two run together, from any place to any other, sometimes with
    one broken.
    """
    rng = random.Random(f"spliced:{seed}")
    out: list[Rated] = []
    while len(out) < count:
        question, first = rng.choice(own)
        words = first.split()[: rng.randint(0, 12)]
        other = rng.choice(own)[1].split()
        begin = rng.randint(0, len(other))
        words += other[begin : begin + rng.choice((1, 2, 4, 8, 40))]
        if words and rng.random() < 0.5:
            place = rng.randrange(len(words))
            words[place] = words[place][rng.randint(0, 2) :] or "?"
        out.append((question, " ".join(words)))
    return out


def with_layers(base: Weights, seed: int) -> Weights:
    """The base, new layers that begin as the identity, and a head that says the scale's middle."""
    weights = lean.initial(JUDGE, seed) | base
    d = JUDGE.hidden
    weights["solver.lm_head.weight"] = weights.pop("lm_head.weight")
    for part in ("weight", "bias"):
        weights[f"solver.norm.{part}"] = weights[f"model.norm.{part}"].clone()
        weights[f"model.norm.{part}"] = torch.zeros(d)
    weights["score.weight"] = torch.zeros(OUTPUTS, d)
    weights["score.bias"] = torch.full((OUTPUTS,), 2.0)
    return weights


def finished(weights: Weights) -> Weights:
    """What is kept: the layers and the five attributes' outputs."""
    kept = {k: v for k, v in weights.items() if not k.startswith("solver.")}
    for part in ("score.weight", "score.bias"):
        kept[part] = kept[part][:LABELS].clone()
    return kept


def reward(
    work: Path,
    minutes: float,
    *,
    sizes: tuple[int, int, int],
    seed: int = 0,
    workers: int = 2,
) -> Weights:
    """Train on the instruct model's own answers, spliced and made ones, over the frozen base.

    `sizes`: training questions answered by the instruct model, answers each, made answers.
    """
    out = work / "reward"
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_at(work / "tokenizer")
    if not (out / "documents.npz").exists():
        asked = questions(sizes[0], 300 + seed, held_out=False)
        own = own_answers(work, asked, sizes[1], seed=seed, workers=workers)
        rated = [(q, text) for q, texts in zip(asked, own, strict=True) for text in texts]
        rated += spliced(rated, len(rated) // 4, seed) + synthetic(sizes[2], seed)
        documents(tokenizer, rated).save(out / "documents.npz")
    keep(with_layers(load_file(work / "base.safetensors"), seed), out / "start.safetensors")
    plan = Plan(
        JUDGE,
        out,
        out / "start.safetensors",
        reward_loss,
        minutes=minutes,
        rates=(0.012, 2e-3),
        decay=0.8,
        seed=seed,
        workers=workers,
    )
    return finished(run(plan))
