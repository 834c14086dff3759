"""How fast a layout can be at best: bounds from memory bandwidth and arithmetic, not predictions.

A step makes one token for each sequence of a batch. It must read every weight that the batch goes
through, and what is kept of each of its sequences; and it multiplies each of these weights once a
token. So it takes at least (Pope et al. 2022, arXiv 2211.05102, section 2)

    bytes read / (GPUs x memory bandwidth)     and     2 x parameters x tokens / (GPUs x FLOPS).

The embedding is not read: a token needs one row of it. With a pipeline, the batch is dealt out to
as many smaller ones as there are stages, and each stage reads its weights for each of them: `step`
is what one stage takes for one of them, on average over the stages.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gristmill.plan.gpus import Gpu
from gristmill.plan.layout import Layout, kept_bytes
from gristmill.plan.precision import Scheme, part_bytes
from gristmill.plan.shape import Shape


@dataclass(frozen=True, slots=True)
class Floors:
    """Bounds of one layout; seconds are at least, tokens a second at most.

    step_seconds: reading the weights once, for one token of one sequence, as each stage of the
    pipeline does while the others do the same for other sequences. token_seconds: the next token of
    one sequence, through all stages. full_step_seconds: a token for each of the sequences that fit,
    all of them full. single_tokens_per_second: of one sequence alone. tokens_per_second: of all
    that fit, all full. prompt_tokens_per_second: reading prompts.
    """

    step_seconds: float
    token_seconds: float
    full_step_seconds: float
    single_tokens_per_second: float
    tokens_per_second: float
    prompt_tokens_per_second: float

    def as_json(self) -> dict[str, float]:
        """For `--json`; `step_ms` is `step_seconds` in milliseconds."""
        values = {"step_ms": self.step_seconds * 1e3, **asdict(self)}
        return {name: float(f"{value:.6g}") for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Engine:
    """A model on GPUs, and what it takes it to work. kv_width: bytes of a cached value."""

    shape: Shape
    scheme: Scheme
    gpu: Gpu
    layout: Layout
    kv_width: int = 2

    def weight_seconds(self, tokens: float) -> float:
        """Reading the weights that a batch of so many tokens goes through, once."""
        tensor = self.layout.tensor
        read = sum(
            part_bytes(p, self.scheme) * p.touched(tokens) * (tensor if p.copied else 1)
            for p in self.shape.parts()
        )
        return read / self._bandwidth

    def cache_seconds(self, tokens: float) -> float:
        """Reading what is kept of one sequence of so many tokens."""
        layers, tensor = self.shape.layers, self.layout.tensor
        kept = sum(kept_bytes(y, int(tokens), self.kv_width, tensor) for y in layers)
        return kept / self._bandwidth

    def step_seconds(self, batch: float, tokens: float) -> float:
        """One token more for each of `batch` sequences of so many tokens, through all stages.

        The larger of reading and multiplying; both at the pace of the whole set of GPUs.
        """
        parts = self.layout.pipeline
        reading = parts * self.weight_seconds(max(1.0, batch / parts))
        reading += batch * self.cache_seconds(tokens)
        return max(reading, batch / self.prompt_tokens_per_second)

    @property
    def prompt_tokens_per_second(self) -> float:
        """Tokens a second at best by arithmetic alone, attention among them left out."""
        return self.layout.gpus * self.gpu.flops(self.scheme.name) / (2 * self.shape.active)

    @property
    def _bandwidth(self) -> float:
        return self.layout.gpus * self.gpu.bytes_per_second


def floors(engine: Engine, context: int) -> Floors:
    """The bounds of a layout, with sequences of the full context."""
    step = engine.weight_seconds(1)
    token = step * engine.layout.pipeline
    batch = max(1.0, float(engine.layout.sequences))
    full = engine.step_seconds(batch, context)
    return Floors(
        step,
        token,
        full,
        1 / token,
        batch / full,
        engine.prompt_tokens_per_second,
    )
