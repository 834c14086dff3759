"""Several trainings in a row from one config, each from the last one's model.

    name: my-instruct
    model: hf:./base
    stages:
      - sft: {name: code, data: [{file: code.jsonl}]}
      - sft: {name: general, data: [{file: chats.jsonl}], epochs: 3}
      - dpo: {data: [{file: pairs.jsonl}]}
      - rpo: {data: [{file: scored-pairs.jsonl}]}
      - rpo: {data: [{file: scored-pairs-2.jsonl}]}

Each preference stage takes the model it starts from as its reference, so every round of RPO
measures from the last one's policy, as in Nemotron-4's alignment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from gristmill.errors import ConfigError
from gristmill.parts import Options, build
from gristmill.settings import configured
from gristmill.train.config import TrainConfig
from gristmill.train.job import Trained, config_of, run


class StagesConfig(Options):
    """Stages in order."""

    name: str = "staged"
    """Of the whole; the default folder is `out/<name>`."""
    model: str = ""
    """Where the first stage starts; left out where that makes a new one (`preset`)."""
    stages: list[dict[str, Any]] = Field(min_length=1)
    """Each `kind: {config}`, a training config without `model`."""


@dataclass(frozen=True)
class Stage:
    """One of them: its folder's name and its config, whose model the run fills in."""

    name: str
    kind: str
    values: dict[str, Any]
    folder: Path

    def config(self, model: str) -> TrainConfig:
        """The stage's config, starting from `model`."""
        return config_of(self.kind, {**self.values, "model": model}, self.folder)


def load_stages(path: Path, settings: Sequence[str] = ()) -> tuple[StagesConfig, list[Stage]]:
    """Read and check a config and all its stages; settings: as of `--set`. Raises ConfigError."""

    def staged(values: dict[str, Any]) -> tuple[StagesConfig, list[Stage]]:
        config = build(StagesConfig, values, "")
        return config, stages_of(config.stages, config.model, path.parent)

    return configured(path, settings, staged)


def stages_of(
    specs: list[dict[str, Any]],
    model: str,
    folder: Path,
    data: str | None = None,
    where: str = "stages",
) -> list[Stage]:
    """The stages of a list of `kind: {config}`, each checked.

    data: a file that stands for the data where the caller fills it in later; a stage then names
    none. where: the list's key, for errors. Raises ConfigError naming which stage.
    """
    found, key = [], where
    for number, spec in enumerate(specs, 1):
        where = f"{key}[{number - 1}]"
        if len(spec) != 1:
            raise ConfigError(f"{where}: write one stage as 'kind: {{config}}'")
        ((kind, values),) = spec.items()
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise ConfigError(f"{where}.{kind}: expected a config, found {type(values).__name__}")
        values = dict(values)
        if not (found or model or values.get("preset")):
            raise ConfigError("model: say where the first stage starts")
        if "model" in values:
            raise ConfigError(f"{where}.{kind}.model: a stage starts from the last; leave it out")
        if data is not None:
            if "data" in values:
                raise ConfigError(f"{where}.{kind}.data: is the round's own rows; leave it out")
            values["data"] = [{"file": data}]
        name = str(values.setdefault("name", kind))
        stage = Stage(f"{number}-{name}", kind, values, folder)
        try:
            stage.config(model)
        except ConfigError as error:
            raise ConfigError(f"{where}.{kind}: {error}") from None
        found.append(stage)
    return found


Watching = Callable[[Stage], AbstractContextManager[Callable[[dict[str, Any]], None]]]
"""Given a stage, what is called with the lines of its log; entered before it, left after it."""


def run_stages(
    stages: list[Stage], model: str, out: Path, watch: Watching | None = None
) -> Iterator[Trained]:
    """Run the stages in order, each into a folder of its own under `out`, and give each as it is
    done; finished ones are taken as they are."""
    for stage in stages:
        with watch(stage) if watch else nullcontext() as shown:
            trained = run(stage.config(model), out / stage.name, watch=shown)
        model = f"hf:{trained.model.resolve()}"
        yield trained
