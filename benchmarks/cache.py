"""What a cache across runs costs where nothing is in it, and what a run out of it takes.

The same run against a loopback server (`loopback.py`), in turn and several times over: without a
cache, with an empty one, with one that holds every answer. The figures are medians, and of the
ratios to the run without; processor time is beside the clock's, which others on the machine slow.

    python benchmarks/cache.py
    python benchmarks/cache.py --latency 200ms --in-flight 256 --prompts 2500
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from endpoint import QUESTION, RESPONSES, server
from gristmill.mill import Config, run

KINDS = ("none", "empty", "full")


def once(url: str, folder: Path, prompts: int, in_flight: int, cache: Path | None) -> Any:
    """Seconds by the clock and of the processor, and what the run said."""
    file = folder / "prompts.jsonl"
    lines = (json.dumps({"prompt": QUESTION.format(n)}) for n in range(prompts))
    file.write_text("\n".join(lines) + "\n")
    generate = {"model": f"{url}#chat", "responses": RESPONSES, "concurrency": in_flight}
    config = Config.of(
        {
            "prompts": {"file": str(file)},
            "generate": {**generate, "max_tokens": 256},
            "judges": [{"reward": {"model": f"{url}#reward", "concurrency": in_flight}}],
            "keep": [{"threshold": {"correctness": 2.0}}, {"dedup": {}}],
            "cache": str(cache) if cache else None,
        }
    )
    start, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        outcome = run(config, Path(out) / "out")
        data = (Path(out) / "out/data/scored.parquet").read_bytes()
    return time.perf_counter() - start, time.process_time() - busy, outcome.metrics, data


def measure(latency: str, in_flight: int, prompts: int, rounds: int) -> None:
    calls = 2 * RESPONSES * prompts
    seconds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    with server(latency) as url, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        once(url, folder, 50, in_flight, folder / "warm-up")
        for number in range(rounds):
            cache = folder / f"cache{number}"
            said = {
                kind: once(url, folder, prompts, in_flight, None if kind == "none" else cache)
                for kind in KINDS
            }
            assert len({data for *_, data in said.values()}) == 1, "the data is not the same"
            assert said["full"][2]["requests"]["sent"] == 0
            for kind, (clock, busy, *_) in said.items():
                seconds[kind].append((clock, busy))
        size = sum(p.stat().st_size for p in (folder / "cache0").iterdir())
    print(f"{latency}, {in_flight} in flight, {calls:,} calls, {size / calls:,.0f} bytes a call")
    for kind in KINDS:
        clock, busy = (statistics.median(s[i] for s in seconds[kind]) for i in (0, 1))
        ratios = [
            statistics.median(
                one[i] / bare[i] for one, bare in zip(seconds[kind], seconds["none"], strict=True)
            )
            for i in (0, 1)
        ]
        print(
            f"  {kind:>5}: {clock:6.2f} s ({ratios[0]:.2f}), {busy:6.2f} s of processor "
            f"({ratios[1]:.2f}), {clock * 10_000 / calls:.2f} s for 10,000 calls"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latency", nargs="+", default=["0", "200ms"])
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--prompts", type=int, default=1250)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    for latency in args.latency:
        measure(latency, args.in_flight, args.prompts, args.rounds)


if __name__ == "__main__":
    main()
