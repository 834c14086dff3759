"""The training loop: steps of the optimizer over parts that fit the memory."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gristmill.errors import RunError
from gristmill.packing import Pack, pack
from gristmill.page.text import plural
from gristmill.train import parallel
from gristmill.train.batches import Step, parts
from gristmill.train.config import TrainConfig
from gristmill.train.encode import Item, targets
from gristmill.train.model import Learner, Packed
from gristmill.train.objectives import Objective
from gristmill.train.optimizer import Stepper
from gristmill.train.parallel import World
from gristmill.train.state import Checkpoints, Facts

Watch = Callable[[dict[str, Any]], None]
"""Called with each line of the log as it is written."""


class Trainer:
    """One run: the learner, what it minimises, and where it stands (`facts`).

    total: steps there will be. data: hash of what is learned from. rate: learning rate of a step.
    """

    def __init__(
        self,
        learner: Learner,
        objective: Objective,
        config: TrainConfig,
        folder: Path,
        world: World,
    ) -> None:
        self.learner, self.objective, self.config = learner, objective, config
        self.folder, self.world = folder, world
        self.module: Packed = learner.module.to(world.device)
        if config.sharding == "fsdp" and world.size > 1:
            parallel.shard(self.module, self.module.plain)
        self.trained = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = Stepper(self.module, config.optimizer)
        self.checkpoints = Checkpoints(folder, world)
        self.facts = Facts()

    def run(
        self,
        steps: Iterable[Step],
        rate: Callable[[int], float],
        data: str,
        watch: Watch,
        measure: Callable[[], dict[str, Any]] | None,
    ) -> None:
        """Go through the steps, from the checkpoint on if there is one.

        Raises RunError for a loss that is not a number, or when memory runs out.
        """
        self.facts = self.checkpoints.load(self.module, self.optimizer, data)
        log = Log(self.folder / "log.jsonl", self.facts.step, watch if self.world.first else None)
        begun = time.monotonic() - self.facts.seconds
        steps = list(steps)
        last = steps[-1].number if steps else 0
        for step in steps[self.facts.step :]:
            lr = rate(step.number)
            values = self.step(step, lr)
            self.facts = replace(self.facts, step=step.number, seconds=time.monotonic() - begun)
            log.write(
                {
                    "step": step.number,
                    "of": last,
                    "epoch": step.epoch,
                    **values,
                    "lr": lr,
                    "tokens": self.facts.tokens,
                    "computed": self.facts.computed,
                    "seconds": round(self.facts.seconds, 3),
                }
            )
            at_end = step.number == last
            if measure and (step.number % self.config.measure_every == 0 or at_end):
                log.write({"step": step.number, "validation": measure()})
            if step.number % self.config.save_every == 0 or at_end:
                self.checkpoints.save(self.module, self.optimizer, self.facts)

    def step(self, step: Step, lr: float) -> dict[str, float]:
        """One step of the optimizer; returns its loss, terms and gradient norm."""
        # The dropout of a step depends on the seed and its number alone, so a resumed run repeats.
        torch.manual_seed((self.config.seed << 32) + (step.number << 8) + self.world.rank)
        self.module.train()
        values = self._gradients(step)
        clipped: Any = torch.nn.utils.clip_grad_norm_(self.trained, self.config.optimizer.clip)
        # With shards, each process has its own share of the norm.
        norm = float(clipped.full_tensor() if hasattr(clipped, "full_tensor") else clipped)
        if not math.isfinite(norm):
            self._broken(step, step.items, f"the gradient's norm is {norm}")
        with memory_errors(self.config):  # The first step is when AdamW's means are made.
            self.optimizer.step(lr)
        return {**values, "grad_norm": round(norm, 6)}

    def _gradients(self, step: Step) -> dict[str, float]:
        counts, weights = self.objective.counts(step.items), self.objective.weights(step.number)
        pieces = parts(step.items, self.config.batch.tokens, self.world.size)
        found = dict.fromkeys(self.objective.terms, 0.0)
        computed = 0
        for piece in pieces[self.world.rank :: self.world.size]:
            # A process with nothing to do still takes part, with no weight.
            items = piece or step.items[:1]
            with memory_errors(self.config), self.arithmetic():
                batch, outputs = self.forward(items)
                sums = self.objective.sums(outputs, batch.owners, items)
                loss = torch.zeros((), device=outputs.device)
                for name, total in sums.items():
                    if weights[name]:
                        loss = loss + weights[name] * total / max(1.0, counts[name])
            if not torch.isfinite(loss):
                self._broken(step, items, f"the loss is {loss.item()}")
            weight = (1.0 if piece else 0.0) * (
                # FSDP averages over the processes where a sum is wanted.
                self.world.size if parallel.is_sharded(self.module) else 1
            )
            with memory_errors(self.config):
                (loss * weight).backward()
            if piece:
                computed += batch.tokens
                for name, total in sums.items():
                    found[name] += total.item()
        if self.world.size > 1 and not parallel.is_sharded(self.module):
            parallel.sum_gradients(self.trained)
        found = parallel.summed({**found, "computed": float(computed)}, self.world)
        self._note(step.items, int(found.pop("computed")))
        # By the weights of the end in every step, so that losses of all steps can be compared.
        return self._shown(found, counts, self.objective.terms)

    @staticmethod
    def _shown(
        found: dict[str, float], counts: dict[str, float], weights: dict[str, float]
    ) -> dict[str, float]:
        """The loss, and each term as a mean; a term that no example of a step has is left out."""
        means = {n: round(v / counts[n], 6) for n, v in found.items() if counts[n]}
        loss = sum(weights[name] * value for name, value in means.items())
        return {"loss": round(loss, 6), **{n: v for n, v in means.items() if n != "loss"}}

    def _note(self, items: Sequence[Item], computed: int) -> None:
        self.facts = replace(
            self.facts,
            tokens=self.facts.tokens + sum(item.tokens for item in items),
            computed=self.facts.computed + computed,
            learned=self.facts.learned + sum(item.reads for item in items),
        )

    def forward(self, items: Sequence[Item]) -> tuple[Pack, Tensor]:
        """Items in one pack, and what the module says of them (see `Packed`)."""
        batch = pack([s for item in items for s in item.sequences]).to(self.world.device)
        wanted = None
        if self.module.columns is None:
            wanted = torch.from_numpy(targets(items)).long().to(self.world.device)
        return batch, self.module(batch, wanted)

    def arithmetic(self) -> Any:
        """The precision of the forward pass."""
        half = self.config.precision == "bf16"
        return torch.autocast(self.world.device.type, torch.bfloat16, enabled=half)

    @torch.no_grad()
    def outputs(self, items: Sequence[Item]) -> list[Tensor]:
        """What the module says of each item, on the CPU, in order; all processes get all."""
        self.module.eval()
        every = parts(items, self.config.batch.tokens, self.world.size)
        places = {id(item): i for i, item in enumerate(items)}
        found: list[Tensor | None] = [None] * len(items)
        for piece in every[self.world.rank :: self.world.size]:
            with memory_errors(self.config), self.arithmetic():
                _, said = self.forward(piece or items[:1])
            if piece:
                rows = said.float().cpu().split([item.reads for item in piece])
                for item, row in zip(piece, rows, strict=True):
                    found[places[id(item)]] = row
        parallel.settle(self.module)
        return _shared(found, items, self.world, self.module.columns)

    def _broken(self, step: Step, items: Sequence[Item], what: str) -> None:
        """Leave the examples behind and stop."""
        name = "nan-batch.jsonl" if self.world.size == 1 else f"nan-batch-{self.world.rank}.jsonl"
        file = self.folder / name
        with file.open("w", encoding="utf-8") as out:
            for item in items:
                texts = [self.learner.tokenizer.decode(s.ids) for s in item.sequences]
                row = {"step": step.number, "where": item.example.where, "texts": texts}
                row["labels"] = getattr(item.example, "labels", None)
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
        raise RunError(
            f"step {step.number}: {what}; {plural(len(items), 'example')} behind it: {file}; "
            "look there, lower optimizer.lr, or set precision: fp32 (the last checkpoint is kept)"
        )


def _shared(
    found: list[Tensor | None], items: Sequence[Item], world: World, columns: Any
) -> list[Tensor]:
    """Every process's rows filled in from the process that has them."""
    width = () if columns is None else (len(columns),)
    rows = [
        torch.zeros(i.reads, *width) if f is None else f for i, f in zip(items, found, strict=True)
    ]
    if not rows:
        return []
    whole = parallel.combined(torch.cat(rows), world)
    return list(whole.split([item.reads for item in items]))


class Log:
    """`log.jsonl`, a line a step. What a killed run wrote beyond its checkpoint is taken back."""

    def __init__(self, path: Path, step: int, watch: Watch | None) -> None:
        self._path, self._watch = path, watch
        if watch is None:
            return
        kept = []
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if _step_of(line) <= step]
        path.write_bytes(b"".join(kept))

    def write(self, line: dict[str, Any]) -> None:
        """Append a line and show it."""
        if self._watch is None:
            return
        with self._path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        self._watch(line)


def _step_of(line: bytes) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


@contextmanager
def memory_errors(config: TrainConfig) -> Iterator[None]:
    """PyTorch's ways of saying that memory ran out, as one line that says what to lower."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        said = str(error).lower()
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and "can't allocate memory" not in said and "out of memory" not in said:
            raise
        also = [] if config.checkpointing else ["set checkpointing: true"]
        also += [] if config.lora else ["train adapters (lora: {})"]
        raise RunError(
            f"memory ran out: lower batch.tokens (now {config.batch.tokens:,}); the result stays "
            f"the same{''.join(f', or {way}' for way in also)}"
        ) from None
