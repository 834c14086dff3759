"""The least that a Python client can do: an aiohttp session, orjson and N workers, nothing else.

What gristmill's benchmarks compare themselves with. No retries, no limits, no checks: each
worker takes the next call, posts it, reads and decodes the reply.

    python benchmarks/bare.py http://127.0.0.1:PORT/v1 --calls 5000 --in-flight 64
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Any

import aiohttp
import orjson


async def bare(url: str, requests: Iterable[dict[str, Any]], in_flight: int) -> float:
    """POST every request to `url`/chat/completions; returns the seconds it took."""
    pending: Iterator[dict[str, Any]] = iter(requests)
    target = f"{url}/chat/completions"
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def worker() -> None:
            # The workers share one iterator: each takes the next request there is.
            for request in pending:
                async with session.post(target, data=orjson.dumps(request)) as reply:
                    orjson.loads(await reply.read())["choices"][0]["message"]

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return time.perf_counter() - start


def chat_requests(count: int) -> Iterator[dict[str, Any]]:
    """`count` different chat requests of ordinary size."""
    for number in range(count):
        yield {
            "model": "chat",
            "messages": [{"role": "user", "content": f"How many grains fit into {number} sacks?"}],
            "temperature": 0.8,
            "top_p": 1.0,
            "max_tokens": 256,
            "seed": number,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=64)
    args = parser.parse_args()
    cpu = time.process_time()
    seconds = asyncio.run(bare(args.url, chat_requests(args.calls), args.in_flight))
    cpu = time.process_time() - cpu
    print(
        f"{args.calls / seconds:,.0f} calls/s, {cpu / args.calls * 1e6:.0f} us of CPU a call, "
        f"{args.in_flight} in flight"
    )


if __name__ == "__main__":
    main()
