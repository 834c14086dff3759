"""The models of an arena, as a config names them, for people's battles and for judges'."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from gristmill.backends import ChatBackend, open_chat
from gristmill.backends.calling import Sampled
from gristmill.errors import ConfigError
from gristmill.records import Message, Sampling


class Contestant(Sampled):
    """One model: how it is called, and under which name its battles are counted."""

    name: str = ""
    """What votes, ratings and pages call it; by default the model string."""
    alias: str = ""
    """What the web page shows after a vote instead of the name, for a model that is to stay
    anonymous there. Votes and ratings keep the name."""
    system: str = ""
    """A system message in front of every conversation."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 is greedy. 0.7 is what chatbot arenas commonly use."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of the probability that tokens are sampled from."""
    max_tokens: int = Field(default=1024, ge=1)
    """New tokens of one answer at most."""

    @property
    def called(self) -> str:
        """The name of its battles."""
        return self.name or self.model

    @property
    def shown(self) -> str:
        """The name on the web page."""
        return self.alias or self.called

    def open(self) -> ChatBackend:
        """The backend, not yet entered. Raises ConfigError or MissingExtra."""
        return open_chat(self)

    def sampling(self, seed: int) -> Sampling:
        """How it is sampled."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, seed, stop=self.stop)

    def asked(self, turns: Sequence[Message]) -> tuple[Message, ...]:
        """The conversation as the model gets it."""
        return (*([Message("system", self.system)] if self.system else []), *turns)


def checked(contestants: Sequence[Contestant]) -> None:
    """Raises ConfigError unless there are two or more, all with names of their own."""
    names = [c.called for c in contestants]
    if len(names) < 2:
        raise ConfigError(f"models: a battle needs at least two (got {len(names)})")
    for what, given in (("name", names), ("shown name", [c.shown for c in contestants])):
        twice = next((n for n in given if given.count(n) > 1), None)
        if twice is not None:
            raise ConfigError(f"models: the {what} '{twice}' is there twice; give each its own")
