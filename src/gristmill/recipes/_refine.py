"""What recipes share whose drafts are rewritten before they are prompts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from pydantic import Field

from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes.base import Recipe
from gristmill.records import Message


class Refining(Recipe):
    """Rewrites drafts by the recipe's template `refined`, which is told the `draft`."""

    refinements: int = Field(default=1, ge=0, le=10)
    """Rewritings of each draft that become prompts; 0 takes the drafts as they are."""

    @property
    def variants(self) -> int:
        """Prompts that one draft becomes."""
        return max(1, self.refinements)

    def refined_steps(self, draft: float) -> float:
        """Calls for one prompt, of which a draft takes so many."""
        return draft / self.variants + bool(self.refinements)

    def refined(self, ask: Ask, drafts: AsyncGenerator[Item]) -> AsyncGenerator[Draft]:
        """The prompts that drafts become, in their order."""
        return ask.each(drafts, partial(self._refine, ask), self.variants)

    def facts(self, item: Item) -> dict[str, Any]:
        """What the row of a prompt says beside its text."""
        return {}

    def among(self, item: Item) -> str:
        """The prompts among which one must be new; see `Draft`."""
        return ""

    def told(self, draft: Item) -> dict[str, Any]:
        """What the template `refined` is told beside the draft."""
        return {"topic": draft.parent.text if draft.parent else ""}

    async def _refine(self, ask: Ask, draft: Item) -> list[Draft]:
        if not self.refinements:
            return [self._draft(draft)]
        made = []
        for variant in range(self.refinements):
            text = await ask.text(
                *("refined", "refined"),
                variant=variant,
                draft=draft.text,
                persona=draft.persona,
                **self.told(draft),
            )
            if text is not None:
                made.append(self._draft(Item("refined", text, draft)))
        return made

    def _draft(self, item: Item) -> Draft:
        return Draft((Message("user", item.text),), item, self.facts(item), self.among(item))
