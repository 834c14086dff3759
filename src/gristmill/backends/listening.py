"""Where a server of ours listens, and how it is reached from this machine."""

from __future__ import annotations

import socket

from gristmill.errors import InputError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises InputError."""
    made = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(1024)
        return made
    except OSError as error:
        if made is not None:
            made.close()
        said = error.strerror or str(error)
        raise InputError(
            f"cannot listen on {host}, port {port}: {said}; name another with --port"
        ) from None


def address(listening: socket.socket) -> str:
    """Where this machine reaches a socket."""
    host, port, *_ = listening.getsockname()
    return url(host, port)


def url(host: str, port: int) -> str:
    """Where this machine reaches what listens on a host, which may be every address of it."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
