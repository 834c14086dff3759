"""`gristmill serve` beside the same models in this process, and beside `transformers serve`.

    python benchmarks/serve.py [--in-flight 64] [--calls 512] [--rounds 3] [--no-transformers]
    python benchmarks/serve.py --streams 64 --seconds 60

The first prints calls a second of `tiny:instruct` (chat, 64 new tokens at most) and `tiny:reward`,
so many in flight: in this process, over HTTP through the endpoint backend, and, for chat, of
`transformers serve` (extra `transformers[serving]`) with the same client. Rounds alternate, the
median of each is taken. Server and client share the machine.

The second holds so many streams open for so long, hangs up on about a third of them at random, and
prints what memory the server took meanwhile, and whether every other stream came to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aiohttp

from gristmill.backends import open_chat, open_reward
from gristmill.nemotron.tiny import tiny_path
from gristmill.records import Message, Prompt, Sampling
from local import make_prompts

HOW = Sampling(temperature=0.8, max_tokens=64)


@contextmanager
def started(command: Sequence[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server, once it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=5):
                    break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{' '.join(command[:4])}: ended") from None
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)


async def closed(calls: Sequence[Callable[[], Awaitable[Any]]], in_flight: int) -> float:
    """Calls a second, so many at a time."""
    gate = asyncio.Semaphore(in_flight)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with gate:
            await call()

    begin = time.perf_counter()
    await asyncio.gather(*map(one, calls))
    return len(calls) / (time.perf_counter() - begin)


async def chat(model: str, prompts: Sequence[Prompt], args: argparse.Namespace) -> float:
    """Answers a second."""
    body = {"seed": None} if "transformers" in model else {}
    name = model.removeprefix("transformers:")
    async with open_chat(name, {"concurrency": args.in_flight, "body": body}) as backend:
        await backend.sample(prompts[0], 1, Sampling(max_tokens=4))
        calls = [lambda p=p: backend.sample(p, 0, HOW) for p in prompts]
        return await closed(calls, args.in_flight)


async def grade(model: str, prompts: Sequence[Prompt], args: argparse.Namespace) -> float:
    """Grades a second."""
    answer = Message("assistant", "The sum is 86. The answer is 86.")
    async with open_reward(model, {"concurrency": args.in_flight}) as backend:
        await backend.score((*prompts[0].messages, answer))
        calls = [lambda p=p: backend.score((*p.messages, answer)) for p in prompts]
        return await closed(calls, args.in_flight)


def throughput(args: argparse.Namespace) -> None:
    """The first benchmark."""
    prompts = make_prompts(args.calls)
    ours, theirs = f"http://127.0.0.1:{args.port}", f"http://127.0.0.1:{args.port + 1}"
    place = str(tiny_path("instruct"))
    kinds = {
        "chat, in this process": lambda: chat("tiny:instruct", prompts, args),
        "chat, gristmill serve": lambda: chat(f"{ours}/v1#tiny:instruct", prompts, args),
        "grades, in this process": lambda: grade("tiny:reward", prompts * 4, args),
        "grades, gristmill serve": lambda: grade(f"{ours}/v1#tiny:reward", prompts * 4, args),
    }
    command = [sys.executable, "-m", "gristmill.cli", "serve", "tiny:instruct", "tiny:reward"]
    peer = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve"]
    found: dict[str, list[float]] = {name: [] for name in kinds}
    with started([*command, "--port", str(args.port)], ours):
        for _ in range(args.rounds):
            for name, measure in kinds.items():
                found[name].append(asyncio.run(measure()))
    if not args.no_transformers:
        # By itself: a second server beside it would slow the first.
        name = "chat, transformers serve"
        found[name] = []
        few = prompts[: max(args.in_flight, args.calls // 4)]
        with started([*peer, place, "--port", str(args.port + 1)], theirs):
            for _ in range(args.rounds):
                found[name].append(
                    asyncio.run(chat(f"transformers:{theirs}/v1#{place}", few, args))
                )
    for name, values in found.items():
        low, high = min(values), max(values)
        print(f"{name:26} {statistics.median(values):8.1f} a second ({low:.1f} to {high:.1f})")

    def ratio(a: str, b: str) -> str:
        rounds = [x / y for x, y in zip(found[a], found[b], strict=True)]
        low, high = min(rounds), max(rounds)
        return f"{a} / {b}: {statistics.median(rounds):.2f} ({low:.2f} to {high:.2f})"

    print(ratio("chat, gristmill serve", "chat, in this process"))
    print(ratio("grades, gristmill serve", "grades, in this process"))
    if not args.no_transformers:
        print(ratio("chat, gristmill serve", "chat, transformers serve"))


def memory(pid: int) -> float:
    """MiB that a process holds."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123
        found = re.search(r"VmRSS:\s+(\d+) kB", file.read())
    return int(found[1]) / 1024 if found else 0.0


async def streams(url: str, pid: int, args: argparse.Namespace) -> None:
    """The second benchmark."""
    dice = random.Random(1)
    counts = {"whole": 0, "hung up": 0, "cut": 0, "refused": 0}
    end = time.monotonic() + args.seconds

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        while time.monotonic() < end:
            said = f"What is {dice.randrange(100)} plus {dice.randrange(100)}?"
            body = {
                "model": "tiny:instruct",
                "messages": [{"role": "user", "content": said}],
                "stream": True,
                "n": dice.choice((1, 1, 2)),
                "max_tokens": dice.randrange(4, 200),
                "logprobs": number % 4 == 0,
                "stop": ["answer is"] if number % 5 == 0 else None,
            }
            patience = dice.randrange(600, 4000) if dice.random() < 0.33 else None
            async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
                if reply.status != 200:
                    counts["refused"] += 1
                    continue
                last = b""
                size = 0
                async for block in reply.content.iter_any():
                    last, size = (last + block)[-20:], size + len(block)
                    if patience is not None and size > patience:
                        reply.close()
                        break
                else:
                    counts["whole" if last.endswith(b"data: [DONE]\n\n") else "cut"] += 1
                    continue
                counts["hung up"] += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        asking = [asyncio.create_task(one(session, i)) for i in range(args.streams)]
        taken: list[float] = []
        while time.monotonic() < end:
            await asyncio.sleep(args.seconds / 12)
            taken.append(memory(pid))
        await asyncio.gather(*asking)
        # Who hung up last is seen at the next step; and what is free is given back.
        await asyncio.sleep(args.idle)
        rested = memory(pid)
        async with session.get(f"{url}/metrics") as reply:
            figures = await reply.text()
    places = re.search(r'gristmill_places_taken\{model="tiny:instruct"\} (\S+)', figures)
    print("streams:", ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    print("MiB of the server, over time:", " ".join(f"{m:.0f}" for m in taken))
    print(f"MiB {args.idle:.0f} s after the last: {rested:.0f}")
    print("places still taken:", places[1] if places else "?")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--calls", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8190)
    parser.add_argument("--no-transformers", action="store_true")
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--idle", type=float, default=12)
    args = parser.parse_args()
    if not args.streams:
        throughput(args)
        return
    url = f"http://127.0.0.1:{args.port}"
    command = [sys.executable, "-m", "gristmill.cli", "serve", "tiny:instruct"]
    with started([*command, "--port", str(args.port)], url) as process:
        asyncio.run(streams(url, process.pid, args))


if __name__ == "__main__":
    main()
