"""Replicas and shards on Ray: shared by drivers, restarted, and gone when nobody wants them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from gristmill.errors import MissingExtra
from gristmill.fleet import ray as ray_fleet
from gristmill.fleet import ray_replica
from gristmill.fleet.ray import RayFleet
from gristmill.fleet.ray_replica import Supervisor
from gristmill.fleet.settings import Fleet
from mills import write_prompts
from processes import run, start, wait_until, write_config
from servers import FaultyServer

SERVER = (
    "import os, time\n"
    "print('chat http://10.0.0.1:%d/v1#m' % os.getpid(), len(os.environ['GRISTMILL_FLEET_KEY']),"
    " flush=True)\n"
    "time.sleep(600)\n"
)
"""In the place of a server: its port is its process."""


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """What an actor asks of Ray, without Ray; `killed` is set when it ends itself."""
    killed = threading.Event()
    context = SimpleNamespace(current_actor="me")
    ray = SimpleNamespace(
        killed=killed,
        get_runtime_context=lambda: context,
        util=SimpleNamespace(get_node_ip_address=lambda: "10.0.0.1"),
        kill=lambda actor, no_restart: killed.set(),
    )
    monkeypatch.setattr(ray_replica, "import_module", lambda name: ray)
    monkeypatch.setattr(ray_replica, "command", lambda *_: [sys.executable, "-c", SERVER])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return ray


def serving(actor: Supervisor, driver: str) -> int:
    """The process of its server, once it answers."""
    said = until(lambda: actor.renew(driver, "")["address"])
    return int(said.split(":")[2].partition("/")[0])


def test_a_replica_ends_with_its_last_driver(supervised: SimpleNamespace) -> None:
    actor = Supervisor("m", Fleet().model_dump_json(), 0, "secret", "/nowhere")
    pid = serving(actor, "one")
    actor.renew("two", "secret")
    other = actor.renew("three", "of another fleet that has its name")
    assert other["address"] == "" and other["key"] == "secret"
    actor.leave("one")
    assert not supervised.killed.wait(1)
    actor.leave("two")
    assert supervised.killed.wait(30) and not psutil.pid_exists(pid)


def test_a_replica_ends_when_no_driver_has_said_a_word(
    supervised: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ray_replica, "LEASE", 1.0)
    actor = Supervisor("m", Fleet().model_dump_json(), 0, "secret", str(Path.cwd()))
    pid = serving(actor, "killed later")
    assert supervised.killed.wait(30) and not psutil.pid_exists(pid)
    assert not list(tmp_path.iterdir())


def test_where_there_is_no_ray_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_fleet, "find_spec", lambda name: None)

    async def work() -> None:
        async with RayFleet("tiny:instruct", Fleet(on="ray")):
            raise AssertionError

    with pytest.raises(MissingExtra, match=r"gristmill\[ray\]"):
        asyncio.run(work())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    pytest.importorskip("torch")
    pytest.importorskip("fastapi")
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
    patch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()
    patch.undo()


def addresses(servers: Path) -> set[str]:
    return {*servers.read_text().splitlines()} if servers.exists() else set()


def process_of(address: str) -> psutil.Process:
    """What listens there."""
    port = int(address.split(":")[2].partition("/")[0])
    for one in psutil.net_connections():
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
            return psutil.Process(one.pid)
    raise AssertionError(address)


async def wait(true: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(until, true, 120)


@pytest.mark.slow
def test_drivers_share_replicas_which_are_restarted_and_end(cluster: Any) -> None:
    fleet = Fleet(on="ray", replicas=2)

    async def work() -> list[psutil.Process]:
        async with RayFleet("tiny:instruct", fleet) as mine:
            both = await wait(lambda: len(found := addresses(mine)) == 2 and found)
            other = RayFleet("tiny:instruct", fleet)
            async with other as theirs:
                await wait(lambda: addresses(theirs) == both)
                victim = process_of(next(iter(both)))
                assert os.environ[str(other.key_env)] == victim.environ()["GRISTMILL_FLEET_KEY"]
                victim.kill()
                assert await wait(lambda: len(now := addresses(mine)) == 2 and now != both)
            # The other driver has left, and nothing has ended by that.
            return [process_of(address) for address in addresses(mine)]

    left = asyncio.run(work())
    until(lambda: not any(one.is_running() for one in left))


@pytest.mark.slow
def test_shards_are_started_on_nodes_and_started_again(cluster: Any, tmp_path: Path) -> None:
    """What a killed actor takes along is a shard that is started again; what is in no folder of the
    node is said."""
    config, one, many = tmp_path / "c.yaml", tmp_path / "one", tmp_path / "many"
    with FaultyServer(latency=0.1) as server:
        config = write_config(tmp_path, write_prompts(tmp_path, 120), server, responses=2)
        assert run("run", config, "--out", one)[0] == 0
        with start("run", config, "--out", many, "--shards", "2", "--on", "ray") as driver:
            (shard,) = until(
                lambda: [p for p in shards(many) if p.info["cmdline"][-1] == "2/2"], 120
            )
            beside = shard.parent().parent()
            log = many / "checkpoint" / "002-of-002" / "finished.jsonl"
            assert wait_until(lambda: log.exists() and log.stat().st_size > 0, driver)
            beside.kill()
            said, err = driver.communicate(timeout=120)
        assert (driver.returncode, err) == (0, "")
    assert "2 shards, 2 through: 120 prompts finished" in said
    for file in (one / "data").iterdir():
        assert file.read_bytes() == (many / "data" / file.name).read_bytes()
    assert not shards(many)


def shards(out: Path) -> list[psutil.Process]:
    """The processes that make a shard of this run."""
    found = psutil.process_iter(["cmdline"])
    return [
        p
        for p in found
        if (p.info["cmdline"] or [""])[1:5] == ["-P", "-m", "gristmill.cli", "run"]
        and {"--shard", str(out)} <= {*p.info["cmdline"]}
    ]
