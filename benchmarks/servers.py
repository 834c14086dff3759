"""Several servers as one: what one of them costs that dies, is slow, or remembers prefixes.

    python benchmarks/servers.py                    all of it, about two minutes
    python benchmarks/servers.py killed sticky      some of it

Servers are processes (`loopback_engine.py`) with 16 slots and 100 ms a request each, so that four
of them answer 640 requests a second; whole runs of the mill go against them. What is expected is
the sum of what the servers that live can answer, by the rate that four alike were measured at.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from gristmill.mill import Config, run

SLOTS, SECONDS, SERVERS = 16, 0.1, 4
IN_FLIGHT = 96
RESPONSES = 4


class Process:
    """A server in a process of its own, which can be killed and started again at its port."""

    def __init__(self, **options: float) -> None:
        self._options = {"slots": SLOTS, "seconds": SECONDS, **options}
        self.port = 0
        self.start()

    def start(self) -> None:
        script = Path(__file__).with_name("loopback_engine.py")
        options = {"port": self.port, **self._options}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            [sys.executable, str(script), *words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def model(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1#chat"

    def stats(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as reply:
            return json.load(reply)


def started(stack: ExitStack, count: int, **options: float) -> list[Process]:
    servers = [Process(**options) for _ in range(count)]
    for server in servers:
        stack.callback(server.kill)
    return servers


def models(servers: list[Process]) -> list[str]:
    return [server.model for server in servers]


def config(
    folder: Path,
    model: str | list[str],
    prompts: int,
    text: Callable[[int], str] = "How many grains fit into {} sacks?".format,
    **generate: Any,
) -> dict[str, Any]:
    file = folder / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": text(n)}) + "\n" for n in range(prompts)))
    pace = {"responses": RESPONSES, "concurrency": IN_FLIGHT, "max_tokens": 256, **generate}
    return {"prompts": {"file": str(file)}, "generate": {"model": model, **pace}}


def timed(model: str | list[str], prompts: int, **generate: Any) -> tuple[float, dict[str, Any]]:
    """Seconds and metrics of a run, whose rows are all there, and none twice."""
    with tempfile.TemporaryDirectory() as folder:
        values = Config.of(config(Path(folder), model, prompts, **generate))
        out = Path(folder) / "out"
        start = time.perf_counter()
        outcome = run(values, out)
        seconds = time.perf_counter() - start
        _whole(out, prompts)
    return seconds, outcome.metrics


def _whole(out: Path, prompts: int) -> None:
    ids = pq.read_table(out / "data" / "sft.parquet")["response_id"].to_pylist()
    assert len(ids) == len(set(ids)) == prompts * RESPONSES, (len(ids), len(set(ids)))


def _rate() -> float:
    """Requests a second that one server answers, by four alike in a run."""
    with ExitStack() as stack:
        servers = started(stack, SERVERS)
        seconds, metrics = timed(models(servers), 3600)
    counts = [one["requests"] for one in metrics["requests"]["servers"].values()]
    rate = 3600 * RESPONSES / seconds
    ideal = SERVERS * SLOTS / SECONDS
    print(f"alike: {rate:,.0f} of {ideal:,.0f} requests/s; requests of each {counts}")
    return rate / SERVERS


def killed(rate: float) -> None:
    """One of four is killed, and started again."""
    prompts, at, back = 3600, 6.0, 12.0
    with ExitStack() as stack:
        servers = started(stack, SERVERS)

        def kill() -> None:
            time.sleep(at)
            servers[1].kill()
            time.sleep(back - at)
            servers[1].start()

        thread = threading.Thread(target=kill)
        thread.start()
        seconds, metrics = timed(models(servers), prompts)
        thread.join()
    could = rate * (SERVERS * seconds - (back - at))
    found = metrics["requests"]
    print(
        f"killed: {prompts * RESPONSES / could:.2f} of what those that live can; "
        f"{seconds:.1f} s, dead from {at:.0f} to {back:.0f} s; failures {found['failures']}, "
        f"retries {found['retries']}; all rows, none twice"
    )


def slow(rate: float) -> None:
    """One of four takes ten times as long."""
    prompts = 1500
    with ExitStack() as stack:
        servers = [*started(stack, SERVERS - 1), *started(stack, 1, seconds=10 * SECONDS)]
        seconds, metrics = timed(models(servers), prompts)
    counts = [one["requests"] for one in metrics["requests"]["servers"].values()]
    could = rate * (SERVERS - 1 + 0.1) * seconds
    share = 0.1 / (SERVERS - 1 + 0.1)
    print(
        f"slow: {prompts * RESPONSES / could:.2f} of what they can; the slow one answered "
        f"{counts[-1] / sum(counts):.1%} (its share by speed: {share:.1%})"
    )


def driver(_: float) -> None:
    """The mill itself is killed and run again, with one of four servers dead the second time."""
    prompts = 1200
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        servers = started(stack, SERVERS)
        file, out = Path(folder) / "config.yaml", Path(folder) / "out"
        file.write_text(yaml.safe_dump(config(Path(folder), models(servers), prompts)))
        command = [sys.executable, "-m", "gristmill.cli", "run", str(file), "--out", str(out)]
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while sum(server.stats()["requests"] for server in servers) < prompts * RESPONSES / 2:
            time.sleep(0.1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        time.sleep(0.5)
        before = servers[2].stats()["requests"]
        servers[2].kill()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        _whole(out, prompts)
        servers[2].start()
        asked = before + sum(server.stats()["requests"] for server in servers)
    again = asked - prompts * RESPONSES
    print(f"driver: kill -9 and resumed, {again} calls repeated, {IN_FLIGHT} in flight; all rows")


def sticky(_: float) -> None:
    """Engines that keep 512 KB of prefixes each; prompts of 9 KB, four samples of each."""
    for label, sticks in (("any server", False), ("sticky", True)):
        with ExitStack() as stack:
            servers = started(stack, SERVERS, seconds=0.05, prefill=0.004, remembered=2048)
            seconds, _metrics = timed(models(servers), 600, text=_long, sticky=sticks)
            stats = [server.stats() for server in servers]
        hits, misses = (sum(one[key] for one in stats) for key in ("hits", "misses"))
        spread = [one["requests"] for one in stats]
        print(f"prefixes, {label}: {seconds:.1f} s, {hits / (hits + misses):.0%} read before, "
              f"requests of each {spread}")  # fmt: skip


def _long(number: int) -> str:
    return f"Document {number}: " + f"the {number}th mill ground {number} sacks of grain. " * 200


def alone(__: float) -> None:
    """One server by its address, and as a list of one."""
    script = Path(__file__).with_name("loopback.py")
    rates: dict[str, list[float]] = {"address": [], "list": []}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1#chat"
        for _ in range(7):  # the first pair has imports in it, and does not count
            for name, model in (("address", url), ("list", [url])):
                rates[name].append(1 / timed(model, 1500, concurrency=64)[0])
        process.terminate()
    ratios = sorted(b / a for a, b in zip(rates["address"][1:], rates["list"][1:], strict=True))
    print(f"alone: a list of one does {ratios[len(ratios) // 2]:.3f} of the calls of an address")


PARTS = {f.__name__: f for f in (killed, slow, driver, sticky, alone)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    args = parser.parse_args()
    rate = _rate()
    for name in args.parts or PARTS:
        PARTS[name](rate)


if __name__ == "__main__":
    main()
