"""A list that a model goes on with for as long as it is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Item
from gristmill.recipes._replies import TRIES
from gristmill.recipes._templates import shown_of


@dataclass
class Growing:
    """Items of a stage, call after call, until the model gives nothing new.

    batch: how many items the next call is to ask for. values: the template's own; it is told
    beside them what is `known`, the last of it (`shown_of`).
    """

    ask: Ask
    stage: str
    template: str
    batch: Callable[[], int]
    parent: Item | None = None
    values: dict[str, Any] = field(default_factory=dict)
    _have: dict[str, str] = field(default_factory=dict)
    _waiting: deque[str] = field(default_factory=deque)
    _calls: int = 0
    _dry: int = 0

    async def next(self) -> Item | None:
        """The next item; None where there is no more."""
        while not self._waiting and self._dry < TRIES:
            await self._grow()
        if not self._waiting:
            return None
        return self.ask.made(Item(self.stage, self._waiting.popleft(), self.parent))

    async def _grow(self) -> None:
        counts = self.ask.shared.report.stage(self.stage)
        known = shown_of(list(self._have.values()), self.ask.shared.sampling.max_tokens)
        request = self.ask.request(self.template, count=self.batch(), known=known, **self.values)
        found = await self.ask.listed(request, counts, self._calls, self._have.keys())
        self._calls += 1
        self._dry = 0 if found else self._dry + 1
        self._have |= found or {}
        self._waiting.extend((found or {}).values())
