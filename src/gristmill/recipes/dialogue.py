"""Dialogues of several turns in which the model plays the user, too.

As Nemotron-4 340B's were made: three turns, the user with a personality of its own, thanks and
praise taken out (Nvidia 2024, arXiv:2406.11704, section 3.2.2). Every turn of the assistant can be
graded by the judge `turns` and asked for by the filter of that name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field

from gristmill.backends.use import Asked
from gristmill.errors import ConfigError
from gristmill.intake.places import located
from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._lines import lines_of
from gristmill.recipes._seeds import Seeded
from gristmill.recipes._talk import answered, goes_on, talk_of, talked
from gristmill.records import Message


class Dialogue(Seeded):
    """A dialogue that ends in the user's last turn; in a run, the answering model answers it.

    The recipe's model answers each turn before that, and plays the user from the second one on.
    """

    templates_used: ClassVar = {"user_turn": frozenset({"conversation", "personality"})}
    turns: int = Field(default=3, ge=2, le=20)
    """Turns of the user. The last of them is answered by the run's own model, so a dialogue of 3
    has two answers of the recipe's model."""
    personalities: list[str] | str | None = None
    """How the user is, drawn anew for each dialogue: descriptions, or a file of them, one a line.
    By default 18 of ours, from curious to frugal."""

    def located(self, folder: Path) -> Self:
        moved = super().located(folder)
        if not isinstance(self.personalities, str):
            return moved
        return moved.model_copy(update={"personalities": located(self.personalities, folder)})

    @cached_property
    def _people(self) -> list[str]:
        given = self.personalities
        if isinstance(given, list):
            found = [line.strip() for line in given if line.strip()]
        elif given is not None:
            found = lines_of(Path(given))
        else:
            text = files("gristmill.recipes").joinpath("dialogue/personalities.txt")
            found = text.read_text(encoding="utf-8").splitlines()
        if not found:
            raise ConfigError(f"personalities: {given or 'the list'} is empty")
        return found

    def check(self) -> None:
        super().check()
        _ = self._people

    @property
    def own_steps(self) -> float:
        return 2.0 * (self.turns - 1)

    @property
    def longest(self) -> Asked:
        return talk_of(self.seed_longest, self.turns - 1, self.max_tokens)

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        return ask.each(self.seed_drafts(ask), partial(self._talk, ask))

    async def _talk(self, ask: Ask, seed: Draft) -> list[Draft]:
        item, said = seed.item, seed.messages
        # Another turn of the recipe gives the same seed to another user.
        place = int(seed.item.id.rpartition(":")[2], 16) + ask.turn
        how = self._people[place % len(self._people)]
        personality = Item("personality", how, item, persona=ask.persona(item))
        item = personality
        for _ in range(self.turns - 1):
            answer = await answered(ask, said, item, seed)
            if answer is None:
                return []
            said = (*said, Message("assistant", answer.text))
            who = personality.persona
            text = await goes_on(ask, *("user_turn", "user_turn"), said, who, personality=how)
            if not text:
                return []
            item = Item("user_turn", text, answer)
            said = (*said, Message("user", text))
        return [Draft(said, item, talked(seed), among=None)]
