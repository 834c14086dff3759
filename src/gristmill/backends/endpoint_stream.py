"""Answers of an endpoint while they come: server-sent events of `/chat/completions`.

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

from gristmill.backends.pool import Reader, Secret, read_whole
from gristmill.backends.retry import Fault, fault_in_reply
from gristmill.records import Response

LONGEST_LINE = 1 << 24
"""Bytes of one event; a server that sends more without an end of line sends no events."""
_THOUGHTS = ("reasoning_content", "reasoning")


class Pieces(Reader):
    """One call's pieces of text, without the key, and what they add up to."""

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._held = ""

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

    async def read(self, reply: aiohttp.ClientResponse) -> Any:
        """The reply as if it had come whole. Raises Fault."""
        if reply.content_type != "text/event-stream":
            whole = await read_whole(reply)
            self._give(_content(_first(whole).get("message")))
            self._flush()
            return whole
        message: dict[str, Any] = {"role": "assistant"}
        finish: Any = None
        usage: Any = None
        async for data in _events(reply.content):
            if data == b"[DONE]":
                break
            event = _decoded(data)
            usage = event.get("usage") or usage
            choice = _first(event)
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, dict):
                self._take(message, delta)
        else:
            # Without its last word an answer that has an end is still one.
            if finish is None:
                raise Fault("connection", "the stream ended before the answer did")
        self._flush()
        message.setdefault("content", None)
        return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}

    def _take(self, message: dict[str, Any], delta: dict[str, Any]) -> None:
        """Add what an event says to the message."""
        said = _content(delta)
        if said:
            message["content"] = message.get("content", "") + said
            self._give(said)
        for name in _THOUGHTS:
            thought = delta.get(name)
            if isinstance(thought, str) and thought:
                message[name] = message.get(name, "") + thought

    def _give(self, text: str) -> None:
        """Pass text on, but for an end that may be the beginning of the key."""
        text = self._key.redact(self._held + text)
        key = self._key.reveal()
        most = min(len(key) - 1, len(text))
        held = next((n for n in range(most, 0, -1) if key.startswith(text[-n:])), 0)
        self._held = text[len(text) - held :]
        self._put(text[: len(text) - held])

    def _flush(self) -> None:
        held, self._held = self._held, ""
        self._put(held)

    def _put(self, text: str) -> None:
        if text:
            self.begun = True
            self._queue.put_nowait(text)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The data of each event. Lines end as the server likes; comments and other fields are
    left out."""
    rest, data = b"", []
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
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
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        said = data[:60].decode("utf-8", "replace")
        raise Fault("bad_reply", f"an event of the stream is no JSON object: {said!r}")
    fault = fault_in_reply(event)
    if fault is not None:
        raise fault
    return event


def _first(event: Any) -> dict[str, Any]:
    """The first choice of a reply or event; empty where it has none, as the one with the usage."""
    choices = event.get("choices") if isinstance(event, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else {}


def _content(message: Any) -> str:
    """The text of a message or of a part of one: its content, or its refusal."""
    if isinstance(message, list):
        message = message[-1] if message else None
    if not isinstance(message, dict):
        return ""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    for said in (content, message.get("refusal")):
        if isinstance(said, str) and said:
            return said
    return ""
