"""Prompts that demand what can be checked: length, form, words, language, in the manner of IFEval.

Each seed prompt gets constraints of `gristmill.constraints` appended, which the judge `format`
then checks in the answers. With `later` and `revise`, some of them come in conversations: demands
on all later answers, and demands to revise the last one (Nvidia 2024, arXiv:2406.11704, 3.2.1).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from random import Random
from typing import Any, ClassVar, Self

import orjson
from pydantic import Field, model_validator

from gristmill.backends.use import Asked
from gristmill.constraints import (
    LANGUAGES,
    Constraint,
    as_json,
    draw_several,
    say_all,
    say_from_now_on,
    say_revise,
)
from gristmill.parts import part_names
from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._seeds import Seeded
from gristmill.recipes._talk import answered, followed, talk_of, talked
from gristmill.records import Message

ROOM = "gristmill.constraints"

DEMAND = 250
"""Tokens of one constraint at most, in any of the languages."""


class Instructions(Seeded):
    """Adds verifiable constraints to seed prompts; the row's `constraints` say which."""

    templates_used: ClassVar = {"follow_up": frozenset({"conversation"})}

    fewest: int = Field(default=1, ge=1, le=10)
    """Fewest constraints of a prompt."""
    most: int = Field(default=3, ge=1, le=10)
    """Most constraints of a prompt; between the two the number is drawn evenly."""
    among: list[str] = Field(default_factory=list)
    """Names of the constraints to draw from; by default all that suit most prompts."""
    later: float = Field(default=0.0, ge=0, le=1)
    """Share of prompts whose demand is on all later answers: it stands in a first turn that the
    recipe's model answers, and the prompt is what the user says then."""
    revise: float = Field(default=0.0, ge=0, le=1)
    """Share of prompts in which the recipe's model answered without a demand, and the user asks
    for that answer to be revised."""

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        if self.fewest > self.most:
            raise ValueError(f"fewest is {self.fewest}, above most, which is {self.most}")
        if self.later + self.revise > 1:
            raise ValueError("later and revise are shares of all prompts: together at most 1")
        if self.language not in LANGUAGES:
            raise ValueError(f"language: constraints are worded in {', '.join(LANGUAGES)}")
        known = part_names(ROOM)
        for name in self.among:
            if name not in known:
                raise ValueError(f"among: unknown constraint '{name}'; known: {', '.join(known)}")
        try:
            draw_several(
                Random(0), self.language, "", self.fewest, self.among, lasting=self.later > 0
            )
        except ValueError as error:
            raise ValueError(f"among: {error}") from None
        return self

    @property
    def own_steps(self) -> float:
        return 2 * self.later + self.revise

    @property
    def longest(self) -> Asked:
        seed = self.seed_longest
        # One of them may ask for the request to be repeated.
        plain = Asked(2 * seed.tokens + self.most * DEMAND, seed.turns)
        talks = self.later or self.revise
        return talk_of(plain, 1, self.max_tokens) if talks else plain

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        return ask.each(self.seed_drafts(ask), partial(self._demand, ask))

    async def _demand(self, ask: Ask, seed: Draft) -> list[Draft]:
        # Another turn of the recipe draws other constraints for the same seeds.
        random = Random(f"{self.seed}:{ask.turn}:{seed.item.id}")
        how, number = random.random(), random.randint(self.fewest, self.most)
        lasting = how < self.later
        drawn = draw_several(random, self.language, seed.asked, number, self.among, lasting=lasting)
        if not drawn:
            return []
        if lasting:
            return await self._later(ask, seed, drawn)
        if how < self.later + self.revise:
            return await self._revised(ask, seed, drawn)
        text = seed.asked + random.choice(("\n\n", " ")) + say_all(drawn, self.language)
        messages = (*seed.messages[:-1], Message("user", text))
        draft = self._draft(seed, messages, seed.item, drawn)
        if seed.item.stage == "seed":
            # No model wrote this one: it is somebody's prompt, and a rule.
            draft.facts["written_by"] = ""
        return [draft]

    async def _later(self, ask: Ask, seed: Draft, drawn: tuple[Constraint, ...]) -> list[Draft]:
        """The demand stands in the seed's turn; the prompt is the turn after its answer."""
        demand = say_from_now_on(drawn, self.language)
        said = (*seed.messages[:-1], Message("user", f"{seed.asked}\n\n{demand}"))
        found = await followed(ask, said, seed)
        since = sum(m.role == "user" for m in seed.messages)
        return [self._draft(seed, *found, drawn, since)] if found else []

    async def _revised(self, ask: Ask, seed: Draft, drawn: tuple[Constraint, ...]) -> list[Draft]:
        """The seed is answered as it is, and the user asks for another form of the answer."""
        answer = await answered(ask, seed.messages, seed.item, seed)
        if answer is None:
            return []
        asked = Message("user", say_revise(drawn, self.language))
        messages = (*seed.messages, Message("assistant", answer.text), asked)
        return [self._draft(seed, messages, answer, drawn)]

    def _draft(
        self,
        seed: Draft,
        messages: tuple[Message, ...],
        before: Item,
        drawn: tuple[Constraint, ...],
        since: int | None = None,
    ) -> Draft:
        constraints = [orjson.loads(as_json(constraint, since)) for constraint in drawn]
        item = Item("instruction", messages[-1].content, before)
        # An answer to the seed is none to what is asked after it, or in another form.
        facts: dict[str, Any] = {**talked(seed), "constraints": constraints}
        # Seeds are new to each other; what is appended to them is alike on purpose.
        return Draft(messages, item, facts, among=None)
