"""How an answer goes out, whole or in pieces, and what happens when nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gristmill.serve.refusal import Gone, Refused, stopping

T = TypeVar("T")

DONE = b"data: [DONE]\n\n"


def json_reply(value: Any, status: int = 200) -> Response:
    """A value as the whole reply."""
    return Response(orjson.dumps(value), status, media_type="application/json")


def refusal(refused: Refused) -> Response:
    """What is answered to a request that is refused."""
    headers = refused.headers
    return Response(refused.raw, refused.status, headers, media_type="application/json")


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all, in order. Where one fails, or nobody waits, the others are given up."""
    tasks = [asyncio.ensure_future(one) for one in work]
    if len(tasks) == 1:
        # Cancelled with its caller, and needs no gathering.
        return [await tasks[0]]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class Ends:
    """When the server's time is up: what still runs then is given up with a word."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.cut = asyncio.Event()
        """over: no new request is taken. cut: those under way are given up."""


async def while_wanted(work: Coroutine[Any, Any, T], receive: Receive, ends: Ends) -> T:
    """The result of `work`, as long as somebody waits for it.

    Raises Gone where the client has hung up, and Refused where the server's time is up.
    """
    task = asyncio.ensure_future(work)
    watching = [asyncio.ensure_future(_hung_up(receive)), asyncio.ensure_future(ends.cut.wait())]
    try:
        await asyncio.wait([task, *watching], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone if watching[0].done() else stopping()
    finally:
        # Whoever comes to an end first, nobody is left behind.
        await _give_up([task, *watching])


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _give_up(tasks: Iterable[asyncio.Future[Any]]) -> None:
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)


class Events(Response):
    """Server-sent events, the first of which is already there.

    An error after it is an event of its own, and `[DONE]` ends every stream. ended: called once,
    with whether the client took all of it.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes],
        ends: Ends,
        failed: Callable[[BaseException], Refused],
        ended: Callable[[bool], None],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first, self._rest = first, rest
        self._ends, self._failed, self._ended = ends, failed, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = False
        try:
            with suppress(Gone):
                await while_wanted(self._send(send), receive, self._ends)
                whole = True
        except Refused as refused:
            await self._last(send, refused)
        finally:
            await self._rest.aclose()
            self._ended(whole)

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        try:
            async with aclosing(self._rest) as rest:
                async for part in rest:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except Exception as error:
            await self._last(send, self._failed(error))
            return
        await send({"type": "http.response.body", "body": DONE, "more_body": False})

    async def _last(self, send: Send, refused: Refused) -> None:
        said = event(refused.body) + DONE
        await send({"type": "http.response.body", "body": said, "more_body": False})
