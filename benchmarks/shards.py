"""A run in shards: the data of one process, what shards that are killed cost, and the speed-up.

Against the loopback server of `loopback.py`, whose requests take 200 ms:

    python benchmarks/shards.py same      # 16 shards, three of them killed and taken up
    python benchmarks/shards.py exact     # a target and a budget over 16 shards
    python benchmarks/shards.py speed     # one process and four

Each line says what is measured, and the last word is the figure.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).parent
IN_FLIGHT = (16, 64)
GRISTMILL = (sys.executable, "-m", "gristmill.cli", "run")


@contextmanager
def server(latency: str) -> Iterator[str]:
    """The loopback server; its URL."""
    command = [sys.executable, str(HERE / "loopback.py"), "--latency", latency]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def requests(url: str) -> int:
    """How many the server has answered."""
    with urllib.request.urlopen(f"{url}/stats") as reply:
        return json.loads(reply.read())["requests"]


def write_config(folder: Path, url: str, prompts: int, concurrency: int, **more: Any) -> Path:
    file = folder / "prompts.jsonl"
    with file.open("w") as out:
        for number in range(prompts):
            out.write(json.dumps({"prompt": f"How many grains fit into {number} sacks?"}) + "\n")
    calling = {"concurrency": concurrency}
    values = {
        "prompts": {"file": str(file)},
        "generate": {"model": f"{url}/v1#chat", "responses": 2, **calling},
        "judges": [{"reward": {"model": f"{url}/v1#reward", **calling}}],
        "keep": [{"threshold": {"correctness": 2.0}}, {"dedup": {}}],
        **more,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def whole(config: Path, out: Path) -> float:
    """Run without shards; the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([*GRISTMILL, config, "--out", out], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def started(config: Path, out: Path, of: int) -> list[subprocess.Popen[str]]:
    commands = ([*GRISTMILL, config, "--out", out, "--shard", f"{n + 1}/{of}"] for n in range(of))
    return [subprocess.Popen(c, stdout=subprocess.PIPE, text=True) for c in commands]


def sets(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def finished(out: Path, of: int) -> int:
    """Prompts that the shards have finished by now."""
    logs = (out / "checkpoint" / f"{n + 1:03}-of-{of:03}" / "finished.jsonl" for n in range(of))
    return sum(log.read_bytes().count(b"\n") for log in logs if log.exists())


def same(prompts: int, of: int, killed: int) -> None:
    """Kill some shards at random moments, and compare with one process."""
    chance = random.Random(15)
    with server("200ms") as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_config(folder, url, prompts, 16)
        whole(config, folder / "one")
        calls = requests(url)
        shards = started(config, folder / "many", of)
        victims = chance.sample(shards, killed)
        moments = sorted(chance.uniform(0.1, 0.8) * prompts for _ in victims)
        for victim, moment in zip(victims, moments, strict=True):
            while finished(folder / "many", of) < moment and victim.poll() is None:
                time.sleep(0.02)
            victim.kill()
        said = [shard.communicate()[0] for shard in shards]
        took = sum(line.partition("took up")[2].count("shard") for line in said)
        made = requests(url) - calls
        whole(config, folder / "many")
        left = requests(url) - calls - made
        print(f"{of} shards, {killed} killed, of these taken up by others: {took}")
        print(f"calls of one process {calls:,}, asked twice: {made + left - calls}")
        print(f"calls that were left to the run that decides: {left}")
        equal = sets(folder / "many") == sets(folder / "one")
        print(f"data byte for byte that of one process: {equal}")


def exact(prompts: int, of: int) -> None:
    """A target and a budget over all shards."""
    with server("200ms") as url, tempfile.TemporaryDirectory() as name:
        folder, target, budget = Path(name), prompts // 4, prompts
        config = write_config(folder, url, prompts, 16, target=target)
        whole(config, folder / "one")
        calls = requests(url)
        for shard in started(config, folder / "many", of):
            shard.communicate()
        made = requests(url) - calls
        whole(config, folder / "many")
        kept = pq.read_metadata(folder / "many" / "data" / "sft.parquet").num_rows
        equal = all(
            sets(folder / "one")[f"{table}.parquet"] == sets(folder / "many")[f"{table}.parquet"]
            for table in ("sft", "preference", "scored")
        )
        total = requests(url) - calls
        print(f"target {target:,} over {of} shards, kept: {kept:,}")
        print(f"sft, preference and scored byte for byte those of one process: {equal}")
        print(f"calls of one process {calls:,}, of the shards {made:,}, with deciding: {total:,}")
        before = requests(url)
        config = write_config(folder, url, prompts, 16, budget={"requests": budget})
        for shard in started(config, folder / "budget", of):
            shard.communicate()
        made = requests(url) - before
        whole(config, folder / "budget")
        total = requests(url) - before
        print(f"budget {budget:,}: sent by the shards {made:,}, with deciding: {total:,}")


def speed(prompts: int, of: int) -> None:
    """Four shards beside one process, by how many requests each has in flight: few, and all wait
    for the server; many, and the cores are the limit."""
    for concurrency in IN_FLIGHT:
        with server("200ms") as url, tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            config = write_config(folder, url, prompts, concurrency)
            one = whole(config, folder / "one")
            start = time.perf_counter()
            for shard in started(config, folder / "many", of):
                shard.communicate()
            made = time.perf_counter() - start
            deciding = whole(config, folder / "many")
            equal = sets(folder / "one") == sets(folder / "many")
            ratio = one / (made + deciding)
            print(
                f"200 ms, {concurrency} in flight each, {prompts:,} prompts: one {one:.1f} s, "
                f"{of} shards {made:.1f} s, deciding {deciding:.1f} s, ratio {ratio:.2f}, same "
                f"data: {equal}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["same", "exact", "speed"])
    parser.add_argument("--prompts", type=int, default=2000)
    args = parser.parse_args()
    if args.what == "same":
        same(args.prompts, 16, 3)
    elif args.what == "exact":
        exact(args.prompts, 16)
    else:
        speed(args.prompts, 4)


if __name__ == "__main__":
    main()
