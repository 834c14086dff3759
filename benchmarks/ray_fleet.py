"""A fleet on a Ray cluster of two nodes on this machine, while parts of it are killed.

5,000 questions through `tiny:instruct` in this process, and through two replicas on Ray. Meanwhile
a replica's server is killed (`kill -9`), then the raylet of one node, then the run itself, which is
started again. The data must be the same, byte for byte.

    pip install 'gristmill[ray,serve,curate]' psutil
    python benchmarks/ray_fleet.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

GRISTMILL = (sys.executable, "-m", "gristmill.cli", "run")
IN_FLIGHT = 64


def write_config(folder: Path, prompts: int, **fleet: Any) -> Path:
    generate = {
        **{"model": "tiny:instruct", "responses": 1, "max_tokens": 8, "temperature": 0.8},
        **{"concurrency": IN_FLIGHT, "retries": 50, **fleet},
    }
    judges = [{"truth": {}}]
    prompts_ = {"file": f"tutor:{prompts}"}
    values = {"name": "ray", "prompts": prompts_, "generate": generate, "judges": judges}
    path = folder / f"{'fleet' if fleet else 'own'}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


class Run:
    """A run in a process of its own, and how far it is."""

    def __init__(self, config: Path, out: Path, env: dict[str, str]) -> None:
        self.out, self.began = out, time.perf_counter()
        said = (out.parent / f"{out.name}.log").open("ab")
        self.process = subprocess.Popen([*GRISTMILL, config, "--out", out], stdout=said, env=env)

    def finished(self) -> int:
        log = self.out / "checkpoint" / "finished.jsonl"
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def until(self, true: Callable[[], bool]) -> float:
        """Seconds since it began, once something is true."""
        while not true() and self.process.poll() is None:
            time.sleep(0.05)
        return time.perf_counter() - self.began

    def end(self) -> float:
        if self.process.wait():
            raise SystemExit(f"the run ended with {self.process.returncode}: {self.out}.log")
        return time.perf_counter() - self.began


def servers(node: Any) -> list[psutil.Process]:
    """The replicas' servers on a node."""
    found = []
    with suppress(psutil.NoSuchProcess, KeyError):  # no raylet: it was killed
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for one in raylet.children(recursive=True):
            with suppress(psutil.Error):
                if one.cmdline()[1:5] == ["-P", "-m", "gristmill.cli", "serve"]:
                    found.append(one)
    return found


class Answered(threading.Thread):
    """Counts what the servers have answered, also those that are killed: looks at them all the
    time, so of these what came last may be missing."""

    def __init__(self, nodes: list[Any]) -> None:
        super().__init__(daemon=True)
        self.nodes, self.counts = nodes, dict[int, int]()

    def run(self) -> None:
        while True:
            for node in self.nodes:
                for one in servers(node):
                    with suppress(psutil.Error, OSError, ValueError):
                        self.counts[one.pid] = answered(one)
            time.sleep(0.2)


def answered(server: psutil.Process) -> int:
    """Answers that a server has given, by its own count."""
    (there, *_) = (c.laddr for c in server.net_connections() if c.status == psutil.CONN_LISTEN)
    key = server.environ()["GRISTMILL_FLEET_KEY"]
    asked = urllib.request.Request(
        f"http://{there.ip}:{there.port}/metrics", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as reply:
        lines = reply.read().decode().splitlines()
    chats = (line for line in lines if line.startswith("gristmill_requests_total{"))
    return sum(int(float(line.split()[-1])) for line in chats if "chat" in line and '"200"' in line)


def sets(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


def requests(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())["requests"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, default=5000)
    parser.add_argument("--folder", type=Path, help="where the runs are kept")
    args = parser.parse_args()
    # Ray starts its workers with nice 15, which on a busy machine is another measurement.
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    os.environ |= {"OMP_NUM_THREADS": "1", **quiet}
    with tempfile.TemporaryDirectory() as name:
        folder = args.folder or Path(name)
        folder.mkdir(exist_ok=True)
        single = Run(write_config(folder, args.prompts), folder / "own", dict(os.environ))
        print(f"one process: {single.end():.0f} s", flush=True)
        killed(folder, args.prompts)
        equal = sets(folder / "own") == sets(folder / "ray")
        print(f"data byte for byte that of one process: {equal}")


def killed(folder: Path, prompts: int) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    nodes = [cluster.head_node, cluster.add_node(num_cpus=2)]
    counting = Answered(nodes)
    counting.start()
    env = {**os.environ, "RAY_ADDRESS": cluster.address}
    config = write_config(folder, prompts, fleet={"on": "ray", "replicas": 2})
    try:
        run = Run(config, folder / "ray", env)
        print(f"first answer after {run.until(lambda: run.finished() > 0):.1f} s", flush=True)
        run.until(lambda: all(servers(node) for node in nodes))
        run.until(lambda: run.finished() > 0.1 * prompts)
        victim = servers(nodes[0])[0]
        victim.kill()
        back = time.perf_counter()
        run.until(lambda: any(one.pid != victim.pid for one in servers(nodes[0])))
        print(
            f"a replica killed; started again {time.perf_counter() - back:.1f} s later", flush=True
        )
        run.until(lambda: run.finished() > 0.4 * prompts)
        nodes[1].kill_raylet()
        back = time.perf_counter()
        run.until(lambda: len(servers(nodes[0])) == 2)
        print(f"a raylet killed; elsewhere {time.perf_counter() - back:.1f} s later", flush=True)
        run.until(lambda: run.finished() > 0.7 * prompts)
        run.process.kill()
        run.process.wait()
        there, alive = run.finished(), servers(nodes[0])
        again = Run(config, folder / "ray", env)
        answered = again.until(lambda: again.finished() > there)
        print(
            f"the run killed at {there}; first answer {answered:.1f} s after its start", flush=True
        )
        print(f"servers that outlived it: {sum(one.is_running() for one in alive)} of {len(alive)}")
        print(f"done after {again.end():.0f} s more")
        said = requests(again.out)
        print(f"calls: {json.dumps(said)}", flush=True)
        repeated = sum(counting.counts.values()) - prompts
        print(f"answered twice: {repeated}, {IN_FLIGHT} in flight")
        gone = time.perf_counter()
        while any(one.is_running() for one in alive):
            time.sleep(0.1)
        print(f"servers gone {time.perf_counter() - gone:.1f} s after the end")
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
