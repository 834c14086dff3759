"""Where a model's servers are now: as listed, as a file has it, or as DNS does."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from gristmill.backends.servers import is_address, known, lines
from gristmill.errors import BackendFatal

WATCH = 1.0
"""Seconds between two looks at files and names."""

_log = logging.getLogger("gristmill.servers")


@dataclass(frozen=True, slots=True)
class Found:
    """One server. model: its address with the model's name. hostname: see `session.Server`."""

    model: str
    hostname: str | None = None


class Places:
    """Where to look, and what was found there last.

    What cannot be read or looked up for a while, or is empty, stays as it was: a name server that
    is away, or a file just being written, takes no server from a run.
    """

    def __init__(self, model: str, places: Sequence[str]) -> None:
        self._model = model
        self._found: dict[str, list[Found]] = {place: [] for place in places}
        self._trouble: dict[str, str] = {}

    @property
    def change(self) -> bool:
        """Whether what is found can ever be another."""
        return not all(is_address(place) for place in self._found)

    async def look(self) -> list[Found]:
        """All servers there are now, each once. Raises BackendFatal where there never was one."""
        for place in self._found:
            try:
                self._found[place] = [
                    found for found in await _in(place) if self._fits(place, found)
                ] or self._found[place]
                self._trouble.pop(place, None)
            except (ValueError, OSError) as error:
                self._note(place, str(error))
        servers = dict.fromkeys(found for each in self._found.values() for found in each)
        if not servers:
            why = "; ".join(self._trouble.values()) or "no server named"
            raise BackendFatal(f"{self._model}: {why}")
        return list(servers)

    def _fits(self, place: str, found: Found) -> bool:
        fits = known(found.model) == self._model
        if not fits:
            self._note(found.model, f"{place}: '{found.model}' is not {self._model}; left out")
        return fits

    def _note(self, what: str, trouble: str) -> None:
        if self._trouble.get(what) != trouble:
            self._trouble[what] = trouble
            _log.warning("%s", trouble)


async def _in(place: str) -> list[Found]:
    """Raises ValueError or OSError."""
    if place.startswith("file:"):
        return [Found(model) for model in lines(place)]
    if "+dns://" not in place:
        return [Found(place)]
    text, _, name = place.replace("+dns", "", 1).partition("#")
    url = URL(text)
    if not url.host:
        raise ValueError(f"'{place}': not an address; write http+dns://NAME:PORT/v1#MODEL")
    loop = asyncio.get_running_loop()
    try:
        there = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"{url.host}: cannot be looked up: {error}") from None
    hosts = dict.fromkeys(str(address[0]) for *_, address in there)
    return [Found(f"{url.with_host(host)}#{name}", url.host) for host in hosts]
