"""The GPUs that are known: `gpus.yaml`, a source beside every figure."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path

import yaml
from pydantic import Field

from gristmill.errors import ConfigError
from gristmill.parts import Options, build

FILE = Path(__file__).parent / "gpus.yaml"


class Gpu(Options):
    """One kind of GPU; the units are those of `gpus.yaml`."""

    key: str
    """As `--gpu` names it."""
    name: str
    """As its maker does."""
    aliases: list[str | int] = Field(default_factory=list)
    """Other names that `--gpu` takes."""
    memory: float
    """Decimal GB."""
    bandwidth: float
    """GB/s of its memory."""
    bf16: float
    """Dense TFLOPS in BF16."""
    fp8: float | None
    """Dense TFLOPS in FP8; null without FP8 arithmetic."""
    link: str
    """What joins the GPUs of a server."""
    link_gbs: float
    """GB/s of the link."""
    server: int
    """GPUs in a server."""
    joined: int
    """GPUs that the link joins."""
    source: str
    """Where the figures stand."""

    @property
    def memory_bytes(self) -> float:
        """Bytes of its memory."""
        return self.memory * 1e9

    @property
    def bytes_per_second(self) -> float:
        """Bytes that its memory gives a second at best."""
        return self.bandwidth * 1e9

    def flops(self, scheme: str) -> float:
        """Operations a second at best with weights of that scheme.

        Only FP8 weights are multiplied in FP8; four-bit weights, and FP8 weights where there is no
        such arithmetic, are widened to BF16.
        """
        fast = self.fp8 if scheme == "fp8" and self.fp8 else self.bf16
        return fast * 1e12


@cache
def gpus() -> dict[str, Gpu]:
    """All of them by key, in the file's order."""
    values = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {key: build(Gpu, {"key": key, **one}, key) for key, one in values.items()}


def gpu_of(name: str) -> Gpu:
    """The GPU that a user means; ConfigError suggests near ones."""
    names = dict(gpus())
    for gpu in gpus().values():
        names.update({str(alias): gpu for alias in gpu.aliases})
    asked = name.strip().lower().replace("_", "-").replace(" ", "-")
    if asked in names:
        return names[asked]
    near = get_close_matches(asked, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise ConfigError(f"--gpu {name}: unknown; {hint}known are {', '.join(gpus())}")
