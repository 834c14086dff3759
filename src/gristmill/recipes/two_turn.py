"""Two turns, for preference data: a prompt, an answer, and what the user says to it.

What is graded and chosen is the answer to the second, in the light of the first (Nvidia 2024,
arXiv:2406.11704, section 3.2.1).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import ClassVar

from gristmill.backends.use import Asked
from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft
from gristmill.recipes._seeds import Seeded
from gristmill.recipes._talk import followed, talk_of, talked


class TwoTurn(Seeded):
    """User, assistant, user: the recipe's model answers each seed prompt, then plays the user."""

    templates_used: ClassVar = {"follow_up": frozenset({"conversation"})}

    @property
    def own_steps(self) -> float:
        return 2.0

    @property
    def longest(self) -> Asked:
        return talk_of(self.seed_longest, 1, self.max_tokens)

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        return ask.each(self.seed_drafts(ask), partial(self._go_on, ask))

    async def _go_on(self, ask: Ask, seed: Draft) -> list[Draft]:
        found = await followed(ask, seed.messages, seed)
        return [Draft(*found, talked(seed), among=None)] if found else []
