"""One server, and the connections to it."""

from __future__ import annotations

import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

import aiohttp
from yarl import URL

from gristmill import __version__
from gristmill.backends.secret import Secret
from gristmill.errors import ConfigError

CONNECT_TIMEOUT = 30.0
"""Seconds for a connection to be established, at most."""


@dataclass(frozen=True, slots=True)
class Server:
    """Whom a pool talks to. Pools of the same server and key are one.

    root: scheme, host, port and path, without a trailing `/v1`. key_name: the environment
    variable that the key came from, for messages. hostname: the name in DNS behind an address in
    `root`, which the server is called by; None where `root` has it.
    """

    root: str
    key: Secret
    key_name: str | None = None
    hostname: str | None = None


def open_session(server: Server) -> aiohttp.ClientSession:
    """The connections to one server, with the headers that every request has."""
    headers = {"Content-Type": "application/json", "User-Agent": f"gristmill/{__version__}"}
    if server.hostname:
        port = URL(server.root).explicit_port
        headers["Host"] = server.hostname + (f":{port}" if port else "")
    if server.key:
        headers["Authorization"] = f"Bearer {server.key.reveal()}"
    return aiohttp.ClientSession(
        # The gate decides how many connections there are.
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
    )


def proxy_of(server: Server) -> str | None:
    """The proxy of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), looked up once; never for
    this machine. Raises ConfigError for one that is no HTTP proxy.

    aiohttp's own `trust_env` asks anew for each request, and reads keys from ~/.netrc.
    """
    url = URL(server.root)
    names = [name for name in (server.hostname, url.host) if name]
    if _is_here(url.host or "") or any(map(urllib.request.proxy_bypass, names)):
        return None
    found = urllib.request.getproxies().get(url.scheme)
    proxy = found if not found or "://" in found else f"http://{found}"
    if proxy and not proxy.startswith(("http://", "https://")):
        raise ConfigError(  # without the address, which may hold a password
            f"{url.scheme.upper()}_PROXY: {proxy.partition(':')[0]} proxies cannot be used; name "
            f"one as http://HOST:PORT, or have NO_PROXY name {names[0]}"
        )
    return proxy


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")
