"""Checkpoints: what a killed run goes on from, whole or not at all.

`checkpoint/latest.json` names the folder that holds the weights and the optimizer's state of one
step, a safetensors file a process. It is replaced only once that folder is complete; then older
ones go.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gristmill.errors import CheckpointError, StorageError
from gristmill.storage import write_atomically
from gristmill.train import parallel
from gristmill.train.optimizer import Stepper
from gristmill.train.parallel import World

MOMENTS = ("exp_avg", "exp_avg_sq", "step", "momentum_buffer")


@dataclass(frozen=True)
class Facts:
    """Where a run stands. data: a hash of what it learns from, which must not change under it."""

    step: int = 0
    tokens: int = 0
    computed: int = 0
    learned: int = 0
    seconds: float = 0.0
    data: str = ""


class Checkpoints:
    """The checkpoints of one run's folder."""

    def __init__(self, folder: Path, world: World) -> None:
        self._folder = folder / "checkpoint"
        self._world = world

    def save(self, module: nn.Module, optimizer: Stepper, facts: Facts) -> None:
        """Write one; every process writes its own share."""
        name = f"step-{facts.step:07}"
        place = self._folder / name
        try:
            place.mkdir(parents=True, exist_ok=True)
            file = place / f"process-{self._world.rank}.safetensors"
            save_file(_tensors(module, optimizer), file)
            _settle(file)
        except OSError as error:
            raise StorageError(f"{place}: cannot write: {error.strerror}") from None
        except Exception as error:  # safetensors' own error for a full disk
            raise StorageError(f"{place}: cannot write: {error}") from None
        self._world.wait()
        if self._world.first:
            values = {"folder": name, "layout": self._layout(module), **facts.__dict__}
            write_atomically(self._folder / "latest.json", json.dumps(values))
            for other in self._folder.glob("step-*"):
                if other.name != name:
                    shutil.rmtree(other)
        self._world.wait()

    def load(self, module: nn.Module, optimizer: Stepper, data: str) -> Facts:
        """Put the latest checkpoint into the module and the optimizer; `Facts()` without one.

        Raises CheckpointError where it does not fit: other data, another number of processes,
        split where these are whole; and for a damaged one.
        """
        latest = self._folder / "latest.json"
        if not latest.exists():
            return Facts(data=data)
        with _readable(latest):
            values = json.loads(latest.read_text())
            name, layout = values.pop("folder"), values.pop("layout")
            facts = Facts(**values)
        self._check(facts, data, layout, self._layout(module))
        with _readable(latest):
            tensors = load_file(self._folder / name / f"process-{self._world.rank}.safetensors")
        _restore(module, optimizer, tensors)
        return facts

    def _check(self, facts: Facts, data: str, there: Any, here: Any) -> None:
        run = self._folder.parent
        if facts.data != data:
            raise CheckpointError(
                f"{run}: the data has changed since the checkpoint of step {facts.step}; name "
                "another folder with --out, or put the data back"
            )
        if there["processes"] != here["processes"]:
            raise CheckpointError(
                f"{run}: the checkpoint is that of {there['processes']} processes, these are "
                f"{here['processes']}; start as many again"
            )
        if there["sharding"] != here["sharding"]:
            raise CheckpointError(
                f"{run}: the checkpoint was written with sharding: {there['sharding']}; go on "
                "with that"
            )

    def _layout(self, module: nn.Module) -> dict[str, Any]:
        """How the weights are spread over processes."""
        sharding = "fsdp" if parallel.is_sharded(module) else "replicate"
        return {"processes": self._world.size, "sharding": sharding}

    def remove(self) -> None:
        """Once the finished model is written."""
        if self._world.first:
            shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def _readable(latest: Path) -> Iterator[None]:
    """What a damaged checkpoint raises, as one line."""
    try:
        yield
    # safetensors has errors of its own, and so has JSON.
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(
            f"{latest}: the checkpoint cannot be read ({said}); remove {latest.parent} to begin "
            "again"
        ) from None


def _local(tensor: Tensor) -> Tensor:
    """A process's own share of a sharded tensor; any other as it is."""
    to_local = getattr(tensor, "to_local", None)
    return (to_local() if to_local else tensor).detach()


def _trained(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _tensors(module: nn.Module, optimizer: Stepper) -> dict[str, Tensor]:
    found = {}
    for name, parameter in _trained(module).items():
        found[f"weight.{name}"] = _local(parameter).cpu().contiguous().clone()
        for moment in MOMENTS:
            if moment in (state := optimizer.moments(parameter)):
                found[f"{moment}.{name}"] = _local(state[moment]).cpu().contiguous().clone()
    return found


@torch.no_grad()
def _restore(module: nn.Module, optimizer: Stepper, tensors: dict[str, Tensor]) -> None:
    for name, parameter in _trained(module).items():
        _local(parameter).copy_(tensors[f"weight.{name}"])
        state = optimizer.moments(parameter)
        for moment in MOMENTS:
            if f"{moment}.{name}" not in tensors:
                continue
            # Made like the parameter, so that a sharded one gets sharded moments.
            like = torch.zeros_like(parameter) if moment != "step" else torch.zeros(())
            _local(like).copy_(tensors[f"{moment}.{name}"])
            state[moment] = like


def _settle(file: Path) -> None:
    """Have the disk hold a file before anything points to it."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
