"""Memory and time of the whole mill as the prompts grow, with scripted models.

Each process is measured by itself: the seconds of the clock and of the processor, and its peak
memory. Linear in time means that the microseconds of processor time a prompt stay level; the
clock's say more of what else the machine does.

    python benchmarks/scale.py                                     # one process, and again
    python benchmarks/scale.py --shards 2 --prompts 1000000 10000000
    python benchmarks/scale.py --shards 2 --prompts 10000000 --dedup
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

RUN = (sys.executable, "-m", "gristmill.cli", "run")


class Took(NamedTuple):
    """seconds, processor: of the clock and of the processor. peak: MB (10**6 bytes) at most."""

    seconds: float
    processor: float
    peak: float


def write_config(folder: Path, prompts: int, dedup: bool) -> Path:
    with (folder / "prompts.jsonl").open("w") as out:
        for number in range(prompts):
            out.write(json.dumps({"prompt": f"How many grains fit into {number} sacks?"}) + "\n")
    keep = [{"threshold": {"correctness": 2.0}}, *([{"dedup": {}}] if dedup else [])]
    values = {
        "name": "scale",
        "prompts": {"file": "prompts.jsonl"},
        "generate": {"model": "scripted:echo", "responses": 1},
        "judges": [{"reward": {"model": "scripted:echo"}}],
        "keep": keep,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def measured(*commands: list[str]) -> list[Took]:
    """Run commands beside each other, and say what each took."""
    start = time.perf_counter()
    running = [subprocess.Popen(c, stdout=subprocess.DEVNULL) for c in commands]
    found = []
    for process in running:
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0, process.args
        seconds, processor = time.perf_counter() - start, used.ru_utime + used.ru_stime
        found.append(Took(seconds, processor, used.ru_maxrss * 1024 / 1e6))
    return found


def measure(prompts: int, shards: int, dedup: bool, where: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        command = [*RUN, str(write_config(folder, prompts, dedup)), "--out", str(folder / "out")]
        command.append("--quiet")
        made = measured(*([*command, "--shard", f"{n + 1}/{shards}"] for n in range(shards)))
        steps = {f"shard {n + 1} of {shards}": took for n, took in enumerate(made)}
        if not shards:
            steps["the run"] = measured(command)[0]
        # Over what is all there: nothing but deciding, the data sets and the pages.
        steps["deciding" if shards else "the same again"] = measured(command)[0]
        metrics = json.loads((folder / "out" / "metrics.json").read_text())
        assert metrics["rows"]["scored"] == prompts, metrics
        for step, took in steps.items():
            print(
                f"{prompts:>10,}  {step:<14}  {took.seconds:>7.1f}  {took.processor:>9.1f}"
                f"  {took.processor / prompts * 1e6:>11.1f}  {took.peak:>7.0f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, nargs="+", default=[31_250, 125_000, 500_000])
    parser.add_argument("--shards", type=int, default=0, help="processes that make the prompts")
    parser.add_argument("--dedup", action="store_true", help="look for duplicates, too")
    parser.add_argument("--where", type=Path, help="a folder with room: 2 GB a million prompts")
    args = parser.parse_args()
    print("   prompts  process         seconds  processor  us a prompt  peak MB")
    for prompts in args.prompts:
        measure(prompts, args.shards, args.dedup, args.where)


if __name__ == "__main__":
    main()
