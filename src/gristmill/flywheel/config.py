"""What may stand under `flywheel:` in a run's config.

The same file works with `gristmill run`, which runs the mill once and passes the key over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from gristmill.intake.source import Source
from gristmill.parts import Options
from gristmill.train.sources import TrainingSource

Filter = Literal["none", "random", "oracle", "reward"]
FILTERS: tuple[Filter, ...] = ("none", "random", "oracle", "reward")
PREFERENCE = ("dpo", "rpo")
"""The kinds of training that read preference pairs."""
STAGES = "write a list of stages, each 'kind: {config}'"
BLIND = ("none", "random")
"""The filters that know no better and no worse, and so make no pairs."""


def _one_or_many(sources: Any) -> Any:
    return [sources] if isinstance(sources, Mapping) else sources


def is_stages(specs: Any) -> bool:
    """Whether it looks like `[sft: {...}, dpo: {...}]`; what is in them is checked elsewhere."""
    return isinstance(specs, list) and bool(specs) and all(map(_is_stage, specs))


def _is_stage(spec: Any) -> bool:
    return isinstance(spec, Mapping) and all(
        v is None or isinstance(v, Mapping) for v in spec.values()
    )


class Evaluation(Options):
    """How a round is measured, always on the same prompts, which are never trained on."""

    prompts: list[Source] = Field(min_length=1)
    """Prompts of its own; what of the training prompts is among them is left out there."""
    truth: str | None = None
    """Who knows what is right: `tutor`, `answer` (the prompts' own), a judge by rules (`format`,
    `math`, `code`, `truth`), or `my_pkg.mod:function`.
    Without one, rounds are compared by reward."""
    responses: int = Field(default=4, ge=1, le=64)
    """Answers to each prompt at `temperature`; one more is greedy."""
    temperature: float = Field(default=0.8, gt=0, le=5)
    """Of the sampled answers."""

    _prompts = field_validator("prompts", mode="before")(_one_or_many)


class Retraining(Options):
    """A new reward model between rounds, from the last one's. Every other key is of the training
    config (`epochs`, `optimizer`, ...), without `model`."""

    labels: Literal["tutor"] | None = None
    """Label the round's responses by rule (the tutor world's) and learn from them."""
    data: list[TrainingSource] = Field(default_factory=list)
    """More rated rows or pairs, of people's making or older rounds'."""
    train: dict[str, Any] = Field(default_factory=dict)
    """The training config's keys; those that stand beside `labels` and `data` go here too."""

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        inner = values.get("train")
        if isinstance(inner, Mapping):
            values = {**inner, **{key: values[key] for key in values if key != "train"}}
        own = {key: values[key] for key in ("labels", "data") if key in values}
        if "data" in own:
            own["data"] = _one_or_many(own["data"])
        rest = {key: value for key, value in values.items() if key not in own}
        if not own.get("labels") and not own.get("data"):
            raise ValueError("nothing to learn from; give labels: tutor, or data: [...]")
        return {**own, "train": rest}


class FlywheelConfig(Options):
    """The rounds, what trains in them, what they are measured on, and what runs beside."""

    rounds: int = Field(default=2, ge=1, le=100)
    """Rounds at most."""
    prompts: list[Source] = Field(default_factory=list)
    """What is asked, dealt evenly to the rounds so that each sees fresh ones; by default the
    config's prompts."""
    student: str | None = None
    """What round 1 trains, if not the generating model: a stronger or weaker generator may begin.
    From round 2 on the student answers."""
    train: list[dict[str, Any]] = Field(min_length=1)
    """Stages of a round in order, `sft: {...}`, `dpo: {...}`, `rpo: {...}`: training configs
    without `model` and `data`."""
    evaluate: Evaluation
    """What rounds are measured on."""
    filter: Filter = "reward"
    """What picks the rows that are trained on: the judges and `keep` (`reward`), the known truth
    (`oracle`), chance (`random`: as many rows as `reward` keeps; `none`: one of each prompt)."""
    ablations: list[Any] = Field(default_factory=list)
    """Further arms, run beside for comparison: names of filters, or `name: {...}` with `filter`,
    `train`, or the mill's `judges`, `keep`, `select` replaced."""
    reward: Retraining | None = None
    """Train the reward model anew between rounds; by default it stays."""
    human: list[TrainingSource] = Field(default_factory=list)
    """Rows of people's making, mixed into every sft stage; counted in the share of synthetic
    data."""
    min_gain: float = 0.0
    """A round whose gain over the best before it is not above this is not better, and the
    flywheel stops: as a share of right answers (0.01 is a point), or in reward where there is no
    truth."""

    _sources = field_validator("prompts", "human", mode="before")(_one_or_many)

    @field_validator("train", mode="before")
    @classmethod
    def _stages(cls, specs: Any) -> Any:
        if not is_stages(specs):
            raise ValueError(STAGES)
        return specs

    @field_validator("ablations", mode="before")
    @classmethod
    def _arms(cls, specs: Any) -> Any:
        if not isinstance(specs, list):
            raise ValueError("write a list of arms, each a filter's name or 'name: {...}'")
        return specs
