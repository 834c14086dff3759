"""The config of an arena's web page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from gristmill.arena.contestants import Contestant, checked
from gristmill.errors import ConfigError
from gristmill.parts import Options, build
from gristmill.settings import configured


class Limits(Options):
    """What one visitor may do."""

    rounds_per_hour: int = Field(default=60, ge=1)
    """Rounds that may be begun in an hour."""
    votes_per_hour: int = Field(default=60, ge=1)
    """Votes in an hour."""
    prompt_chars: int = Field(default=8000, ge=1)
    """Characters of one prompt at most."""
    turns: int = Field(default=10, ge=1)
    """Turns of one round at most."""
    regenerations: int = Field(default=10, ge=0)
    """How often the answers of one round may be regenerated."""
    address_rounds_per_hour: int | None = Field(default=240, ge=1)
    """Rounds in an hour from one network address, whoever is behind it, since a visitor can become
    a new one by clearing the browser: four visitors at their own limit. None for no limit, where
    many share an address. A proxy in front must pass the address on in `X-Forwarded-For`."""
    address_connections: int = Field(default=256, ge=8)
    """Connections open at once from one network address; a visitor has about three. A proxy in
    front has any number."""


class LeaderboardOptions(Options):
    """The leaderboard's tab."""

    refresh_seconds: float = Field(default=60.0, ge=0)
    """It is computed anew at most this often."""
    minimum_votes: int = Field(default=10, ge=1)
    """Battles that a model needs to be listed with its rating."""
    judges: bool = False
    """Count the votes of judges that are models as well, not people's alone."""


NOTICE = (
    "Your prompts, the answers and your votes are stored, with a pseudonym of your browser, and "
    "may be published. Write nothing personal or secret."
)
"""What is stored, in words for those whose it is."""


class PageConfig(Options):
    """`gristmill arena serve CONFIG`."""

    name: str = Field(default="Arena", min_length=1, max_length=80)
    """The page's title."""
    notice: str = Field(default=NOTICE, max_length=2000)
    """What visitors are told of what is stored of them, as text; empty for nothing."""
    models: list[Contestant]
    """Who fights, two models or more."""
    votes: str = "votes.sqlite"
    """The file of the votes, from the config's folder; made if it is not there."""
    identity_words: tuple[str, ...] = ()
    """More words or phrases by which an answer gives its model away. Known already: the names and
    aliases of `models` with their parts, and well-known models and makers."""
    limits: Limits = Limits()
    """What one visitor may do."""
    undo_seconds: float = Field(default=5.0, ge=0)
    """How long a vote may be taken back, and the names stay hidden after it, unless the visitor
    asks for them; 0: the names come with the vote, which is final."""
    leaderboard: LeaderboardOptions = LeaderboardOptions()
    """The leaderboard's tab."""
    weights: dict[str, float] = Field(default_factory=dict)
    """How often a model is drawn, by name, relative to the others' 1. A model of weight 0 fights
    no more, and keeps its alias on the leaderboard."""
    seed: int | None = Field(default=None, ge=0)
    """For a draw and answers that repeat; by default random."""

    @classmethod
    def load(cls, path: Path, settings: Sequence[str] = ()) -> PageConfig:
        """Read a YAML file; `votes` becomes a path from where we are.

        settings: as of `--set`. Raises ConfigError naming the file, and the field or line.
        """
        config = configured(path, settings, cls.of)
        return config.model_copy(update={"votes": str(path.parent / config.votes)})

    @classmethod
    def of(cls, values: dict[str, Any]) -> PageConfig:
        """Validate a config given as a dictionary. Raises ConfigError."""
        config = build(cls, values, "")
        checked(config.models)
        names = [model.called for model in config.models]
        for name, weight in config.weights.items():
            if name not in names:
                raise ConfigError(f"weights.{name}: no such model; known: {', '.join(names)}")
            if weight < 0:
                raise ConfigError(f"weights.{name}: must be 0 or more (got {weight})")
        if sum(config.weights.get(name, 1.0) > 0 for name in names) < 2:
            raise ConfigError("weights: a battle needs two models with a weight above 0")
        return config
