"""Replies that are not strict JSON are read all the same, once."""

import asyncio
import json

import pytest
from aiohttp import web

from calls import prompt
from gristmill.backends import open_chat
from gristmill.backends.decoding import NotJson, decoded
from gristmill.errors import BackendError
from gristmill.records import Sampling

REPLY = json.dumps(
    {"choices": [{"message": {"content": "Grüße, TEXT"}, "finish_reason": "stop"}]},
    ensure_ascii=False,
)


@pytest.mark.parametrize(
    ("raw", "kind", "text"),
    [
        (REPLY.replace("TEXT", "\\ud83d").encode(), "application/json", "Grüße, \ufffd"),
        (REPLY.replace("TEXT", "\\ud83d\\ude00").encode(), "application/json", "Grüße, 😀"),
        (b"\xef\xbb\xbf" + REPLY.encode(), "application/json", "Grüße, TEXT"),
        (REPLY.encode("latin-1"), "application/json; charset=iso-8859-1", "Grüße, TEXT"),
        (REPLY.encode("utf-16"), "application/json; charset=utf-16", "Grüße, TEXT"),
        (REPLY.encode("latin-1"), "application/json; charset=odd", "Gr\ufffd\ufffde, TEXT"),
        (REPLY.replace('"stop"', '"stop", "logprobs": {"content": [{"logprob": -Infinity}, '
                       '{"logprob": NaN}]}').encode(), "application/json", "Grüße, TEXT"),
        (REPLY.replace("TEXT", "two\nlines").encode(), "application/json", "Grüße, two\nlines"),
    ],
)  # fmt: skip
def test_a_reply_that_would_come_again_as_it_is_is_read(raw, kind, text):
    asked = []

    async def main():
        async def answer(request: web.Request) -> web.Response:
            asked.append(await request.json())
            return web.Response(body=raw, headers={"Content-Type": kind})

        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            model = f"http://127.0.0.1:{runner.addresses[0][1]}/v1#m"
            async with open_chat(model, {"retries": 2}) as backend:
                return await backend.sample(prompt("hello"), 0, Sampling())
        except BackendError as error:
            return error
        finally:
            await runner.cleanup()

    response = asyncio.run(main())
    assert getattr(response, "text", response) == text
    assert len(asked) == 1


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"half": ', b"[" * 100_000, b"\xff\xfe", b"nul"])
def test_what_is_no_json_stays_none(raw):
    with pytest.raises(NotJson):
        decoded(raw)
