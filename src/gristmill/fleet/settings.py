"""What a config says of a fleet."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from gristmill.errors import ConfigError
from gristmill.parts import Options, refuse_code


class Fleet(Options):
    """Servers that are started for a model, and ended when the run is over."""

    on: Literal["local", "ray", "slurm"] = "local"
    """Where: on this machine, on the nodes of a Ray cluster, or as jobs of Slurm."""
    replicas: int = Field(default=1, ge=1, le=256, strict=True)
    """How many servers have the model."""
    gpus: int = Field(default=1, ge=1, le=64, strict=True)
    """GPUs of one replica, where the machine or cluster has any: each gets its own, all of one
    node. With vLLM each layer is split over them."""
    start: float = Field(default=600.0, gt=0, lt=1e5)
    """Seconds until a replica must answer. Weights of many gigabytes take minutes to load."""
    flags: tuple[str, ...] = ()
    """More options of `gristmill serve`, such as `--queue=64` or `--flag=--enforce-eager`. They can
    name a program to run, so `--no-code` refuses any."""

    @field_validator("flags")
    @classmethod
    def _may_run(cls, flags: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for flag in flags:
                refuse_code(flag)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return flags
