"""GPU-hours and money for the work of one model of a run."""

from __future__ import annotations

from dataclasses import dataclass

from gristmill.plan.floors import Engine
from gristmill.plan.layout import kept_bytes
from gristmill.plan.work import Work

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Hours:
    """What the work of a model takes on the GPUs it was planned on, at least.

    read: seconds of all of them together reading prompts. write: the same generating. batch:
    sequences that are under way together while it generates.
    """

    engine: Engine
    read: float
    write: float
    batch: float

    @property
    def seconds(self) -> float:
        """Seconds on the whole set of GPUs."""
        return self.read + self.write

    @property
    def gpu_hours(self) -> float:
        """Hours of single GPUs."""
        return self.seconds * self.engine.layout.gpus / HOUR


def hours(work: Work, engine: Engine) -> Hours:
    """The least time for that work, by the bounds of `floors`.

    Prompts are read at the pace of arithmetic, each of them whole: what an engine keeps of common
    beginnings would save some. Answers are written in batches of the calls that are in flight, or
    of those that have room.
    """
    read = work.prompt_tokens / engine.prompt_tokens_per_second
    if not work.completion_tokens or not work.calls:
        return Hours(engine, read, 0.0, 0.0)
    written = work.completion_tokens / work.calls
    # While an answer is written, half of it is there on average.
    there = work.prompt_tokens / work.calls + written / 2
    room = _room(engine, work.prompt_tokens / work.calls + written)
    batch = max(1.0, min(float(work.concurrency), room, work.calls))
    step = engine.step_seconds(batch, there)
    return Hours(engine, read, work.completion_tokens / batch * step, batch)


def _room(engine: Engine, tokens: float) -> float:
    """Sequences of so many tokens that fit."""
    layout, width = engine.layout, engine.kv_width
    kept = sum(
        kept_bytes(y, max(1, round(tokens)), width, layout.tensor) for y in engine.shape.layers
    )
    return layout.left / kept if kept else float("inf")
