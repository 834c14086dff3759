"""From a config to the arms of a flywheel: the main one, and the ablations that run beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.errors import ConfigError
from gristmill.flywheel.config import BLIND, FILTERS, PREFERENCE, STAGES, FlywheelConfig, is_stages
from gristmill.flywheel.truth import find_truth
from gristmill.intake.source import Source
from gristmill.judges.reward import Reward
from gristmill.mill.config import Config, Given
from gristmill.parts import build
from gristmill.train import config_of
from gristmill.train.job import PACE
from gristmill.train.stages import Stage, stages_of

MILL_KEYS = ("judges", "keep", "select")
"""What an ablation may replace of the mill's config."""
ARM_KEYS = ("filter", "train", *MILL_KEYS)


@dataclass(frozen=True)
class Arm:
    """One way of going through the rounds.

    filter: one of `FILTERS`. skipped: names of preference stages that the main arm has and this
    one cannot, its filter making no pairs.
    """

    name: str
    filter: str
    mill: Config
    stages: list[Stage]
    skipped: tuple[str, ...] = ()

    def identity(self) -> dict[str, Any]:
        """What decides the arm's result beside what all arms share."""
        stages = [
            {s.kind: {k: v for k, v in s.values.items() if k not in PACE and k != "data"}}
            for s in self.stages
        ]
        mill = self.mill
        return {
            "filter": self.filter,
            "judges": mill.identity()["judges"],
            "keep": mill.keep,
            "select": mill.select.model_dump(mode="json"),
            "train": stages,
        }


@dataclass(frozen=True)
class Loaded:
    """A whole config: the mill's part, the flywheel's, the arms (the main one first)."""

    mill: Config
    flywheel: FlywheelConfig
    arms: list[Arm]

    @property
    def main(self) -> Arm:
        """The arm that says how many rounds there are."""
        return self.arms[0]

    @property
    def student(self) -> str:
        """The model that round 1 trains."""
        return self.flywheel.student or self.mill.generate[0].model

    def identity(self) -> dict[str, Any]:
        """What decides the result: another identity needs another folder.

        `min_gain` can change between resumes, and arms can be added.
        """
        mill, wheel = self.mill.identity(), self.flywheel
        values = wheel.model_dump(
            mode="json", include={"rounds", "student", "reward", "filter", "human"}
        )
        evaluate = wheel.evaluate.model_dump(mode="json", exclude={"prompts"})
        return {
            "seed": mill["seed"],
            "generate": mill["generate"],
            "judges": mill["judges"],
            "target": self.mill.target,
            "flywheel": {**values, "evaluate": evaluate},
            "arms": {arm.name: arm.identity() for arm in self.arms},
        }


def as_loaded(config: Loaded | Given) -> Loaded:
    """A flywheel's config however it is given; relative paths of one that is no file start from
    the working directory. Raises ConfigError."""
    if isinstance(config, Loaded):
        return config
    if isinstance(config, str | Path):
        return load(Path(config))
    return loaded(Config.read(config), Path())


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
    """A mill's config with its flywheel part checked; relative paths start from `folder`, and
    models' from the working directory, as the mill has them. Raises ConfigError."""
    if mill.flywheel is None:
        raise ConfigError("flywheel: missing; add it (docs/flywheel.md has its keys)")
    # Absolute, since the stages' configs are placed once more, from folders of their own.
    folder = folder.resolve()
    if not isinstance(mill.flywheel, Mapping):
        raise ConfigError(
            f"flywheel: write its keys below it, indented (got {mill.flywheel!r:.60})"
        )
    wheel = _placed(build(FlywheelConfig, mill.flywheel, "flywheel"), mill, folder)
    if len(mill.generate) != 1:
        raise ConfigError(
            "generate: the rounds of a flywheel are answered by the model that they train; name "
            "one, and make pairs of several models' answers with `gristmill run`"
        )
    generate = mill.generate[0]
    generate = generate.model_copy(update={"model": absolute(generate.model)})
    mill = mill.model_copy(update={"generate": (generate,)})
    _check_measure(mill, wheel, folder)
    # Each round's seed is its own, and a training takes one of 31 bits.
    if mill.seed + wheel.rounds >= 1 << 31:
        raise ConfigError(f"seed: {mill.seed} is too large; below 2147483648 with the rounds added")
    try:
        arms = [_arm(wheel.filter, {}, mill, wheel, folder)]
    except ConfigError as error:
        raise ConfigError(f"flywheel.{error}") from None
    for index, spec in enumerate(wheel.ablations):
        arms.append(_ablation(spec, f"flywheel.ablations[{index}]", mill, wheel, folder))
    names = [arm.name for arm in arms]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"flywheel.ablations: '{twice}' is there twice; give each another name")
    return Loaded(mill, wheel, arms)


def absolute(model: str) -> str:
    """`hf:./dir` as `hf:/whole/dir`: trainings start in other folders. Others as they are."""
    prefix, _, rest = model.partition(":")
    place = Path(rest).expanduser()
    local = prefix == "hf" and (rest.startswith((".", "/", "~")) or place.is_dir())
    return f"hf:{place.resolve()}" if local else model


def _placed(wheel: FlywheelConfig, mill: Config, folder: Path) -> FlywheelConfig:
    written = [s.name for s in mill.prompts if not isinstance(s, Source)]
    if written and not wheel.prompts:
        raise ConfigError(
            f"prompts: {written[0]}: the flywheel deals out prompts that are there; write them "
            "first with `gristmill prompts`, and name the file"
        )
    evaluate = wheel.evaluate.model_copy(
        update={"prompts": [s.located(folder) for s in wheel.evaluate.prompts]}
    )
    placed: dict[str, Any] = {
        "prompts": [s.located(folder) for s in wheel.prompts] or mill.prompts,
        "evaluate": evaluate,
        "human": [source.located(folder) for source in wheel.human],
    }
    if wheel.student is not None:
        placed["student"] = absolute(wheel.student)
    if wheel.reward is not None:
        data = [source.located(folder) for source in wheel.reward.data]
        placed["reward"] = wheel.reward.model_copy(update={"data": data})
    return wheel.model_copy(update=placed)


def _check_measure(mill: Config, wheel: FlywheelConfig, folder: Path) -> None:
    """Something must say which round is better, and there must be a reward model to retrain."""
    if wheel.evaluate.truth is not None:
        try:
            find_truth(wheel.evaluate.truth)
        except ConfigError as error:
            raise ConfigError(f"flywheel.evaluate.truth: {error}") from None
    elif not mill.grades:
        raise ConfigError(
            "flywheel.evaluate.truth: missing, and no judges either; give one of both"
        )
    if wheel.reward is None:
        return
    if not any(isinstance(judge, Reward) for judge in mill.open_judges()):
        raise ConfigError("flywheel.reward: needs a reward model among the judges; add one")
    where = "flywheel.reward"
    if "model" in wheel.reward.train:
        raise ConfigError(f"{where}.model: it goes on from the judge's model; leave it out")
    try:
        values = {**wheel.reward.train, "model": "x", "data": [{"file": "x.jsonl"}]}
        config_of("reward", values, folder)
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from None


def _ablation(spec: Any, where: str, mill: Config, wheel: FlywheelConfig, folder: Path) -> Arm:
    if isinstance(spec, str):
        if spec not in FILTERS:
            raise ConfigError(
                f"{where}: unknown filter '{spec}'; known: {', '.join(FILTERS)}, or "
                "'name: {filter: ..., train: [...], judges: [...], keep: [...]}'"
            )
        spec = {spec: {"filter": spec}}
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise ConfigError(f"{where}: write one arm as a filter's name, or 'name: {{...}}'")
    ((name, values),) = spec.items()
    if not re.fullmatch(r"[\w+-]*[^\W_][\w+-]*", str(name)) or len(str(name)) > 60:
        raise ConfigError(
            f"{where}: '{name}' names a folder: use letters, digits, -, _ and +, at most 60"
        )
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}.{name}: write what it changes, of {', '.join(ARM_KEYS)}")
    for key in values:
        if key not in ARM_KEYS:
            raise ConfigError(f"{where}.{name}.{key}: unknown key; known: {', '.join(ARM_KEYS)}")
    try:
        return _arm(str(name), dict(values), mill, wheel, folder)
    except ConfigError as error:
        raise ConfigError(f"{where}.{name}.{error}") from None


def _arm(
    name: str, changes: dict[str, Any], mill: Config, wheel: FlywheelConfig, folder: Path
) -> Arm:
    kept = {key: changes[key] for key in MILL_KEYS if key in changes}
    if kept:
        mill = Config.of(mill.model_dump(mode="json", exclude={"flywheel", "export"}) | kept)
    chosen = changes.get("filter", wheel.filter)
    if chosen not in FILTERS:
        raise ConfigError(f"filter: unknown '{chosen}'; known: {', '.join(FILTERS)}")
    if chosen == "oracle" and wheel.evaluate.truth is None:
        raise ConfigError("filter: oracle needs flywheel.evaluate.truth")
    if chosen in ("reward", "random") and not mill.grades:
        raise ConfigError(f"filter: {chosen} needs judges")
    given = changes.get("train", wheel.train)
    if not is_stages(given):
        raise ConfigError(f"train: {STAGES}")
    # The model is filled in later; any string that needs no file serves to check the rest.
    stages = stages_of(given, "tiny:instruct", folder, data="rows.jsonl", where="train")
    for stage in stages:
        if stage.kind not in ("sft", *PREFERENCE):
            raise ConfigError(f"train: a round has sft, dpo and rpo stages, not {stage.kind}")
    if chosen not in BLIND:
        return Arm(name, chosen, mill, stages)
    # Beside the main arm's stages, an arm does what it can of them; its own must all be possible.
    asked = "train" in changes or chosen == wheel.filter
    able = [stage for stage in stages if stage.kind not in PREFERENCE]
    if not able or (asked and len(able) < len(stages)):
        raise ConfigError(f"filter: {chosen} makes no preference pairs; leave dpo and rpo out")
    skipped = tuple(stage.name for stage in stages if stage.kind in PREFERENCE)
    return Arm(name, chosen, mill, able, skipped)
