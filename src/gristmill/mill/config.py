"""A run's config: what the YAML file may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    FieldSerializationInfo,
    SkipValidation,
    field_serializer,
    field_validator,
    model_validator,
)

from gristmill.backends.calling import Calling
from gristmill.backends.identity import NO_MATTER, fingerprint
from gristmill.errors import ConfigError
from gristmill.filters.base import Filter
from gristmill.intake.source import Source
from gristmill.intake.turns import Turns
from gristmill.judges.base import Judge
from gristmill.mill.cross import cross_check
from gristmill.mill.generate import Generate
from gristmill.mill.lineup import Lineup, common
from gristmill.mill.prompts import PromptSource, open_source
from gristmill.parts import Options, build, name_of, open_part
from gristmill.records import prompt_id
from gristmill.settings import configured
from gristmill.tools.toolbox import Listed

DataSet = Literal["sft", "preference", "scored"]
DATASETS: tuple[DataSet, ...] = ("sft", "preference", "scored")
"""What `export` may name. `rejected` is always written."""


class Select(Options):
    """What is picked from the kept responses."""

    best: int | None = Field(default=1, ge=1)
    """Responses of a prompt that go into `sft`, by reward: 1 is best-of-n, null is all. Without a
    judge there is no best, and all go."""
    min_gap: float = Field(default=0.1, ge=0)
    """Smallest reward gap between chosen and rejected. The default keeps pairs that a reward
    model's noise alone could turn round out of the preference data."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Of several judges in the reward, by name of the judge or of its model; 1 where not named, 0
    for one that only filters. The reward is the weighted mean over the judges that give one."""

    @field_validator("weights")
    @classmethod
    def _not_negative(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if weight < 0:
                raise ValueError(f"the weight of '{name}' is negative; give 0 or more")
        return weights


class Budget(Options):
    """Where to stop spending. The run can be resumed with a higher budget."""

    requests: int | None = Field(default=None, ge=1)
    """Requests sent, retries among them, over all resumes of the run. Never exceeded."""
    tokens: int | None = Field(default=None, ge=1)
    """Prompt and completion tokens of all models. No new prompt starts past it."""
    usd: float | None = Field(default=None, gt=0)
    """Cost by the `price` of each model. No new prompt starts past it."""


class Config(Options):
    """One run of the mill. `Config.load` reads it from YAML."""

    name: str = "run"
    """Of the data set, as its card shows it."""
    prompts: list[SkipValidation[PromptSource]]
    """Where the prompts come from: `{file: ...}`, `{recipe: ...}` or `{mix: [...]}`; one entry or
    a list, read in order."""
    generate: tuple[Generate, ...]
    """Which model answers; several, as a list: each answers every prompt, or with `weight` its
    share of them."""
    judges: list[Any] = Field(default_factory=list)
    """What grades each response, as `name: {options}`. Without one nothing is scored."""
    keep: list[Any] = Field(default_factory=list)
    """What drops a response, as `name: {options}`; the first that says no gives the reason."""
    select: Select = Select()
    """Best-of-n and preference pairs."""
    target: int | None = Field(default=None, ge=1)
    """Prompts with at least one kept response to stop at; exactly so many are exported."""
    budget: Budget = Budget()
    """Where to stop spending."""
    export: list[DataSet] = Field(default_factory=lambda: list(DATASETS))
    """Which data sets to write; by default all that can be: without a judge `sft` alone."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of all sampling. Same config, same seed, same prompts: same ids."""
    cache: str | None = Field(default=None, min_length=1)
    """A folder of answers that other runs may use again, and this one uses; a relative path from
    the config's folder. Without it nothing outlives the run's folder."""
    flywheel: Any = None
    """What `gristmill flywheel` reads; the mill itself passes it over."""

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        keys = ("prompts", "generate")
        one = {key: [values[key]] for key in keys if isinstance(values.get(key), dict | Generate)}
        return {**values, **one}

    @field_validator("generate", mode="before")
    @classmethod
    def _some_models(cls, entries: Any) -> Any:
        if not isinstance(entries, list | tuple) or not entries:
            raise ValueError("name a model, for instance {model: tiny:instruct}, or a list of them")
        return entries

    @field_validator("generate")
    @classmethod
    def _all_weighed(cls, entries: tuple[Generate, ...]) -> tuple[Generate, ...]:
        weighed = sum(entry.weight is not None for entry in entries)
        if 0 < weighed < len(entries):
            raise ValueError(
                f"{weighed} of {len(entries)} entries have a `weight`; give it to all, so that "
                "each prompt goes to one of them, or to none, so that each answers every prompt"
            )
        return entries

    @field_serializer("generate")
    def _as_written(self, entries: tuple[Generate, ...], info: FieldSerializationInfo) -> Any:
        dumped = [entry.model_dump(mode=info.mode) for entry in entries]
        return dumped if len(dumped) > 1 else dumped[0]

    @field_validator("prompts", mode="before")
    @classmethod
    def _some_prompts(cls, sources: Any) -> Any:
        if not isinstance(sources, list) or not sources:
            raise ValueError("name at least one source, for instance {file: prompts.jsonl}")
        try:
            only = len(sources) == 1
            return [open_source(s, "" if only else f"[{i}]") for i, s in enumerate(sources)]
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @property
    def entries(self) -> list[tuple[str, Generate]]:
        """The entries of `generate`, each with the key where it stands."""
        if len(self.generate) == 1:
            return [("generate", self.generate[0])]
        return [(f"generate[{i}]", entry) for i, entry in enumerate(self.generate)]

    @property
    def models(self) -> str:
        """The models that answer, in one line."""
        return ", ".join(dict.fromkeys(entry.model for entry in self.generate))

    @property
    def system(self) -> str | None:
        """The system message that all prompts are read with; None where each entry has its own."""
        return common(entry.system for entry in self.generate)

    def tools(self) -> Listed | None:
        """The tools that models may call, who have the same ones, if any. Raises InputError."""
        return Listed(self.generate[0].tools) if self.generate[0].tools else None

    def offered(self) -> str:
        """The tools that prompts which bring none are read with, as `Prompt.tools`."""
        return listed.tools if (listed := self.tools()) else ""

    def lineup(self) -> Lineup:
        """Who answers which prompt."""
        return Lineup(self.entries, self.seed)

    @property
    def sources(self) -> list[Source]:
        """The prompts' files; what recipes write stands in the run's folder (`mill.supply`)."""
        return [s for s in self.prompts if isinstance(s, Source)]

    @classmethod
    def read(cls, given: Given) -> Config:
        """A config however it is given: as a file (see `load`), as its values, or as it is."""
        if isinstance(given, Config):
            return given
        return cls.of(dict(given)) if isinstance(given, Mapping) else cls.load(given)

    @classmethod
    def load(cls, path: str | Path, settings: Sequence[str] = ()) -> Config:
        """Read a YAML file. Relative paths in it start from its own folder.

        settings: `KEY=VALUE` each, as of `--set` (`gristmill.settings`). Raises ConfigError naming
        the file, the line (for bad YAML) or the field.
        """
        path = Path(path)
        return configured(path, settings, lambda values: cls.of(values, folder=path.parent))

    @classmethod
    def of(cls, values: dict[str, Any], folder: Path | None = None) -> Config:
        """Validate a config given as a dictionary; `folder` is where relative paths start."""
        config = build(cls, values, "")
        config = config._with_brought(config.open_filters())
        if not config.grades and "export" not in config.model_fields_set:
            config = config.model_copy(update={"export": ["sft"]})
        cross_check(config)
        if folder is None:
            return config
        placed = [source.located(folder) for source in config.prompts]
        keep = [_placed(spec, i, folder) for i, spec in enumerate(config.keep)]
        cache = config.cache and str(folder / Path(config.cache).expanduser())
        generate = tuple(entry.located(folder) for entry in config.generate)
        moved = {"prompts": placed, "generate": generate, "keep": keep, "cache": cache}
        return config.model_copy(update=moved)

    def _with_brought(self, filters: Sequence[Filter]) -> Config:
        """The config with the judges that filters bring along, behind its own."""
        judges, known = list(self.judges), [_identity(j) for j in self.open_judges()]
        for spec in (spec for f in filters if (spec := f.brings())):
            judge = _part(Judge, "judges", spec, len(judges))
            if _identity(judge) not in known:
                judges.append(dict(spec))
                known.append(_identity(judge))
        return self.model_copy(update={"judges": judges})

    @property
    def grades(self) -> bool:
        """Whether a judge grades; one that only embeds does not."""
        return any(not judge.embeds for judge in self.open_judges())

    @property
    def facts(self) -> tuple[str, ...]:
        """What of a prompt beside its messages judges compare with, by name: its answer, ..."""
        return tuple(sorted({fact for judge in self.open_judges() for fact in judge.facts}))

    def open_judges(self) -> list[Judge]:
        """The judges, validated."""
        return [_part(Judge, "judges", spec, i) for i, spec in enumerate(self.judges)]

    def open_filters(self) -> list[Filter]:
        """The filters, validated and with nothing seen yet: call once for each pass."""
        return [_part(Filter, "keep", spec, i) for i, spec in enumerate(self.keep)]

    def identity(self) -> dict[str, Any]:
        """What decides the responses and scores: another identity needs another folder.

        How fast models are called, what is kept, selected and exported, target and budget can
        all change between resumes, and cost nothing anew.
        """
        each = zip(self.generate, self.lineup().examples, strict=True)
        tools = self.tools()
        generate = [
            _decisive(entry) | _said(turns) | _files(entry) | _called(entry, tools)
            for entry, turns in each
        ]
        return {
            "seed": self.seed,
            "generate": generate if len(generate) > 1 else generate[0],
            "judges": [{name_of(j): _decisive(j) | _files(j)} for j in self.open_judges()],
        }


Given = Config | Mapping[str, Any] | str | Path
"""A config as whoever calls has it; see `Config.read`."""

_EXPORTED = {"reasoning"}
"""What changes only which of it is exported."""
_TOOLS = {"tools", "max_steps"}
"""What is in an identity as `_called` has it."""
_LATER = {"reference", "precision", "stop", "examples", "weight"}
"""What is in an identity only where it is given."""


def _decisive(part: Options) -> dict[str, Any]:
    values = part.model_dump(mode="json", exclude=NO_MATTER | _EXPORTED | _TOOLS)
    # Folders from before there were these know nothing of them.
    return {k: v for k, v in values.items() if k not in _LATER or v not in (None, [])}


def _said(examples: Sequence[Turns]) -> dict[str, str]:
    """What examples say, wherever they were read."""
    return {"examples": prompt_id(tuple(chain.from_iterable(examples)))} if examples else {}


def _called(entry: Generate, tools: Listed | None) -> dict[str, Any]:
    """What a model may call: other schemas, another run; wherever the tools are."""
    if tools is None:
        return {}
    played = [_decisive(player) | _files(player) for player in entry.players]
    schemas = prompt_id((), tools.tools)
    return {"tools": [schemas, *played], "max_steps": entry.max_steps}


def _files(part: Options) -> dict[str, list[str]]:
    """What the files of a part's models hold, where these lie here; reading them takes a moment."""
    models = (part.model, part.reference) if isinstance(part, Calling) else ()
    files = [digits for model in models if model and (digits := fingerprint(model))]
    return {"files": files} if files else {}


def _identity(judge: Judge) -> dict[str, Any]:
    return {name_of(judge): _decisive(judge)}


def _placed(spec: Any, index: int, folder: Path) -> Any:
    """A filter's entry with the paths in it starting from a folder."""
    part = _part(Filter, "keep", spec, index)
    moved = part.located(folder)
    if moved is part:
        return spec
    ((name, _),) = spec.items()
    return {name: moved.model_dump(exclude_unset=True)}


def _part(kind: type[Any], key: str, spec: Any, index: int) -> Any:
    room = {"judges": "gristmill.judges", "keep": "gristmill.filters"}[key]
    part = open_part(room, spec, f"{key}[{index}]")
    if not isinstance(part, kind):
        raise ConfigError(f"{key}[{index}]: {type(part).__name__} is not a {kind.__name__}")
    return part
