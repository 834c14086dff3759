"""What a run's plan says, as a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gristmill.mill import Forecast
from gristmill.plan.hours import HOUR, Hours
from gristmill.plan.work import Work


@dataclass(frozen=True)
class RunPlan:
    """What a run's config would take.

    target: accepted prompts that it is for; None does all prompts there are. prompts: to be done
    for it. share: of them that is accepted, and interval, its 95 %; None where it was only assumed.
    works: of each model, for all of them. hours: by role, where the model's shape is known.
    usd: by the prices of the config; None without one. missing: roles without a shape.
    """

    name: str
    forecast: Forecast
    target: int | None
    prompts: int
    share: float
    interval: tuple[float, float] | None
    how: str
    works: tuple[Work, ...]
    hours: Mapping[str, Hours]
    missing: Mapping[str, str]
    usd: float | None
    gpu_usd: float | None
    reached: float
    notes: tuple[str, ...]

    @property
    def calls(self) -> int:
        """Calls of all models, without retries."""
        return round(sum(w.calls for w in self.works))

    @property
    def prompt_tokens(self) -> int:
        """Tokens that all models read."""
        return round(sum(w.prompt_tokens for w in self.works))

    @property
    def completion_tokens(self) -> int:
        """Tokens that all models write."""
        return round(sum(w.completion_tokens for w in self.works))

    @property
    def gpu_hours(self) -> float:
        """That GPUs are busy, of all models whose shape is known, at the share of the bounds that
        is reached."""
        return sum(h.gpu_hours for h in self.hours.values()) / self.reached

    @property
    def wall_hours(self) -> float:
        """From the first call to the last, every model on its own set and all at work together: as
        long as the busiest set needs."""
        return max(self._busy().values(), default=0.0) / self.reached / HOUR

    @property
    def held_gpu_hours(self) -> float:
        """GPU-hours if every set is held from the first call to the last, idle or not."""
        gpus = {h.engine.shape.name: h.engine.layout.gpus for h in self.hours.values()}
        return self.wall_hours * sum(gpus.values())

    def _busy(self) -> dict[str, float]:
        """Seconds at the bounds, by model: roles of one model share its set."""
        found: dict[str, float] = {}
        for h in self.hours.values():
            name = h.engine.shape.name
            found[name] = found.get(name, 0.0) + h.seconds
        return found

    @property
    def gpu_cost(self) -> float | None:
        """US dollars for the GPUs as they are held, where an hour's price was given."""
        return None if self.gpu_usd is None else self.held_gpu_hours * self.gpu_usd

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.name,
            "target": self.target,
            "prompts": self.prompts,
            "prompts_there": self.forecast.prompts,
            "accepted_share": self.share,
            "accepted_share_interval": self.interval,
            "how": self.how,
            "calls": self.calls,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "gpu_hours": round(self.gpu_hours, 6) if self.hours else None,
            "gpu_hours_held": round(self.held_gpu_hours, 6) if self.hours else None,
            "wall_hours": round(self.wall_hours, 6) if self.hours else None,
            "reached": self.reached,
            "usd": self.usd,
            "gpu_usd": self.gpu_cost,
            "models": [self._model(w) for w in self.works],
            "notes": list(self.notes),
        }

    def _model(self, w: Work) -> dict[str, Any]:
        found: dict[str, Any] = {
            "role": w.role,
            "model": w.model,
            "calls": round(w.calls),
            "prompt_tokens": round(w.prompt_tokens),
            "completion_tokens": round(w.completion_tokens),
        }
        if h := self.hours.get(w.role):
            y = h.engine.layout
            found |= {
                "shape": h.engine.shape.name,
                "gpu": h.engine.gpu.key,
                "gpus": y.gpus,
                "tensor": y.tensor,
                "pipeline": y.pipeline,
                "gpu_hours_at_least": round(h.gpu_hours, 6),
            }
        return found
