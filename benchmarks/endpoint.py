"""The whole mill against an OpenAI-compatible server, beside the least that a client can do.

For each latency and each number in flight it starts a loopback server in its own process, then
makes the same calls twice, in turn and several times over: with a bare aiohttp loop (`bare.py`,
which keeps nothing), and with the whole mill: read prompts, generate, grade, checkpoint, filter,
write Parquet. The figure is the median of the pairs' ratios. The bare loop runs on asyncio's own
event loop, as a script would; `--uvloop` gives it the faster one that the mill uses.

    python benchmarks/endpoint.py
    python benchmarks/endpoint.py --latency 0 --in-flight 64 --pairs 5 --json out.json
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bare import bare
from gristmill.backends import loop
from gristmill.mill import Config, run

SECONDS = {"0": 6.0, "200ms": 20.0, "mix": 60.0}
"""About how long one side of a pair should take: the slow latencies need many rounds, or what is
left at the end, when fewer requests than allowed are in flight, weighs too much."""

CALLS_PER_SECOND = {"0": lambda _: 3000, "200ms": lambda n: n / 0.2, "mix": lambda n: n / 0.195}
RESPONSES = 4
QUESTION = "How many grains fit into {} sacks?"


@contextlib.contextmanager
def server(latency: str) -> Iterator[str]:
    """A loopback server in its own process; gives its base URL."""
    script = Path(__file__).with_name("loopback.py")
    command = [sys.executable, str(script), "--port", "0", "--latency", latency]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait()


def requests(prompts: int) -> Iterator[dict[str, Any]]:
    """What the mill asks: RESPONSES answers to each prompt, and a grade for each answer."""
    for number in range(prompts):
        asked = {"role": "user", "content": QUESTION.format(number)}
        answer = {"role": "assistant", "content": "Grain by grain the mill turns " * 3}
        for index in range(RESPONSES):
            yield {
                "model": "chat",
                "messages": [asked],
                "temperature": 0.8,
                "top_p": 1.0,
                "max_tokens": 256,
                "seed": number * RESPONSES + index,
            }
            yield {"model": "reward", "messages": [asked, answer]}


def whole_mill(url: str, prompts: int, in_flight: int) -> float:
    """Seconds of a run from its config to its last Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.jsonl"
        lines = (json.dumps({"prompt": QUESTION.format(n)}) for n in range(prompts))
        file.write_text("\n".join(lines) + "\n")
        start = time.perf_counter()
        config = Config.of(
            {
                "name": "benchmark",
                "prompts": {"file": str(file)},
                "generate": {
                    "model": f"{url}#chat",
                    "responses": RESPONSES,
                    "max_tokens": 256,
                    "concurrency": in_flight,
                },
                "judges": [{"reward": {"model": f"{url}#reward", "concurrency": in_flight}}],
                "keep": [{"threshold": {"correctness": 2.0}}, {"dedup": {}}],
            }
        )
        outcome = run(config, Path(folder) / "out")
        seconds = time.perf_counter() - start
    assert outcome.metrics["responses"]["scored"] == prompts * RESPONSES, outcome.metrics
    return seconds


def measure(latency: str, in_flight: int, pairs: int, uvloop: bool) -> dict[str, Any]:
    """`pairs` times bare and mill in turn; the ratio is the mill's calls/s over the bare loop's."""
    calls = int(SECONDS[latency] * CALLS_PER_SECOND[latency](in_flight))
    prompts = calls // (2 * RESPONSES)
    calls = prompts * 2 * RESPONSES
    bare_rates, mill_rates = [], []
    with server(latency) as url:
        whole_mill(url, 100, in_flight)  # imports and caches, not counted
        for _ in range(pairs):
            start_bare = loop.run if uvloop else asyncio.run
            bare_rates.append(calls / start_bare(bare(url, requests(prompts), in_flight)))
            mill_rates.append(calls / whole_mill(url, prompts, in_flight))
    ratios = [m / b for m, b in zip(mill_rates, bare_rates, strict=True)]
    return {
        "latency": latency,
        "in_flight": in_flight,
        "calls": calls,
        "bare_calls_per_s": statistics.median(bare_rates),
        "mill_calls_per_s": statistics.median(mill_rates),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latency", nargs="+", choices=list(SECONDS), default=list(SECONDS))
    parser.add_argument("--in-flight", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--uvloop", action="store_true", help="for the bare loop too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    print("latency  in flight    calls  bare calls/s  mill calls/s  mill/bare  (min to max)")
    results = []
    for latency in args.latency:
        for in_flight in args.in_flight:
            r = measure(latency, in_flight, args.pairs, args.uvloop)
            results.append(r)
            print(
                f"{latency:>7}  {in_flight:>9}  {r['calls']:>7,}  {r['bare_calls_per_s']:>12,.0f}"
                f"  {r['mill_calls_per_s']:>12,.0f}  {r['ratio']:>9.0%}"
                f"  ({r['ratio_min']:.0%} to {r['ratio_max']:.0%})",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
