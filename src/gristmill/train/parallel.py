"""Several processes on one training run, started by `torchrun` (or `accelerate launch`).

Each takes its share of every step's parts. `replicate`: each holds the whole model, and gradients
are summed once a step. `fsdp`: each holds a share of every layer (FSDP2, `fully_shard`).
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gristmill.errors import ConfigError


@dataclass(frozen=True)
class World:
    """Which process this is, of how many, and where it computes."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes the files and shows the progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined() -> Iterator[World]:
    """The processes that were started together; alone without a launcher."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    cuda = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if size == 1:
        yield World(0, 1, device)
        return
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
        # Kept to the end: a second group would meet at the addresses that the first one left.
        atexit.register(dist.destroy_process_group)
    yield World(dist.get_rank(), size, device)


def shard(module: nn.Module, plain: Any) -> None:
    """Split a model's layers among the processes. Raises ConfigError for one whose layers are not
    known."""
    from torch.distributed.fsdp import fully_shard

    names = set(getattr(plain, "_no_split_modules", None) or ())
    layers = [m for m in plain.modules() if type(m).__name__ in names]
    if not layers:
        raise ConfigError(
            f"sharding: {type(plain).__name__} does not say what its layers are; use replicate"
        )
    for layer in layers:
        fully_shard(layer)
    fully_shard(module)


def is_sharded(module: nn.Module) -> bool:
    """Whether `shard` was called on it."""
    from torch.distributed.fsdp import FSDPModule

    return isinstance(module, FSDPModule)


def settle(module: nn.Module) -> None:
    """Take back the whole weights that a forward pass without a backward one leaves in place:
    until then the module's parameters are not those that the optimizer knows."""
    from torch.distributed.fsdp import FSDPModule

    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def sum_gradients(parameters: Sequence[Tensor]) -> None:
    """Every replica's gradients become the sum of all."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))


def summed(values: dict[str, float], world: World) -> dict[str, float]:
    """Each value over all processes."""
    if world.size == 1:
        return values
    row = torch.tensor(list(values.values()), dtype=torch.float64, device=world.device)
    dist.all_reduce(row)
    return dict(zip(values, row.tolist(), strict=True))


def combined(values: Tensor, world: World) -> Tensor:
    """Rows that each process filled in where it had them, and left 0 elsewhere."""
    if world.size == 1:
        return values
    moved = values.to(world.device)
    dist.all_reduce(moved)
    return moved.to(values.device)


def whole_state(module: nn.Module) -> dict[str, Tensor]:
    """All weights on the CPU; with shards, on the first process alone."""
    if not is_sharded(module):
        return {k: v.detach().cpu() for k, v in module.state_dict().items()}
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return cast("dict[str, Tensor]", get_model_state_dict(module, options=options))
