"""A recipe of four stages against a server that takes 200 ms, beside what is possible at best.

At best, so many calls in flight are always so many: calls / concurrency x latency. What is lost is
the way to the first question (topics, subtopics and questions must come one after the other), the
last calls, when fewer are left than may be in flight, and what the recipe itself costs.

    python benchmarks/recipes.py
    python benchmarks/recipes.py --count 2000 --in-flight 64 --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from endpoint import server
from gristmill.mill.write_prompts import write_prompts

LATENCY = 0.2


def once(url: str, count: int, in_flight: int, seed: int) -> tuple[int, float, float]:
    """Calls, seconds at best, and seconds of writing so many prompts into an empty folder."""
    options = {
        "count": count,
        "model": f"{url}#writer",
        "concurrency": in_flight,
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "prompts.jsonl"
        start = time.perf_counter()
        writing = write_prompts("open_qa", out, quiet=True, **options)
        seconds = time.perf_counter() - start
        assert writing.delivered == count, writing.short
        start = time.perf_counter()
        again = write_prompts("open_qa", out, quiet=True, **options)
        print(f"  the same again, from the log: {time.perf_counter() - start:.2f} s", flush=True)
        assert again.calls == writing.calls
    return writing.calls, writing.calls / in_flight * LATENCY, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=4000, help="prompts to write")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    shares = []
    with server("200ms") as url:
        for seed in range(args.rounds):
            calls, best, seconds = once(url, args.count, args.in_flight, seed)
            shares.append(best / seconds)
            print(
                f"{args.count:,} prompts, {calls:,} calls, {args.in_flight} in flight: "
                f"{seconds:.1f} s, at best {best:.1f} s: {best / seconds:.1%}",
                flush=True,
            )
    print(f"median {statistics.median(shares):.1%} (lowest {min(shares):.1%})")


if __name__ == "__main__":
    main()
