"""What a run through a batch API costs its driver: rows a second, memory, and what was paid twice.

    python benchmarks/batches.py --prompts 50000

A server on this machine with OpenAI's batch API (`tests/batch_servers.py`, in a process of its own)
answers every batch at once; so the time is gristmill's and the server's. Beside it the same prompts
by single calls to the same server.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gristmill.mill import Config, run


def serve(end: Connection) -> None:
    """Serve until told to stop; then say how often the most often paid request was paid."""
    from batch_servers import BatchServer, Course

    with BatchServer([Course(states=())]) as server:
        end.send(server.url)
        end.recv()
        end.send((len(server.paid), max(server.paid.values()), len(server.made)))


@contextmanager
def server() -> Iterator[tuple[str, Connection]]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        process.join(30)


def measured(prompts: Path, count: int, how: dict[str, Any], folder: Path) -> None:
    with server() as (url, end):
        generate = {"model": f"{url}#chat", "responses": 1, **how}
        values = {"prompts": [{"file": str(prompts)}], "generate": generate}
        started = time.monotonic()
        outcome = run(Config.of(values), folder)
        seconds = time.monotonic() - started
        end.send(None)
        paid, most, batches = end.recv()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{'batches' if how else 'single calls':12} {count:,} prompts {seconds:.1f} s "
        f"{count / seconds:,.0f} prompts/s, {memory:,.0f} MB at most until now, {batches} batches, "
        f"{paid:,} requests paid, each {most} time(s); {outcome.status}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=50_000)
    parser.add_argument("--under-way", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompts = folder / "prompts.jsonl"
        with prompts.open("w") as file:
            for number in range(given.prompts):
                file.write(json.dumps({"prompt": f"Question {number}? " + "word " * 50}) + "\n")
        how = {"batch_api": "openai", "concurrency": given.under_way}
        measured(prompts, given.prompts, how, folder / "batches")
        measured(prompts, given.prompts, {}, folder / "single")


if __name__ == "__main__":
    main()
