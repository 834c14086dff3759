"""A real HTTP server on the loopback interface that misbehaves as told.

    with FaultyServer(limit=16, faults=("reset", "html"), forms=FORMS) as server:
        backend = open_chat(server.chat)
        ...
    assert server.requests == backend.traffic.requests

It runs in a thread of its own. What it answers depends on messages and seed alone, and which
request meets which fault depends on the request alone, so runs can be compared: a request that
meets a fault meets it on its first `repeat` attempts and is then answered.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Self

from aiohttp import web

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
FAULTS = (
    "reset",  # the connection is cut before a reply
    "half",  # ... in the middle of the body
    "html",  # 200 with a web page
    "broken",  # 200 with half a JSON document
    "empty",  # 200 with an empty choice list
    "null",  # 200 with no content in the message
    "error",  # 200 with an error object
    "stall",  # a reply after `stall` seconds
    "408",
    "409",
    "500",
    "502",
    "503",
    "429",
)
FORMS = (
    "content",  # message a dict, grades as text
    "list",  # message a list of one, null id, created and model
    "logprobs",  # grades as tokens, content null
    "both",
    "nine",  # NeMo's nine attributes as text
)
"""The forms of a five-attribute grade; `reward` and `reward_token` hold a scalar."""


class FaultyServer:
    """See the module.

    limit: requests in flight above which it answers 429. latency: seconds of each reply.
    faults: met by the share `share` of requests, on their first `repeat` attempts.
    stall: seconds that the fault `stall` takes. forms: of grades, by request.
    retry_after: that header on every 429 and 503. status: answer all with this (and `error`).
    health: the status of /health. checks: how often somebody asked for it. tls: makes it https.
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        latency: float = 0.0,
        faults: Sequence[str] = (),
        share: float = 0.5,
        repeat: int = 1,
        stall: float = 5.0,
        forms: Sequence[str] = ("content",),
        retry_after: str | None = None,
        status: int | None = None,
        error: str = "told to fail",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limit = limit
        self.latency = latency
        self.faults = tuple(faults)
        self.share = share
        self.repeat = repeat
        self.stall = stall
        self.forms = tuple(forms)
        self.retry_after = retry_after
        self.status = status
        self.error = error
        self.tls = tls
        self.port = 0  # a free one; a server entered again keeps its port
        self.requests = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.statuses: Counter[int] = Counter()
        self.met: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.health = 200
        self.checks = 0
        self.models = ["chat", "reward"]
        self._attempts: Counter[str] = Counter()

    @property
    def chat(self) -> str:
        """The model string of its chat model."""
        return f"{self.url}#chat"

    @property
    def reward(self) -> str:
        """The model string of its reward model."""
        return f"{self.url}#reward"

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=2**26)
        self._route(app.router)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        how = {"backlog": 1024, "reuse_address": True, "ssl_context": self.tls}
        site = web.TCPSite(runner, "127.0.0.1", self.port, **how)
        await site.start()
        self.port = port = runner.addresses[0][1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{port}/v1"
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def _route(self, router: web.UrlDispatcher) -> None:
        """What it answers to."""
        router.add_post("/v1/chat/completions", self._completions)
        router.add_post("/classify", self._classify)
        router.add_post("/pooling", self._pooling)
        router.add_get("/v1/models", self._listed)
        router.add_get("/health", self._healthy)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._guarded(request, self._completion)

    async def _classify(self, request: web.Request) -> web.StreamResponse:
        return await self._guarded(request, lambda body: {"data": [{"probs": grade(body)}]})

    async def _pooling(self, request: web.Request) -> web.StreamResponse:
        def rows(body: dict[str, Any]) -> dict[str, Any]:
            return {"data": [{"data": [[9.0] * 5, grade(body)]}], "usage": {"total_tokens": 7}}

        return await self._guarded(request, rows)

    async def _listed(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": name} for name in self.models]})

    async def _healthy(self, _: web.Request) -> web.Response:
        self.checks += 1
        return web.Response(status=self.health)

    async def _guarded(self, request: web.Request, answer: Any) -> web.StreamResponse:
        self.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.times.append(time.monotonic())
        self.headers.append(dict(request.headers))
        try:
            reply = await self._reply(request, answer)
        finally:
            self.in_flight -= 1
        self.statuses[reply.status] += 1
        return reply

    async def _reply(self, request: web.Request, answer: Any) -> web.StreamResponse:
        over = self.limit is not None and self.in_flight > self.limit
        raw = await request.read()
        if over:
            return self._refusal(429)
        body = json.loads(raw)
        self.bodies.append(body)
        if self.status is not None:
            message = (
                self.error.replace("{authorization}", request.headers["Authorization"])
                if "{authorization}" in self.error
                else self.error
            )
            return web.json_response(
                {"error": {"message": message}},
                status=self.status,
                headers={"Retry-After": self.retry_after} if self.retry_after else None,
            )
        fault = self._fault(raw)
        if fault:
            self.met[fault] += 1
            spoiled = await self._spoil(fault, request)
            if spoiled is not None:
                return spoiled
        if self.latency:
            await asyncio.sleep(self.latency)
        return web.json_response(answer(body))

    def _refusal(self, status: int) -> web.Response:
        headers = {"Retry-After": self.retry_after} if self.retry_after else None
        error = {"error": {"message": "too many requests"}}
        return web.json_response(error, status=status, headers=headers)

    def _fault(self, raw: bytes) -> str | None:
        if not self.faults:
            return None
        number = int.from_bytes(blake2b(raw, digest_size=6).digest(), "big")
        key = f"{number}"
        if number % 1000 >= self.share * 1000 or self._attempts[key] >= self.repeat:
            return None
        self._attempts[key] += 1
        return self.faults[number // 1000 % len(self.faults)]

    async def _spoil(self, fault: str, request: web.Request) -> web.StreamResponse | None:
        if fault.isdigit():
            return self._refusal(int(fault))
        if fault == "stall":
            await asyncio.sleep(self.stall)
            return None
        if fault in ("reset", "half"):
            reply = web.StreamResponse(headers={"Content-Length": "1000"})
            if fault == "half":
                await reply.prepare(request)
                await reply.write(b'{"choices": [{"message"')
            if request.transport is not None:
                request.transport.abort()
            return reply
        if fault == "html":
            return web.Response(text="<html><body>Gateway</body></html>", content_type="text/html")
        if fault == "broken":
            return web.Response(body=b'{"choices": [', content_type="application/json")
        if fault == "error":
            return web.json_response({"error": {"message": "upstream is away", "code": 502}})
        message = {"role": "assistant", "content": None}
        return web.json_response({"choices": [] if fault == "empty" else [{"message": message}]})

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["model"] == "reward":
            return graded(body, self.forms)
        return {
            "id": "x",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text_for(body)},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16},
        }


def text_for(body: dict[str, Any]) -> str:
    """What the chat model says: a function of the last message and the seed."""
    return f"{body['messages'][-1]['content']} / {body.get('seed')}"


def grade(body: dict[str, Any]) -> list[float]:
    """The five attributes of a conversation, 0 to 4 in steps of 1/16."""
    key = json.dumps(body["messages"], sort_keys=True).encode()
    return [byte % 65 / 16 for byte in blake2b(key, digest_size=5).digest()]


def graded(body: dict[str, Any], forms: Sequence[str]) -> dict[str, Any]:
    """A reward model's reply in one of the forms, by the conversation."""
    values = grade(body)
    form = forms[int(values[0] * 16 + values[1] * 16) % len(forms)]
    pairs = list(zip(ATTRIBUTES, values, strict=True))
    if form == "nine":
        others = ("quality", "toxicity", "humor", "creativity")
        pairs = [(name, 1.5) for name in others] + pairs
    if form in ("reward", "reward_token"):
        pairs = [("reward", -sum(values))]
    content = ",".join(f"{name}:{value}" for name, value in pairs)
    message: Any = {"role": "assistant", "content": content}
    tokens = None
    if form in ("logprobs", "both", "reward_token"):
        tokens = {"content": [{"token": n, "logprob": v, "top_logprobs": []} for n, v in pairs]}
    if form in ("logprobs", "reward_token"):
        message["content"] = None
    reply: dict[str, Any] = {
        "choices": [
            {"index": 0, "message": message, "logprobs": tokens, "finish_reason": "length"}
        ],
        "usage": {"completion_tokens": 1, "prompt_tokens": 78, "total_tokens": 79},
    }
    if form == "list":
        reply["choices"][0]["message"] = [message]
        reply |= {"id": None, "created": None, "model": None}
    return reply


if __name__ == "__main__":  # a server with every fault, until Enter is pressed
    with FaultyServer(limit=16, faults=FAULTS, forms=FORMS) as _server:
        input(f"{_server.url}\n")
