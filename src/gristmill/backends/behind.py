"""A backend that stands before another one, and often need not ask it."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from gristmill.backends.base import Backend

B = TypeVar("B", bound=Backend)


class Behind(Backend, Generic[B]):
    """Opens `inner` only when it must be asked: no weights are loaded for what is known."""

    def __init__(self, inner: B) -> None:
        super().__init__(inner.model)
        self.also, self.folder = inner.also, inner.folder
        self.licence, self.traffic = inner.licence, inner.traffic
        self._inner = inner
        self._opening = asyncio.Lock()
        self._is_open = False

    async def __aexit__(self, *exc_info: object) -> None:
        if self._is_open:
            self._is_open = False
            await self._inner.__aexit__(*exc_info)

    async def _opened(self) -> B:
        if not self._is_open:
            async with self._opening:
                if not self._is_open:
                    self._inner.meter, self._inner.folder = self.meter, self.folder
                    await self._inner.__aenter__()
                    # A model of the hub has said by now what it is.
                    self.licence = self._inner.licence or self.licence
                    self._is_open = True
        return self._inner
