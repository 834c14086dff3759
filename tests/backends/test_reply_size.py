"""Replies without measure are read as far as may be, and then left."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest

from calls import prompt
from gristmill.backends import open_chat
from gristmill.errors import BackendError
from gristmill.records import Sampling

HEAD = "HTTP/1.1 {} OK\r\nContent-Type: {}\r\n{}\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
MIB = 1 << 20

Send = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def asked(send: Send, *, stream: bool) -> str:
    """What one call ends with, against a server that answers with `send`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await send(writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = {"retries": 0, "timeout": 30, "max_reply_mib": 1}
    async with server, open_chat(f"http://127.0.0.1:{port}/v1#m", options) as backend:
        try:
            if stream:
                return "".join([str(p) async for p in backend.stream(prompt("x"), 0, Sampling())])
            return (await backend.sample(prompt("x"), 0, Sampling())).text
        except BackendError as error:
            return str(error)


class Endless:
    """Sends one piece for ever. sent: bytes that were taken."""

    def __init__(self, status: int, kind: str, piece: bytes) -> None:
        self.head = HEAD.format(status, kind, CHUNKED).encode()
        self.piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        self.sent = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.head)
        while self.sent < 200 * MIB:
            writer.write(self.piece)
            await writer.drain()
            self.sent += len(self.piece)


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_without_end_is_left(stream: bool) -> None:
    endless = Endless(200, "application/json", b" " * 65536)
    said = asyncio.run(asked(endless, stream=stream))
    assert "larger than 1 MiB" in said and "max_reply_mib" in said
    assert endless.sent < 40 * MIB  # what sockets hold aside


def test_a_stream_of_events_without_end_is_left() -> None:
    endless = Endless(200, "text/event-stream", b": still thinking\n\n" * 4096)
    assert "larger than 1 MiB" in asyncio.run(asked(endless, stream=True))
    assert endless.sent < 40 * MIB


def test_an_error_without_end_is_an_error() -> None:
    endless = Endless(400, "text/plain", b"no " * 20000)
    assert "HTTP 400" in asyncio.run(asked(endless, stream=False))
    assert endless.sent < 40 * MIB


def test_a_gigabyte_in_a_megabyte_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(64 * MIB), 9)

    async def send(writer: asyncio.StreamWriter) -> None:
        how = f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}"
        writer.write(HEAD.format(200, "application/json", how).encode() + packed)

    assert "larger than 1 MiB" in asyncio.run(asked(send, stream=False))


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_large_and_not_too_large_is_read(zipped: bool) -> None:
    text = "grain " * 100_000
    body = (
        f'{{"choices": [{{"message": {{"content": "{text}"}}, "finish_reason": "stop"}}]}}'.encode()
    )
    body = gzip.compress(body) if zipped else body

    async def send(writer: asyncio.StreamWriter) -> None:
        how = ("Content-Encoding: gzip\r\n" if zipped else "") + f"Content-Length: {len(body)}"
        writer.write(HEAD.format(200, "application/json", how).encode() + body)

    assert asyncio.run(asked(send, stream=False)).strip() == text.strip()
