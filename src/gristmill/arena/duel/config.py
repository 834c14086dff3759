"""The config of `gristmill arena battle`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from gristmill.arena.contestants import Contestant, checked
from gristmill.arena.duel.judges.base import Judge
from gristmill.arena.fields import NAMES
from gristmill.errors import ConfigError
from gristmill.intake.places import located
from gristmill.intake.source import Source, known_names
from gristmill.parts import Options, build, open_part
from gristmill.settings import configured


class BattleSource(Options):
    """Battles that were fought already."""

    file: str
    """As `arena rank` takes them (docs/arena.md), a relative path from the config's folder."""
    columns: dict[str, str] = Field(default_factory=dict)
    """The file's names for our columns, `{judge: annotator}`; dots lead into nested ones."""

    @field_validator("columns")
    @classmethod
    def _known(cls, names: dict[str, str]) -> dict[str, str]:
        return known_names(names, NAMES)


class Pairs(Options):
    """Which models meet on a prompt, where not all do."""

    per_prompt: int = Field(ge=1)
    """Pairs on each prompt, dealt so that all pairs and all models come equally often."""


class Config(Options):
    """A round of battles between models, decided by models. `Config.load` reads it from YAML."""

    name: str = "battle"
    """Of the folder, where none is given."""
    models: list[Contestant] = Field(default_factory=list)
    """Who fights: two or more."""
    prompts: list[Source] = Field(default_factory=list)
    """What they are asked; one source or a list, read in order."""
    battles: list[BattleSource] = Field(default_factory=list)
    """Battles that were fought already, people's for instance: they are judged once more, so that
    it can be seen how far people and judges agree. A source or a list; beside `models` and
    `prompts`, or instead of them."""
    judges: list[Any]
    """Who decides, as `name: {options}`: `choice`, a chat model, or `reward`, a reward model."""
    pairs: Literal["all"] | Pairs = "all"
    """`all` pairs of models on each prompt, or `{per_prompt: N}`."""
    votes: str = "votes.sqlite"
    """The table that the votes go into, people's or a new one; a relative path from the config's
    folder."""
    cache: str | None = Field(default=None, min_length=1)
    """A folder of answers that other work may use again, and this uses (docs/run.md); a relative
    path from the config's folder."""
    seed: int = Field(default=0, ge=0)
    """Of the answers, of the pairs, and of which model is A."""
    limit: int | None = Field(default=None, ge=1)
    """Prompts to use at most, the first ones."""

    @field_validator("prompts", mode="before")
    @classmethod
    def _one_or_many(cls, sources: Any) -> Any:
        if isinstance(sources, dict):
            return [sources]
        if not isinstance(sources, list) or not sources:
            raise ValueError("name at least one source, for instance {file: prompts.jsonl}")
        return sources

    @field_validator("pairs", mode="before")
    @classmethod
    def _known_pairs(cls, pairs: Any) -> Any:
        if pairs != "all" and not isinstance(pairs, dict | Pairs):
            raise ValueError("write 'all' or {per_prompt: N}")
        # A union of a word and a model would say of every mistake what is wrong with both.
        return build(Pairs, pairs, "pairs") if isinstance(pairs, dict) else pairs

    @field_validator("battles", mode="before")
    @classmethod
    def _one_file_or_many(cls, files: Any) -> Any:
        files = files if isinstance(files, list) else [files]
        return [{"file": file} if isinstance(file, str) else file for file in files]

    @classmethod
    def load(cls, path: str | Path, settings: Sequence[str] = ()) -> Config:
        """Read a YAML file. Relative paths in it start from its own folder.

        settings: as of `--set`. Raises ConfigError naming the file and the line (for bad YAML) or
        the field.
        """
        path = Path(path)
        return configured(path, settings, lambda values: cls.of(values, path.parent))

    @classmethod
    def of(cls, values: dict[str, Any], folder: Path | None = None) -> Config:
        """Validate a config given as a dictionary; `folder` is where relative paths start."""
        config = build(cls, values, "")
        if config.models or config.prompts or not config.battles:
            _fightable(config)
        judges = config.open_judges()
        if not judges:
            raise ConfigError("judges: nobody decides; add one, for instance choice: {model: ...}")
        names = [judge.called for judge in judges]
        if twice := next((n for n in names if names.count(n) > 1), None):
            raise ConfigError(f"judges: '{twice}' is there twice; give each a name of its own")
        same = [judge.identity() for judge in judges]
        if any(one in same[:place] for place, one in enumerate(same)):
            raise ConfigError("judges: two of them are the same but for the name; leave one out")
        if folder is None:
            return config
        files = [source.located(folder) for source in config.prompts]
        battles = [
            source.model_copy(update={"file": located(source.file, folder)})
            for source in config.battles
        ]
        votes = str(folder / config.votes)
        cache = config.cache and str(folder / Path(config.cache).expanduser())
        moved = {"prompts": files, "battles": battles, "votes": votes, "cache": cache}
        return config.model_copy(update=moved)

    def open_judges(self) -> list[Judge]:
        """The judges, validated. Raises ConfigError."""
        room = "gristmill.arena.duel.judges"
        found = []
        for index, spec in enumerate(self.judges):
            judge = open_part(room, spec, f"judges[{index}]")
            if not isinstance(judge, Judge):
                raise ConfigError(f"judges[{index}]: {type(judge).__name__} is not a Judge")
            found.append(judge)
        return found


def _fightable(config: Config) -> None:
    """Raises ConfigError where models have nothing to answer, or prompts nobody."""
    for key, given in (("models", config.models), ("prompts", config.prompts)):
        if not given:
            raise ConfigError(
                f"{key}: missing; name models and prompts, or battles that are there already"
            )
    checked(config.models)
