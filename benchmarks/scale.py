"""Memory and time of the whole mill as the prompts grow, with scripted models.

Each size runs in a process of its own, so that peak memory is that run's. Linear in time means
that the microseconds a prompt stay level.

    python benchmarks/scale.py
    python benchmarks/scale.py --prompts 1000000
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gristmill.mill import Config, run


def one(prompts: int) -> dict[str, float]:
    """Run so many prompts, one response each; seconds and peak memory of this process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.jsonl"
        with file.open("w") as out:
            for number in range(prompts):
                out.write(json.dumps({"prompt": f"How many grains fit into {number} sacks?"}))
                out.write("\n")
        config = Config.of(
            {
                "name": "scale",
                "prompts": {"file": str(file)},
                "generate": {"model": "scripted:echo", "responses": 1},
                "judges": [{"reward": {"model": "scripted:echo"}}],
                "keep": [{"threshold": {"correctness": 2.0}}, {"dedup": {}}],
            }
        )
        start = time.perf_counter()
        outcome = run(config, Path(folder) / "out")
        seconds = time.perf_counter() - start
        assert outcome.metrics["rows"]["scored"] == prompts, outcome.metrics
        start = time.perf_counter()
        run(config, Path(folder) / "out")
        again = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"prompts": prompts, "seconds": seconds, "resume_seconds": again, "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, nargs="+", default=[31_250, 125_000, 500_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one)))
        return
    print("prompts    seconds  us a prompt  resume s  peak MB")
    for prompts in args.prompts:
        command = [sys.executable, __file__, "--one", str(prompts)]
        r = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        each = r["seconds"] / prompts * 1e6
        print(
            f"{prompts:>7,}  {r['seconds']:>9.1f}  {each:>11.0f}  {r['resume_seconds']:>8.1f}"
            f"  {r['peak_mb']:>7.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
