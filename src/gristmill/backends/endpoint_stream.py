"""Answers of an endpoint while they come: server-sent events of `/chat/completions`.

data: {"choices": [{"delta": {"reasoning_content": "They ask"}, "finish_reason": null}]}
data: {"choices": [{"delta": {"content": "A mill"}, "finish_reason": null}]}
data: {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {...}}
data: [DONE]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any

import aiohttp
import orjson

from gristmill.backends.decoding import NotJson, lenient
from gristmill.backends.deltas import Deltas, Shown
from gristmill.backends.fault import Fault, fault_in_reply
from gristmill.backends.reply import Reader, read_whole, too_large
from gristmill.backends.secret import Secret
from gristmill.foreign import read_json
from gristmill.records import Response

LONGEST_LINE = 1 << 24
"""Bytes of one event; a server that sends more without an end of line sends no events."""


class Pieces(Reader):
    """One call's pieces of text, as they may be shown, and what they add up to."""

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    async def until(self, call: Coroutine[Any, Any, Response]) -> AsyncGenerator[str | Response]:
        """The pieces as they come while `call` reads with this reader, then what it returns."""
        task = asyncio.ensure_future(call)
        try:
            while True:
                piece = asyncio.ensure_future(self._queue.get())
                try:
                    await asyncio.wait((piece, task), return_when=asyncio.FIRST_COMPLETED)
                    if not piece.done():
                        break
                    yield piece.result()
                finally:
                    piece.cancel()
            response = task.result()
            while not self._queue.empty():
                yield self._queue.get_nowait()
            yield response
        finally:
            # Whoever reads no further wants no more of it from the server.
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def read(self, reply: aiohttp.ClientResponse, most: int) -> Any:
        """See Reader."""
        shown, deltas = Shown(self._key), Deltas()
        if reply.content_type != "text/event-stream":
            whole = await read_whole(reply, most)
            message = _first(whole).get("message")
            message = message[-1] if isinstance(message, list) and message else message
            if isinstance(message, dict):
                self._put(shown.more(deltas.add(message)))
            self._put(shown.rest())
            return whole
        finish: Any = None
        usage: Any = None
        async for data in _events(reply.content, most):
            if data == b"[DONE]":
                break
            event = _decoded(data)
            usage = event.get("usage") or usage
            choice = _first(event)
            if fault := fault_in_reply(choice):
                raise fault
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, dict):
                self._put(shown.more(deltas.add(delta)))
        else:
            # Without its last word an answer that has an end is still one.
            if finish in (None, "null"):
                raise Fault("connection", "the stream ended before the answer did")
        self._put(shown.rest())
        choice = {"message": deltas.message(), "finish_reason": finish}
        return {"choices": [choice], "usage": usage}

    def _put(self, text: str) -> None:
        if text:
            self.begun = True
            self._queue.put_nowait(text)


async def _events(content: aiohttp.StreamReader, most: int) -> AsyncIterator[bytes]:
    """The data of each event. Lines end as the server likes; comments and other fields are
    left out. Raises Fault for more than `most` bytes."""
    rest, data = b"", []
    begun, size = False, 0
    async for chunk in content.iter_any():
        size += len(chunk)
        if size > most:
            raise too_large(most)
        *lines, rest = (rest + chunk).split(b"\n")
        if lines and not begun:
            lines[0], begun = lines[0].removeprefix(b"\xef\xbb\xbf"), True
        if len(rest) > LONGEST_LINE:
            raise Fault("bad_reply", "an event of the stream has no end")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif not line and data:
                yield b"\n".join(data)
                data = []
    if rest.startswith(b"data:"):
        data.append(rest[5:].strip())
    if data:
        yield b"\n".join(data)


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        event = read_json(data)
    except orjson.JSONDecodeError:
        try:
            event = lenient(data)
        except NotJson:
            event = None
    if not isinstance(event, dict):
        said = data[:60].decode("utf-8", "replace")
        raise Fault("bad_reply", f"an event of the stream is no JSON object: {said!r}")
    fault = fault_in_reply(event)
    if fault is not None:
        raise fault
    return event


def _first(event: Any) -> dict[str, Any]:
    """What a reply or event has of the first choice; empty where that is nothing, as in the event
    with the usage, or where it tells of another."""
    choices = event.get("choices") if isinstance(event, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) and not choice.get("index") else {}
