"""How many connections one address may hold open, and how long it may take to ask."""

from __future__ import annotations

import asyncio
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

PATIENCE = 20.0
"""Seconds from the connection to the end of the first request's headers."""


def bounded(most: int) -> type:
    """Uvicorn's protocol, with at most `most` connections of an address at once. Proxies that are
    trusted with `X-Forwarded-For`, by default those of this machine, may have any number."""
    open_now: Counter[str] = Counter()

    base: Any = AutoHTTPProtocol

    class Bounded(base):
        _address: str | None = None
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            host = (transport.get_extra_info("peername") or ("",))[0]
            if host and not trusted(host, self.config.forwarded_allow_ips):
                self._address = host
                open_now[host] += 1
                if open_now[host] > most:
                    transport.abort()
                    return
            self._late = asyncio.get_running_loop().call_later(PATIENCE, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._late is not None:
                self._late.cancel()
            if self._address is not None:
                open_now[self._address] -= 1
                if not open_now[self._address]:
                    del open_now[self._address]
            super().connection_lost(exc)

        def _look(self) -> None:
            if self.cycle is None:  # Nothing was asked yet.
                self.transport.close()

    return Bounded


def trusted(host: str, proxies: str | list[str]) -> bool:
    """Whether an address is one of Uvicorn's `forwarded_allow_ips`: addresses, networks or `*`."""
    for each in proxies.split(",") if isinstance(proxies, str) else proxies:
        try:
            if each.strip() == "*" or ip_address(host) in ip_network(each.strip(), strict=False):
                return True
        except ValueError:  # the name of a socket
            continue
    return False
