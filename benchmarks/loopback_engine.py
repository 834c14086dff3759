"""A loopback server that has an engine's limits: so many requests at once, and a prefix cache.

    python benchmarks/loopback_engine.py --port 0 --slots 16 --seconds 0.1 --prefill 0.02

A request takes `--seconds`, and `--prefill` more for each 256 bytes of its messages that the
server has not read lately; what comes beyond `--slots` waits. It answers as `loopback.py` does,
and `GET /v1/models` and `/health`, too. `GET /stats` also tells how many blocks were read before.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import blake2b

import orjson

from loopback import Server, Stats, _http, _reply

BLOCK = 256


class Engine(Stats):
    """What all connections share. remembered: blocks that the cache holds."""

    def __init__(self, slots: int, seconds: float, prefill: float, remembered: int) -> None:
        super().__init__()
        self.slots = slots
        self.seconds = seconds
        self.prefill = prefill
        self.remembered = remembered
        self.busy = 0
        self.hits = self.misses = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def enter(self, begin: Callable[[], None]) -> None:
        """Call `begin` in a slot, now or when one is free."""
        if self.busy < self.slots:
            self.busy += 1
            begin()
        else:
            self._waiting.append(begin)

    def leave(self) -> None:
        if self._waiting:
            self._waiting.popleft()()
        else:
            self.busy -= 1

    def takes(self, body: bytes) -> float:
        """Seconds of a request; its blocks are in the cache then."""
        return self.seconds + self.prefill * self._read(body) if self.prefill else self.seconds

    def _read(self, body: bytes) -> int:
        """Blocks that had to be computed. Each is known by all that comes before it, too."""
        said = orjson.dumps(orjson.loads(body)["messages"])
        digest, new = blake2b(digest_size=12), 0
        for start in range(0, len(said), BLOCK):
            digest.update(said[start : start + BLOCK])
            block = digest.digest()
            if block in self._blocks:
                self._blocks.move_to_end(block)
                self.hits += 1
                continue
            new += 1
            self._blocks[block] = None
        while len(self._blocks) > self.remembered:
            self._blocks.popitem(last=False)
        self.misses += new
        return new


class EngineServer(Server):
    """One connection to an engine."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(lambda _: 0.0, engine)
        self._engine = engine

    def _answer(self, head: bytes, body: bytes) -> None:
        engine = self._engine
        if head.startswith(b"GET"):
            seen = {"requests": engine.requests, "hits": engine.hits, "misses": engine.misses}
            self._transport.write(_http(orjson.dumps({"data": [], **seen})))
            return
        engine.requests += 1
        engine.in_flight += 1
        engine.max_in_flight = max(engine.max_in_flight, engine.in_flight)

        def begin() -> None:
            self._loop.call_later(engine.takes(body), end)

        def end() -> None:
            self._send(_http(_reply(orjson.loads(body), body)))
            engine.leave()

        engine.enter(begin)


async def serve(port: int, engine: Engine) -> None:
    """Serve until cancelled; prints the port once it listens."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: EngineServer(engine), "127.0.0.1", port, backlog=2048, reuse_address=True
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--prefill", type=float, default=0.0)
    parser.add_argument("--remembered", type=int, default=4096, help="blocks in the cache")
    args = parser.parse_args()
    engine = Engine(args.slots, args.seconds, args.prefill, args.remembered)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(args.port, engine))


if __name__ == "__main__":
    main()
