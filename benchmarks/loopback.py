"""A fast OpenAI-compatible server on the loopback interface, to measure clients against.

    python benchmarks/loopback.py --port 0 --latency mix

prints its port and serves until it is killed. It answers `POST */chat/completions` with the
model `reward` as the five-attribute reward model does, with `writer` as a model that writes the
numbered list, or the one text, that a recipe asks for, and with any other model as a chat model.
Answers depend on the request alone. `GET /stats` tells what it has seen, `GET /asked` how often
it was asked each last message: what a client asked twice.

It speaks just enough HTTP/1.1 (keep-alive, Content-Length) to cost less than any client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import zlib
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import orjson

WORDS = ("mill", "grain", "stone", "flour", "sack", "wheel", "water", "farmer", "barn", "grind")
LATENCIES: dict[str, Callable[[int], float]] = {
    "0": lambda _: 0.0,
    "200ms": lambda _: 0.2,
    "mix": lambda count: 2.0 if count % 20 == 19 else 0.1,
    "tail": lambda count: 4.0 if count % 100 == 99 else 0.2,
}
"""Name -> seconds that the count-th request takes."""


class Stats:
    """Counts over all connections."""

    def __init__(self) -> None:
        self.requests = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.asked: Counter[str] = Counter()


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, latency: Callable[[int], float], stats: Stats) -> None:
        self._latency = latency
        self._stats = stats
        self._buffer = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while self._buffer:
            head_end = self._buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = self._buffer[:head_end]
            end = head_end + 4 + _content_length(head)
            if len(self._buffer) < end:
                return
            body = self._buffer[head_end + 4 : end]
            self._buffer = self._buffer[end:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        stats = self._stats
        if head.startswith(b"GET /stats"):
            seen = {"requests": stats.requests, "max_in_flight": stats.max_in_flight}
            self._transport.write(_http(orjson.dumps(seen)))
            return
        if head.startswith(b"GET /asked"):
            self._transport.write(_http(orjson.dumps(stats.asked)))
            return
        request = orjson.loads(body)
        stats.asked.update(_text(message["content"]) for message in request["messages"][-1:])
        stats.requests += 1
        stats.in_flight += 1
        stats.max_in_flight = max(stats.max_in_flight, stats.in_flight)
        seconds = self._latency(stats.requests - 1)
        reply = _http(_reply(request, body))
        if seconds:
            self._loop.call_later(seconds, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: bytes) -> None:
        self._stats.in_flight -= 1
        if not self._transport.is_closing():
            self._transport.write(reply)


def _content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    end = lower.find(b"\r\n", at + 2)
    return int(lower[at + 17 : end if end > 0 else None])


def _text(content: str | list[dict[str, str]]) -> str:
    """A message's text, which some clients send in parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _http(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    ) % (len(body), body)


def _reply(request: dict[str, Any], body: bytes) -> bytes:
    digest = zlib.crc32(body)
    if request["model"] == "reward":
        return orjson.dumps(_reward(digest))
    length = 20 + digest % 40
    if request["model"] == "writer":
        text = _written(request["messages"][-1]["content"], digest)
    else:
        text = " ".join(WORDS[(digest >> (i % 24)) % len(WORDS)] for i in range(length))
    return orjson.dumps(
        {
            "id": f"chat-{digest}",
            "object": "chat.completion",
            "created": 1718323200,
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": len(body) // 4,
                "completion_tokens": length,
                "total_tokens": len(body) // 4 + length,
            },
        }
    )


def _written(asked: str, digest: int) -> str:
    """As many numbered items as the request has for its first number, each of words of its own."""
    count = next((int(word) for word in asked.split() if word.isdecimal()), 1)
    random = Random(digest)
    texts = [
        " ".join("".join(random.choices("bdeiklmnoprstu", k=6)) for _ in range(8))
        for _ in range(count)
    ]
    if "numbered list" not in asked:
        return texts[0]
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))


def _reward(digest: int) -> dict[str, object]:
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    grades = [((digest >> (6 * i)) & 63) / 16 for i in range(5)]
    content = ",".join(f"{name}:{grade}" for name, grade in zip(names, grades, strict=True))
    return {
        "id": None,
        "created": None,
        "model": None,
        "choices": [
            {
                "index": 0,
                "message": [{"role": "assistant", "content": content}],
                "logprobs": None,
                "finish_reason": "length",
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101},
    }


async def serve(port: int, latency: str) -> None:
    """Serve until cancelled; prints the port once it listens."""
    stats = Stats()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(LATENCIES[latency], stats), "127.0.0.1", port, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--latency", choices=list(LATENCIES), default="0")
    args = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(args.port, args.latency))


if __name__ == "__main__":
    main()
