"""The line that serves a model as it was planned."""

from __future__ import annotations

import shlex

from gristmill.plan.layout import SHARE, Layout
from gristmill.plan.precision import Scheme
from gristmill.plan.shape import Shape
from gristmill.serve.vllm import PRECISIONS


def vllm_words(
    model: str,
    shape: Shape,
    scheme: Scheme,
    layout: Layout,
    *,
    context: int,
    kv_fp8: bool = False,
    share: float = SHARE,
    servers: int = 1,
) -> list[str]:
    """The words of `vllm serve` for this layout. model: what vLLM is to load, a folder or a name.
    servers: that the GPUs are in.

    A reward model gets the pooling runner. Where weights are to be FP8 and are not, vLLM makes
    them so; four-bit weights must be in the checkpoint, so no option asks for them.
    """
    words = ["vllm", "serve", model]
    if shape.reward:
        words += ["--runner", "pooling"]
    words += ["--tensor-parallel-size", str(layout.tensor)]
    if layout.pipeline > 1:
        words += ["--pipeline-parallel-size", str(layout.pipeline)]
    if servers > 1:
        words += ["--distributed-executor-backend", "ray"]
    words += ["--max-model-len", str(context)]
    if shape.stored == "bf16":
        words += PRECISIONS.get(scheme.name, PRECISIONS["bf16"])
    if kv_fp8:
        words += ["--kv-cache-dtype", "fp8"]
    return [*words, "--gpu-memory-utilization", f"{share:g}"]


def vllm_line(words: list[str]) -> str:
    """The same as one line for a shell."""
    return shlex.join(words)
