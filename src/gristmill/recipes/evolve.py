"""Harder and rarer prompts from prompts: each is rewritten, deeper or wider, once or several times.

In the manner of Evol-Instruct (Xu et al. 2023, arXiv:2304.12244): deeper keeps the task and makes
it harder in one of five ways; wider asks for another task of the same domain. The wordings are our
own.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import ClassVar

from pydantic import Field

from gristmill.backends.use import Asked
from gristmill.recipes._ask import Ask, squeezed
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._seeds import Seeded, transcript
from gristmill.records import Message

DEEPER = ("constraint", "deepen", "concrete", "reasoning", "input")
"""Templates that make a prompt harder."""

WIDER = "wider"

TRIES = 2
"""Ways that are tried in one round, before the prompt stays as it is."""

_LEAKED = re.compile(
    r"<\s*/?\s*(?:prompt|request|conversation)\s*>|#\s*\w+ prompt\s*#|"
    r"\b(?:given|original|rewritten|revised|evolved|created|above|harder) (?:prompt|request)\b",
    re.IGNORECASE,
)
"""Words of the request to rewrite, which a reader of the prompt would not understand."""


@dataclass(frozen=True)
class Evolved:
    """What became of a seed. failed: how rewritings failed on the way."""

    draft: Draft | None
    failed: list[str] = field(default_factory=list)


class Evolve(Seeded):
    """Rewrites seed prompts; those that no rewriting worked for are left out."""

    templates_used: ClassVar = {name: frozenset({"prompt", "before"}) for name in (*DEEPER, WIDER)}

    rounds: int = Field(default=1, ge=1, le=10)
    """Rewritings one after another, each of what the last one gave. What comes out of the last is
    the prompt; the ones between are in its lineage."""
    wider: float = Field(default=0.2, ge=0, le=1)
    """Share of rewritings that make a new task of the same domain, and not the same one harder."""

    @property
    def own_steps(self) -> float:
        return float(self.rounds)

    @property
    def longest(self) -> Asked:
        seed = self.seed_longest
        return seed._replace(tokens=seed.tokens + self.max_tokens)

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        evolved = ask.each(self.seed_drafts(ask), partial(self._evolve, ask))
        return self._counted(ask, evolved)

    async def _counted(self, ask: Ask, evolved: AsyncGenerator[Evolved]) -> AsyncGenerator[Draft]:
        """The prompts. Failures are counted here, where they come in order, and not where they
        happen: how far that runs ahead is chance."""
        async with aclosing(evolved) as found:
            async for one in found:
                ask.shared.report.dropped.update(f"evolution:{reason}" for reason in one.failed)
                if one.draft is not None:
                    yield one.draft

    async def _evolve(self, ask: Ask, seed: Draft) -> list[Evolved]:
        # Another turn takes other ways for the same seeds.
        random = Random(f"{self.seed}:{seed.item.id}")
        ways = random.sample(DEEPER, len(DEEPER))
        place, draft, failed = ask.turn, seed, list[str]()
        for _ in range(self.rounds):
            for _ in range(TRIES):
                wide = _share(self.seed, draft.item.id, place) < self.wider
                way = WIDER if wide else ways[place % len(ways)]
                place += 1
                found = await self._rewritten(ask, draft, way)
                if isinstance(found, Draft):
                    draft = found
                    break
                failed.append(found)
        return [Evolved(draft if draft is not seed else None, failed)]

    async def _rewritten(self, ask: Ask, draft: Draft, way: str) -> Draft | str:
        """The prompt rewritten in one way, or why that failed."""
        persona = draft.item.persona or ask.persona(draft.item)
        before = tuple(m for m in draft.messages[:-1] if m.role != "system")
        text = await ask.text(
            *("evolved", way),
            variant=ask.turn,
            prompt=draft.asked,
            before=transcript(before),
            persona=persona,
        )
        reason = "no_reply" if text is None else _fault(draft.asked, text)
        if text is None or reason:
            return reason
        # A new task does not go on with the conversation of the old one.
        kept = tuple(m for m in draft.messages[:-1] if way != WIDER or m.role == "system")
        item = Item("evolved", text, draft.item, way, persona)
        facts = {n: v for n, v in draft.facts.items() if n in ("category", "tools")}
        return replace(draft, messages=(*kept, Message("user", text)), item=item, facts=facts)


def _fault(old: str, new: str) -> str:
    """Why a rewriting is none; empty if it is one."""
    if squeezed(new) == squeezed(old):
        return "unchanged"
    if _LEAKED.search(new) and not _LEAKED.search(old):
        return "leaked"
    return ""


def _share(*parts: object) -> float:
    """A number from 0 to 1 that depends on the parts alone."""
    return Random(":".join(map(str, parts))).random()
