"""How a model is cut over GPUs, and what memory that leaves for sequences.

A set of GPUs is 1, 2, 4 or all of one server, or whole servers. Within a set, tensor parallelism
cuts every matrix over `tensor` GPUs, and pipeline parallelism deals the layers out to `pipeline`
stages, as vLLM does. What it counts, and what not:

- Of each GPU's memory `share` is used, 0.9 by default, as vLLM's `--gpu-memory-utilization`.
- Norms and routers are whole on every GPU of a tensor-parallel group.
- KV heads that tensor parallelism exceeds are copied: `tensor / kv_heads` times.
- What activations, CUDA graphs and the engine itself take is not counted: an engine's own figure
  for its cache is some GB a GPU lower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gristmill.plan.gpus import Gpu
from gristmill.plan.precision import Scheme, part_bytes
from gristmill.plan.shape import Layer, Part, Shape

SHARE = 0.9
"""Of a GPU's memory that is used; vLLM's default."""

LARGEST = 512
"""GPUs of the largest set that is looked at."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to put a model on GPUs.

    gpus: all of them, tensor x pipeline. copies: how often each cached value is there. left: bytes
    for sequences, over all GPUs. concurrency: sequences of the full context that fit, with its
    fraction. kv_bytes: of one such sequence, copies among them. weights: bytes over all GPUs, with
    what is copied.
    """

    tensor: int
    pipeline: int
    copies: float
    left: float
    concurrency: float
    kv_bytes: float
    weights: float

    @property
    def gpus(self) -> int:
        """GPUs of the whole."""
        return self.tensor * self.pipeline

    @property
    def fits(self) -> bool:
        """Whether one sequence of the full context has room."""
        return self.concurrency >= 1

    @property
    def sequences(self) -> int:
        """`concurrency` as a whole number: to the nearest, for memory is not known to a part of one
        sequence in many; of fewer than ten, those that are whole."""
        return round(self.concurrency) if self.concurrency >= 10 else int(self.concurrency)


def legal_tensors(shape: Shape, gpus: int) -> list[int]:
    """The degrees of tensor parallelism over so many GPUs, largest first.

    Each divides the number of GPUs, the attention heads and the widths that it cuts, and divides
    the KV heads or is a multiple of them.
    """
    found = []
    for tensor in range(min(gpus, 4_096), 0, -1):
        whole = gpus % tensor == 0 and all(n % tensor == 0 for n in shape.divide.values())
        if whole and all(kv % tensor == 0 or tensor % kv == 0 for kv in shape.kv_heads):
            found.append(tensor)
    return found


def stages(layers: Sequence[Layer], pipeline: int) -> list[Sequence[Layer]]:
    """The layers of each stage. What does not divide goes to the later stages but the last, which
    has the output matrix (vLLM's `get_pp_indices`)."""
    each, over = divmod(len(layers), pipeline)
    counts = [each] * pipeline
    for number in range(over):
        counts[-(number % pipeline) - (2 if pipeline > 1 else 1)] += 1
    found, start = [], 0
    for count in counts:
        found.append(layers[start : start + count])
        start += count
    return found


def lay_out(
    shape: Shape,
    scheme: Scheme,
    gpu: Gpu,
    tensor: int,
    pipeline: int,
    *,
    context: int,
    kv_width: int = 2,
    share: float = SHARE,
) -> Layout:
    """What this cut leaves. context: tokens of a sequence. kv_width: bytes of a cached value."""
    room = gpu.memory_bytes * share * tensor
    left, concurrency, weights, sequence, plain = 0.0, float("inf"), 0.0, 0.0, 0.0
    dealt = stages(shape.layers, pipeline)
    for number, layers in enumerate(dealt):
        parts = [part for layer in layers for part in layer.parts]
        parts += _ends(shape, number == 0, number == pipeline - 1)
        taken = sum(part_bytes(p, scheme) * (tensor if p.copied else 1) for p in parts)
        kept = sum(kept_bytes(layer, context, kv_width, tensor) for layer in layers)
        plain += sum(kept_bytes(layer, context, kv_width, 1) for layer in layers)
        left += room - taken
        weights += taken
        sequence += kept
        if kept:
            concurrency = min(concurrency, (room - taken) / kept)
        elif room < taken:
            concurrency = 0.0
    if concurrency == float("inf"):
        concurrency = 0.0
    return Layout(
        tensor,
        pipeline,
        sequence / plain if plain else 1.0,
        left,
        max(0.0, concurrency),
        sequence,
        weights,
    )


def _ends(shape: Shape, first: bool, last: bool) -> Iterator[Part]:
    if first or (last and shape.output is None):
        yield shape.embedding
    if last:
        yield shape.final
        if shape.output is not None:
            yield shape.output


def kept_bytes(layer: Layer, tokens: int, kv_width: int, tensor: int) -> float:
    """Bytes that a layer keeps of one sequence over a tensor-parallel group, copies among them."""
    cache = layer.cache
    if cache is None:
        return 0.0
    copies = max(1.0, tensor / cache.heads) if cache.heads else 1.0
    return cache.values(tokens) * kv_width * copies + cache.fixed


def sets_of(gpu: Gpu) -> list[int]:
    """The sizes of sets that are looked at: powers of two within a server, then whole servers."""
    within = [n for n in (1, 2, 4, 8, 16) if n <= gpu.server]
    servers = range(2 * gpu.server, LARGEST + 1, gpu.server)
    return [*within, *servers]


def layouts(shape: Shape, scheme: Scheme, gpu: Gpu, count: int, **how: float) -> list[Layout]:
    """Every legal cut over so many GPUs, best first.

    Best is one that fits, whose tensor parallelism stays within what the link joins, and is the
    largest there: it has the shortest step for one sequence.
    """
    found = [
        lay_out(shape, scheme, gpu, tensor, count // tensor, **how)  # type: ignore[arg-type]
        for tensor in legal_tensors(shape, count)
        if count // tensor <= len(shape.layers)
    ]
    return sorted(found, key=lambda y: (not y.fits, y.tensor > gpu.joined, -y.tensor))


def smallest(shape: Shape, scheme: Scheme, gpu: Gpu, **how: float) -> Layout | None:
    """The best cut over the smallest set on which one full sequence fits; None if there is none.

    Tensor parallelism over several servers is not looked at: its every step would wait for the
    network between them.
    """
    for count in sets_of(gpu):
        found = layouts(shape, scheme, gpu, count, **how)
        if found and found[0].fits and found[0].tensor <= gpu.joined:
            return found[0]
    return None
