"""The plan of one model: what it weighs, what it needs, how fast it can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.errors import ConfigError
from gristmill.plan.floors import Engine, Floors, floors
from gristmill.plan.gpus import Gpu, gpu_of, gpus
from gristmill.plan.known import find_shape
from gristmill.plan.layout import SHARE, Layout, kept_bytes, layouts, smallest
from gristmill.plan.precision import SCHEMES, Scheme, scheme_of, weight_bytes
from gristmill.plan.serving import vllm_line, vllm_words
from gristmill.plan.shape import Shape

GPU = "h100"
"""The GPU where none is named."""

SHOWN = ("bf16", "fp8", "int4")
"""Schemes whose sizes and sets are shown beside the one that was asked for."""

KV_WIDTHS = {"bf16": 2, "fp8": 1}
"""Bytes of a cached value, by what `--kv` names."""


@dataclass(frozen=True)
class Plan:
    """What `plan MODEL` found.

    layout: the smallest set of `gpu` and the best cut over it, or over the number that was asked
    for. others: the other legal cuts over as many. sets: for every GPU and shown scheme, the
    smallest set with its cut; None where there is none.
    """

    shape: Shape
    scheme: Scheme
    gpu: Gpu
    context: int
    kv: str
    share: float
    layout: Layout
    others: tuple[Layout, ...]
    sets: dict[str, dict[str, Layout | None]]

    @property
    def engine(self) -> Engine:
        """The model as it is laid out."""
        return Engine(self.shape, self.scheme, self.gpu, self.layout, KV_WIDTHS[self.kv])

    @property
    def floors(self) -> Floors:
        """Bounds on its speed."""
        return floors(self.engine, self.context)

    @property
    def words(self) -> list[str]:
        """The words of the command that serves it."""
        return vllm_words(
            self.shape.served_as or self.shape.name,
            self.shape,
            self.scheme,
            self.layout,
            context=self.context,
            kv_fp8=self.kv == "fp8",
            share=self.share,
            servers=self.servers,
        )

    @property
    def servers(self) -> int:
        """Servers that the GPUs are in."""
        return -(-self.layout.gpus // self.gpu.server)

    @property
    def kv_bytes_per_token(self) -> int:
        """Of one more token of a sequence, no window full and nothing copied."""
        return self.shape.values_per_token() * KV_WIDTHS[self.kv]

    @property
    def kv_bytes_per_sequence(self) -> int:
        """Of one sequence of the full context, states among them, nothing copied."""
        width = KV_WIDTHS[self.kv]
        return round(sum(kept_bytes(y, self.context, width, 1) for y in self.shape.layers))

    @property
    def notes(self) -> list[str]:
        """What a reader must know of this plan."""
        return [*self.shape.notes, *_notes(self)]

    def as_json(self) -> dict[str, Any]:
        """For `--json`. Bytes, seconds and counts; `floors` are bounds, not predictions."""
        y = self.layout
        return {
            "model": self.shape.name,
            "model_type": self.shape.model_type,
            "parameters": self.shape.parameters,
            "active_parameters": self.shape.active,
            "parameters_by_part": self.shape.by_part(),
            "precision": self.scheme.name,
            "weight_bytes": weight_bytes(self.shape, self.scheme),
            "weight_bytes_at": {n: weight_bytes(self.shape, SCHEMES[n]) for n in SHOWN},
            "context": self.context,
            "kv_precision": self.kv,
            "kv_bytes_per_token": self.kv_bytes_per_token,
            "kv_bytes_per_sequence": self.kv_bytes_per_sequence,
            "gpu": self.gpu.key,
            "memory_share": self.share,
            **_cut(y),
            "floors": self.floors.as_json(),
            "other_cuts": [_cut(other) for other in self.others],
            "sets": {
                gpu: {scheme: _cut(y) if y else None for scheme, y in found.items()}
                for gpu, found in self.sets.items()
            },
            "command": vllm_line(self.words),
            "notes": self.notes,
        }


def _cut(y: Layout) -> dict[str, Any]:
    return {
        "gpus": y.gpus,
        "tensor": y.tensor,
        "pipeline": y.pipeline,
        "kv_copies": round(y.copies, 3),
        "left_bytes": round(y.left),
        "sequences": y.sequences,
        "concurrency": round(y.concurrency, 3),
    }


def plan_model(
    model: str,
    *,
    precision: str | None = None,
    gpu: str = GPU,
    count: int | None = None,
    context: int | None = None,
    kv: str = "bf16",
    share: float = SHARE,
) -> Plan:
    """Plan a model. See docs/plan.md for what is counted.

    model: see `find_shape`. precision: of the weights; by default that of the checkpoint. count: so
    many GPUs, where it is not to be the smallest set. context: tokens of a sequence, by default the
    model's own. kv: of the cache, bf16 or fp8. share: of each GPU's memory that is used.
    Raises ConfigError with what would work, if nothing fits too.
    """
    shape = find_shape(model)
    scheme = scheme_of(precision or shape.stored)
    kind = gpu_of(gpu)
    if kv not in KV_WIDTHS:
        raise ConfigError(f"--kv {kv}: unknown; choose one of {', '.join(KV_WIDTHS)}")
    if not 0 < share <= 1:
        raise ConfigError(f"--memory-share {share:g}: give a share above 0 and at most 1")
    if context is not None and not 1 <= context <= shape.context:
        raise ConfigError(
            f"--context {context}: {shape.name} takes 1 to {shape.context:,} tokens "
            "(max_position_embeddings)"
        )
    context = context or shape.context
    how: dict[str, Any] = {"context": context, "kv_width": KV_WIDTHS[kv], "share": share}
    names = list(dict.fromkeys([*SHOWN, scheme.name]))
    sets = {
        key: {name: smallest(shape, SCHEMES[name], one, **how) for name in names}
        for key, one in gpus().items()
    }
    best, others = _chosen(shape, scheme, kind, count, how, sets)
    return Plan(shape, scheme, kind, context, kv, share, best, tuple(others), sets)


def _chosen(
    shape: Shape,
    scheme: Scheme,
    gpu: Gpu,
    count: int | None,
    how: dict[str, Any],
    sets: dict[str, dict[str, Layout | None]],
) -> tuple[Layout, Sequence[Layout]]:
    """The layout to plan with, and the other cuts over as many GPUs."""
    if count is None:
        least = sets[gpu.key][scheme.name]
        if least is None:
            raise ConfigError(_too_small(shape, scheme, gpu, None, how["context"], sets))
        found = layouts(shape, scheme, gpu, least.gpus, **how)
    else:
        found = layouts(shape, scheme, gpu, count, **how)
        if not found or not found[0].fits:
            raise ConfigError(_too_small(shape, scheme, gpu, count, how["context"], sets))
    return found[0], found[1:]


def _too_small(
    shape: Shape,
    scheme: Scheme,
    gpu: Gpu,
    count: int | None,
    context: int,
    sets: dict[str, dict[str, Layout | None]],
) -> str:
    weights = weight_bytes(shape, scheme) / 1e9
    asked = f"{count} x {gpu.key}" if count else f"any number of {gpu.key}"
    fits = [
        f"{y.gpus} x {key}{'' if name == scheme.name else f' in {name}'}"
        for key, found in sets.items()
        for name, y in found.items()
        if y and (key == gpu.key or (name == scheme.name and y.gpus <= (count or 8)))
    ]
    # What is nearest to the question first: the same GPU, then fewer of others.
    fits.sort(key=lambda text: f" x {gpu.key}" not in text)
    would = f"it fits on {', '.join(fits[:5])}" if fits else "try a lower --context or --precision"
    return (
        f"{shape.name} in {scheme.name} ({weights:,.1f} GB) with one sequence of {context:,} "
        f"tokens does not fit on {asked} in any legal cut; {would}"
    )


def _notes(plan: Plan) -> list[str]:
    notes = []
    gpu, y, name = plan.gpu, plan.layout, plan.scheme.name
    if name == "fp8" and gpu.fp8 is None:
        notes.append(
            f"{gpu.name} has no FP8 arithmetic: FP8 weights are widened to BF16 as they are read "
            "(W8A16), so they save memory and reading, and multiply no faster"
        )
    if y.copies > 1:
        notes.append(
            f"the KV cache is held {y.copies:.3g} times: tensor parallelism {y.tensor} is more "
            f"than the {min(plan.shape.kv_heads)} KV head(s)"
        )
    if y.tensor > gpu.joined:
        notes.append(f"tensor parallelism {y.tensor} reaches over servers: each layer waits for it")
    if plan.servers > 1:
        notes.append(f"{plan.servers} servers of {gpu.server}: start a Ray cluster over them first")
    if plan.shape.stored != name and plan.shape.stored != "bf16":
        notes.append(f"the checkpoint is stored in {plan.shape.stored}, not in {name}")
    if name in ("int4", "nvfp4") and plan.shape.stored == "bf16":
        notes.append(f"{name} needs a checkpoint that was made so; the command names the BF16 one")
    return notes
