"""Pretraining the tiny base: two one-thread workers, one document per row, bf16 arithmetic.

Two processes of one thread each beat one process of two threads at this size,
and keep their pace when something else wants a core: a worker waits for the
other once a step, not once an operation. Gradients are averaged over gloo.

The learning rate is constant, then falls steeply to zero over the last third of
the allotted time, as in the two-phase recipe of the paper. A checkpoint and a
line of `log.jsonl` are written every few minutes; a run continues from them.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gristmill.nemotron.presets import Preset
from gristmill.tutor.ask import questions
from gristmill.tutor.world import Question

from . import lean
from .optim import Optimizer
from .lean import Weights
from .text import Documents

DECAY = 0.35  # share of the time over which the learning rate falls to zero


@dataclass(frozen=True, slots=True)
class Plan:
    """What one training run is given. `minutes` of wall time; `rows` documents a step."""

    preset: Preset
    out: Path
    tokenizer: Path
    minutes: float
    rows: int = 128
    seed: int = 0
    save_minutes: float = 4.0
    workers: int = 2


def batches(docs: Documents, rows: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Document indices of each batch: shuffled, then grouped by length within windows."""
    rng = np.random.default_rng([seed, epoch])
    lengths = np.diff(docs.starts)
    order = rng.permutation(len(lengths))
    for begin in range(0, len(order), rows * 64):
        window = order[begin : begin + rows * 64]
        window = window[np.argsort(lengths[window], kind="stable")]
        groups = [window[i : i + rows] for i in range(0, len(window) - rows + 1, rows)]
        for i in rng.permutation(len(groups)):
            yield groups[i]


def padded(docs: Documents, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """(ids, weights) of documents padded on the right with 0, each (B, T)."""
    starts, ends = docs.starts[rows], docs.starts[rows + 1]
    longest = int((ends - starts).max())
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    weights = np.zeros((len(rows), longest), dtype=np.float32)
    for i, (a, b) in enumerate(zip(starts, ends, strict=True)):
        ids[i, : b - a] = docs.ids[a:b]
        weights[i, : b - a] = docs.weights[a:b]
    return torch.from_numpy(ids), torch.from_numpy(weights)


def gradients(
    preset: Preset, masters: Weights, ids: Tensor, weights: Tensor
) -> tuple[float, Weights]:
    """Weighted cross-entropy of next tokens, and its fp32 gradients; arithmetic in bf16."""
    w = {k: v.bfloat16().requires_grad_() for k, v in masters.items()}
    h = lean.hidden(preset, w, ids[:, :-1])
    chosen = weights[:, 1:] > 0
    scores = F.linear(h[chosen], w["lm_head.weight"]).float()
    losses = F.cross_entropy(scores, ids[:, 1:][chosen], reduction="none")
    share = weights[:, 1:][chosen]
    loss = (losses * share).sum() / share.sum()
    grads = torch.autograd.grad(loss, list(w.values()))
    return loss.item(), {k: g.float() for k, g in zip(w, grads, strict=True)}


def scale(progress: float, step: int) -> float:
    """The schedule's factor: a short warm-up, flat, then down to zero over `DECAY`."""
    return min(1.0, (step + 1) / 100, max(0.0, (1 - progress) / DECAY))


def final_matches(question: Question, text: str) -> bool:
    """A quick check for the log: the last thing said to be the answer is the true one."""
    found = re.findall(r"(?:answer is|Answer:|^) *([\w, ]+)\.", text)
    return bool(found) and found[-1].removesuffix(f" {question.unit}") == question.answer


def accuracy(plan: Plan, w: Weights, tokenizer, asked: list[Question]) -> dict[str, float]:
    """Greedy accuracy on questions in the question-and-answer format: per kind, and `all`."""
    prompts = tokenizer([f"Question: {q.text}\nAnswer:" for q in asked])["input_ids"]
    half = {k: v.bfloat16() for k, v in w.items()}
    out = lean.generate(plan.preset, half, prompts, stops=(0,), max_tokens=110)
    marks: dict[str, list[bool]] = defaultdict(list)
    for question, ids in zip(asked, out, strict=True):
        right = final_matches(question, tokenizer.decode(ids).strip())
        marks[question.kind].append(right)
        marks["all"].append(right)
    return {k: round(sum(v) / len(v), 3) for k, v in sorted(marks.items())}


def save(plan: Plan, optimizer: Optimizer, facts: dict[str, float]) -> None:
    """Write the checkpoint so that a reader never sees half of it."""
    from safetensors.torch import save_file

    tensors = {f"w.{k}": v for k, v in optimizer.weights.items()} | optimizer.state
    save_file({k: v.contiguous() for k, v in tensors.items()}, plan.out / "new.safetensors",
              metadata={"facts": json.dumps(facts)})
    os.replace(plan.out / "new.safetensors", plan.out / "checkpoint.safetensors")


def load(path: Path) -> tuple[Weights, Weights, dict[str, float]]:
    """(weights, optimizer state, facts) of a checkpoint."""
    from safetensors import safe_open

    weights, state = {}, {}
    with safe_open(path, framework="pt") as file:
        facts = json.loads((file.metadata() or {})["facts"])
        for key in file.keys():  # noqa: SIM118  (not a dict)
            target = weights if key.startswith("w.") else state
            target[key.removeprefix("w.")] = file.get_tensor(key)
    return weights, state, facts


def worker(rank: int, plan: Plan) -> None:
    """One data-parallel worker; all workers make the same updates in step."""
    import torch.distributed as dist

    torch.set_num_threads(1)
    if plan.workers > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{plan.out}/meet", rank=rank, world_size=plan.workers
        )
    docs = Documents.load(plan.out / "documents.npz")
    start = {"step": 0, "tokens": 0, "seconds": 0.0, "epoch": 0}
    checkpoint = plan.out / "checkpoint.safetensors"
    if checkpoint.exists():
        weights, state, start = load(checkpoint)
    else:
        weights, state = lean.initial(plan.preset, plan.seed), {}
    optimizer = Optimizer(weights, rank=rank, world=plan.workers, state=state)
    optimizer.steps = int(start["step"])
    Loop(plan, rank, docs, optimizer, dict(start)).run()
    if plan.workers > 1:
        dist.destroy_process_group()


class Loop:
    """The steps of one worker, until the time is used up."""

    def __init__(
        self, plan: Plan, rank: int, docs: Documents, optimizer: Optimizer, facts: dict
    ) -> None:
        self.plan, self.rank, self.docs, self.optimizer, self.facts = (
            plan, rank, docs, optimizer, facts,
        )
        self.losses: list[float] = []
        self.begun = time.monotonic() - facts["seconds"]
        self.saved = time.monotonic()

    def run(self) -> None:
        """Train epoch after epoch; checkpoint and log on the way and at the end."""
        while True:
            self.facts["epoch"] += 1
            seed = self.plan.seed + 1000 * int(self.facts["step"])
            for rows in batches(self.docs, self.plan.rows, seed, int(self.facts["epoch"])):
                progress = self._agreed_progress()
                if progress >= 1:
                    return self.report()
                self.step(rows, progress)
                if time.monotonic() - self.saved > self.plan.save_minutes * 60:
                    self.report()
                    self.saved = time.monotonic()

    def _agreed_progress(self) -> float:
        # Workers' clocks differ by microseconds; all must take the first one's word.
        progress = torch.tensor([(time.monotonic() - self.begun) / (self.plan.minutes * 60)])
        if self.plan.workers > 1:
            torch.distributed.broadcast(progress, 0)
        return float(progress)

    def step(self, rows: np.ndarray, progress: float) -> None:
        """One update from this worker's share of the rows."""
        ids, weights = padded(self.docs, rows[self.rank :: self.plan.workers])
        loss, grads = gradients(self.plan.preset, self.optimizer.weights, ids, weights)
        if self.plan.workers > 1:
            flat = torch.cat([g.flatten() for g in grads.values()])
            torch.distributed.all_reduce(flat)
            flat /= self.plan.workers
            parts = flat.split([g.numel() for g in grads.values()])
            grads = {k: p.view_as(g) for (k, g), p in zip(grads.items(), parts, strict=True)}
        self.optimizer.step(grads, scale(progress, int(self.facts["step"])))
        self.facts["step"] += 1
        self.facts["tokens"] += int((self.docs.starts[rows + 1] - self.docs.starts[rows]).sum())
        self.losses.append(loss)

    def report(self) -> None:
        """First worker: checkpoint, held-out greedy accuracy, one line of the log."""
        if self.rank:
            return
        from transformers import PreTrainedTokenizerFast

        self.facts["seconds"] = time.monotonic() - self.begun
        save(self.plan, self.optimizer, self.facts)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(self.plan.tokenizer)
        asked = questions(200, 1, held_out=True)
        marks = accuracy(self.plan, self.optimizer.weights, tokenizer, asked)
        loss = sum(self.losses) / max(1, len(self.losses))
        self.losses.clear()
        line = {**self.facts, "loss": round(loss, 4), "held_out_greedy": marks}
        with (self.plan.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")


def run(plan: Plan) -> None:
    """Train (or continue) until `plan.minutes` are used; `documents.npz` must lie in `plan.out`."""
    random.seed(plan.seed)
    (plan.out / "meet").unlink(missing_ok=True)
    if plan.workers == 1:
        return worker(0, plan)
    torch.multiprocessing.spawn(worker, args=(plan,), nprocs=plan.workers, join=True)
