"""A flywheel's config: a mill's config with one more key.

The same file works with `gristmill run`, which runs the mill once and passes the key over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, field_validator

from gristmill.errors import ConfigError
from gristmill.flywheel.truth import find_truth
from gristmill.intake.files import located
from gristmill.mill import Config
from gristmill.mill.config import PromptFile
from gristmill.parts import Options, build
from gristmill.train.config import model_at
from gristmill.train.sources import Source
from gristmill.train.stages import Stage, stages_of

Filter = Literal["none", "random", "oracle", "reward"]
FILTERS: tuple[Filter, ...] = ("none", "random", "oracle", "reward")
PREFERENCE = ("dpo", "rpo")
MILL_KEYS = ("judges", "keep", "select")


class Evaluation(Options):
    """How a round is measured, always on the same prompts, which are never trained on."""

    prompts: list[PromptFile]
    """Prompts of its own; whatever of the training prompts is among them is left out there."""
    truth: str | None = None
    """Who knows what is right: `tutor`, `answer` (the prompts' own), or `my_pkg.mod:function`.
    Without one, rounds are compared by reward."""
    responses: int = Field(default=4, ge=1, le=64)
    """Answers to each prompt at `temperature`; one more is greedy."""
    temperature: float = Field(default=0.8, gt=0, le=5)
    """Of the sampled answers."""

    @field_validator("prompts", mode="before")
    @classmethod
    def _one_or_many(cls, sources: Any) -> Any:
        return [sources] if isinstance(sources, Mapping) else sources

    @field_validator("truth")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            find_truth(name)
        return name


class Retraining(Options):
    """A new reward model each round, from the last one."""

    labels: Literal["tutor"] | None = None
    """Label the round's responses by rule (the tutor world's) and learn from them."""
    data: list[Source] = Field(default_factory=list)
    """More rated rows or pairs, of people's making or older rounds'."""
    train: dict[str, Any] = Field(default_factory=dict)
    """The rest of a reward training config, without `model` and `data`."""


class FlywheelConfig(Options):
    """What stands under `flywheel:`."""

    rounds: int = Field(default=2, ge=1, le=100)
    """Rounds at most."""
    prompts: list[PromptFile] = Field(default_factory=list)
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
    """Train the reward model anew each round; by default it stays."""
    human: list[Source] = Field(default_factory=list)
    """Rows of people's making, mixed into every sft stage; counted in the share of synthetic
    data."""
    min_gain: float = 0.0
    """A round whose gain over the best before it is not above this is not better, and the
    flywheel stops: in points of accuracy (0 to 1), or of reward where there is no truth."""

    @field_validator("prompts", mode="before")
    @classmethod
    def _one_or_many(cls, sources: Any) -> Any:
        return [sources] if isinstance(sources, Mapping) else sources


@dataclass(frozen=True)
class Arm:
    """One way of going through the rounds: the main one, or an ablation."""

    name: str
    filter: str
    mill: Config
    stages: list[Stage]

    def identity(self) -> dict[str, Any]:
        """What decides its result, beside the flywheel's own settings."""
        mill = self.mill.model_dump(mode="json", include=set(MILL_KEYS))
        stages = [{stage.kind: stage.values} for stage in self.stages]
        return {"filter": self.filter, **mill, "train": stages}


@dataclass(frozen=True)
class Loaded:
    """A whole config: the mill's part, the flywheel's, the arms (the main one first)."""

    mill: Config
    flywheel: FlywheelConfig
    arms: list[Arm]

    @property
    def student(self) -> str:
        """The model that round 1 trains."""
        return self.flywheel.student or self.mill.generate.model

    def identity(self) -> dict[str, Any]:
        """What decides the result: another identity needs another folder. Of the arms only those
        that were there before must be the same; more may be added to a folder."""
        mill = self.mill.model_dump(mode="json", exclude={"flywheel"})
        wheel = self.flywheel.model_dump(mode="json", exclude={"ablations"})
        return {**mill, "flywheel": wheel, "arms": {arm.name: arm.identity() for arm in self.arms}}


def load(path: Path, seed: int | None = None) -> Loaded:
    """Read a YAML file; `seed` replaces the config's. Raises ConfigError."""
    mill = Config.load(path)
    if seed is not None:
        mill = mill.model_copy(update={"seed": seed})
    try:
        return loaded(mill, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def loaded(mill: Config, folder: Path) -> Loaded:
    """A mill's config with its flywheel part checked. Raises ConfigError."""
    if mill.flywheel is None:
        raise ConfigError("flywheel: missing; add it (docs/flywheel.md has its keys)")
    wheel = build(FlywheelConfig, mill.flywheel, "flywheel")
    placed = {
        "prompts": _placed(wheel.prompts, folder) or mill.prompts,
        "evaluate": wheel.evaluate.model_copy(
            update={"prompts": _placed(wheel.evaluate.prompts, folder)}
        ),
        "human": [source.located(folder) for source in wheel.human],
    }
    if wheel.student is not None:
        placed["student"] = model_at(wheel.student, folder)
    if wheel.reward is not None:
        data = [source.located(folder) for source in wheel.reward.data]
        placed["reward"] = wheel.reward.model_copy(update={"data": data})
    wheel = wheel.model_copy(update=placed)
    generate = mill.generate.model_copy(update={"model": model_at(mill.generate.model, folder)})
    mill = mill.model_copy(update={"generate": generate})
    arms = [_arm(wheel.filter, {}, mill, wheel, folder)]
    arms += [_ablation(spec, i, mill, wheel, folder) for i, spec in enumerate(wheel.ablations)]
    names = [arm.name for arm in arms]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"flywheel.ablations: '{twice}' is there twice; give each another name")
    return Loaded(mill, wheel, arms)


def _ablation(spec: Any, index: int, mill: Config, wheel: FlywheelConfig, folder: Path) -> Arm:
    where = f"flywheel.ablations[{index}]"
    if isinstance(spec, str):
        if spec not in FILTERS:
            raise ConfigError(
                f"{where}: unknown filter '{spec}'; known: {', '.join(FILTERS)}, or "
                "'name: {filter: ..., train: [...], judges: [...], keep: [...]}'"
            )
        return _arm(spec, {"filter": spec}, mill, wheel, folder)
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise ConfigError(f"{where}: write one arm as a filter's name, or 'name: {{...}}'")
    ((name, values),) = spec.items()
    known = ("filter", "train", *MILL_KEYS)
    for key in values or {}:
        if key not in known:
            raise ConfigError(f"{where}.{name}.{key}: unknown key; known: {', '.join(known)}")
    try:
        return _arm(str(name), dict(values or {}), mill, wheel, folder)
    except ConfigError as error:
        raise ConfigError(f"{where}.{name}: {error}") from None


def _arm(
    name: str, changes: dict[str, Any], mill: Config, wheel: FlywheelConfig, folder: Path
) -> Arm:
    if not name.replace("-", "").replace("_", "").replace("+", "").isalnum():
        raise ConfigError(f"'{name}' names a folder: use letters, digits, - and _")
    kept = {key: changes[key] for key in MILL_KEYS if key in changes}
    if kept:
        values = mill.model_dump(mode="json", exclude={"flywheel"}) | kept
        mill = Config.of(values)
    chosen = changes.get("filter", wheel.filter)
    if chosen not in FILTERS:
        raise ConfigError(f"filter: unknown '{chosen}'; known: {', '.join(FILTERS)}")
    chosen = cast(Filter, chosen)
    if chosen == "oracle" and wheel.evaluate.truth is None:
        raise ConfigError("filter: oracle needs flywheel.evaluate.truth")
    if chosen == "reward" and not mill.judges:
        raise ConfigError("filter: reward needs judges")
    train = changes.get("train", wheel.train)
    stages = stages_of(train, mill.generate.model, folder, data="rows.jsonl")
    for stage in stages:
        if stage.kind not in ("sft", *PREFERENCE):
            raise ConfigError(f"train: a round has sft, dpo and rpo stages, not {stage.kind}")
        if stage.kind in PREFERENCE and chosen in ("none", "random"):
            raise ConfigError(
                f"filter: {chosen} makes no preference pairs; leave {stage.kind} out of its train"
            )
    return Arm(name, chosen, mill, stages)


def _placed(sources: list[PromptFile], folder: Path) -> list[PromptFile]:
    return [PromptFile(file=located(source.file, folder)) for source in sources]
