"""The training loop of all three models: two one-thread workers, one document per row.

Two processes of one thread each beat one process of two threads at this size,
and keep their pace when something else wants a core: a worker waits for the
other once a step, not once an operation. Gradients are averaged over gloo.

The learning rate is flat, then falls steeply to zero over the last part of the
run, as in the two-phase recipe of the paper. A checkpoint and a line of
`log.jsonl` are written every few minutes; a run continues from them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gristmill.nemotron.presets import Preset

from .lean import Weights
from .optim import Optimizer
from .text import Documents

WARMUP = 100  # steps


@dataclass(frozen=True, slots=True)
class Batch:
    """`ids` and loss `weights`, (B, T); `targets` (B, T, k) with -1 for none; `last` indices."""

    ids: Tensor
    weights: Tensor
    targets: Tensor
    last: Tensor


Objective = Callable[[Preset, Weights, Batch], Tensor]
Measure = Callable[["Plan", Weights], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """One training run in folder `out`, which holds `documents.npz`.

    It ends after `minutes` of wall time or `steps`, whichever is given and comes
    first; `rows` documents a step, `decay` the share of the run over which the
    learning rate falls. `objective` turns weights and a batch into a loss;
    `measure` gives figures for the log. `start` holds the initial weights.
    """

    preset: Preset
    out: Path
    start: Path
    objective: Objective
    measure: Measure | None = None
    minutes: float = 1e9
    steps: int = 10**9
    rows: int = 128
    decay: float = 0.35
    rates: tuple[float, float] = (0.02, 3e-3)  # Muon's, Adam's
    seed: int = 0
    save_minutes: float = 3.0
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


def padded(docs: Documents, rows: np.ndarray) -> Batch:
    """A batch of documents padded on the right with token 0, weight 0 and no target."""
    starts, ends = docs.starts[rows], docs.starts[rows + 1]
    # A multiple of 8: few distinct shapes, or the kernels compiled for each fill the memory.
    longest = -(-int((ends - starts).max()) // 8) * 8
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    weights = np.zeros((len(rows), longest), dtype=np.float32)
    targets = np.full((len(rows), longest, docs.targets.shape[1]), -1, dtype=np.float32)
    for i, (a, b) in enumerate(zip(starts, ends, strict=True)):
        ids[i, : b - a] = docs.ids[a:b]
        weights[i, : b - a] = docs.weights[a:b]
        targets[i, : b - a] = docs.targets[a:b] if targets.shape[2] else 0
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(weights),
        torch.from_numpy(targets),
        torch.from_numpy(ends - starts - 1),
    )


def gradients(plan: Plan, masters: Weights, batch: Batch) -> tuple[float, Weights]:
    """The objective's value and fp32 gradients; the arithmetic is bf16."""
    w = {k: v.bfloat16().requires_grad_() for k, v in masters.items()}
    loss = plan.objective(plan.preset, w, batch)
    grads = torch.autograd.grad(loss, list(w.values()), allow_unused=True)
    # Weights that the loss does not move (frozen ones) have no gradient and get no step.
    return loss.item(), {k: g.float() for k, g in zip(w, grads, strict=True) if g is not None}


def scale(progress: float, step: int, decay: float) -> float:
    """The schedule's factor: a short warm-up, flat, then down to zero over the last `decay`."""
    return min(1.0, (step + 1) / WARMUP, max(0.0, (1 - progress) / decay))


def save(plan: Plan, optimizer: Optimizer, facts: dict[str, float]) -> None:
    """Write the checkpoint so that a reader never sees half of it."""
    from safetensors.torch import save_file

    tensors = {f"w.{k}": v for k, v in optimizer.weights.items()} | optimizer.state
    new = plan.out / "new.safetensors"
    contiguous = {k: v.contiguous() for k, v in tensors.items()}
    save_file(contiguous, new, metadata={"facts": json.dumps(facts)})
    new.replace(plan.out / "checkpoint.safetensors")


def load(path: Path) -> tuple[Weights, Weights, dict[str, float]]:
    """(weights, optimizer state, facts) of a checkpoint."""
    from safetensors import safe_open

    weights: Weights = {}
    state: Weights = {}
    with safe_open(path, framework="pt") as file:
        facts = json.loads((file.metadata() or {})["facts"])
        for key in list(file.keys()):
            target = weights if key.startswith("w.") else state
            target[key.removeprefix("w.")] = file.get_tensor(key)
    return weights, state, facts


class Loop:
    """The steps of one worker. All workers make the same updates in step."""

    def __init__(self, plan: Plan, rank: int) -> None:
        from safetensors.torch import load_file

        self.plan, self.rank = plan, rank
        self.docs = Documents.load(plan.out / "documents.npz")
        self.facts: dict[str, float] = {"step": 0, "tokens": 0, "seconds": 0.0, "epoch": 0}
        state: Weights = {}
        if (plan.out / "checkpoint.safetensors").exists():
            weights, state, self.facts = load(plan.out / "checkpoint.safetensors")
        else:
            weights = {k: v.float() for k, v in load_file(plan.start).items()}
        self.optimizer = Optimizer(weights, *plan.rates, rank=rank, world=plan.workers, state=state)
        self.optimizer.steps = int(self.facts["step"])
        self.losses: list[float] = []
        self.begun = time.monotonic() - self.facts["seconds"]
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
        # Workers' clocks differ a little; all must take the first one's word.
        minutes = (time.monotonic() - self.begun) / 60
        share = max(minutes / self.plan.minutes, self.facts["step"] / self.plan.steps)
        progress = torch.tensor([share], dtype=torch.float64)
        if self.plan.workers > 1:
            torch.distributed.broadcast(progress, 0)
        return float(progress)

    def step(self, rows: np.ndarray, progress: float) -> None:
        """One update from this worker's share of the rows."""
        batch = padded(self.docs, rows[self.rank :: self.plan.workers])
        loss, grads = gradients(self.plan, self.optimizer.weights, batch)
        if self.plan.workers > 1:
            flat = torch.cat([g.flatten() for g in grads.values()])
            torch.distributed.all_reduce(flat)
            flat /= self.plan.workers
            parts = flat.split([g.numel() for g in grads.values()])
            grads = {k: p.view_as(g) for (k, g), p in zip(grads.items(), parts, strict=True)}
        factor = scale(progress, int(self.facts["step"]), self.plan.decay)
        self.optimizer.step(grads, factor)
        self.facts["step"] += 1
        self.facts["tokens"] += int((self.docs.starts[rows + 1] - self.docs.starts[rows]).sum())
        self.losses.append(loss)

    def report(self) -> None:
        """First worker only: write the checkpoint, measure, append one line to the log."""
        if self.rank:
            return
        self.facts["seconds"] = time.monotonic() - self.begun
        save(self.plan, self.optimizer, self.facts)
        loss = sum(self.losses) / max(1, len(self.losses))
        self.losses.clear()
        line: dict[str, Any] = {**self.facts, "loss": round(loss, 4)}
        if self.plan.measure is not None:
            line |= self.plan.measure(self.plan, self.optimizer.weights)
        with (self.plan.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")


def worker(rank: int, plan: Plan) -> None:
    """One data-parallel worker, from meeting the others to the end of the run."""
    import torch.distributed as dist

    if plan.workers > 1:
        torch.set_num_threads(1)
        meet = f"file://{plan.out.resolve()}/meet"
        dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=plan.workers)
    Loop(plan, rank).run()
    if plan.workers > 1:
        dist.destroy_process_group()


def run(plan: Plan) -> Weights:
    """Train, or continue, until the plan's end; returns the trained fp32 weights."""
    (plan.out / "meet").unlink(missing_ok=True)
    if plan.workers == 1:
        worker(0, plan)
    else:
        from torch.multiprocessing.spawn import spawn

        spawn(worker, args=(plan,), nprocs=plan.workers, join=True)
    return load(plan.out / "checkpoint.safetensors")[0]
