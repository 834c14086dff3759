"""A fleet on this machine: started, watched, restarted, and gone with its driver."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.errors import BackendFatal, ConfigError
from gristmill.fleet import local, tend
from gristmill.fleet.local import LocalFleet
from gristmill.fleet.replica import command
from gristmill.fleet.settings import Fleet

SERVER = (
    "import os, sys, time\n"
    "print('vllm serve http://no:1/v1#m')\n"
    "print('chat      http://127.0.0.1:%d/v1#a name' % os.getpid(), flush=True)\n"
    "time.sleep(600)\n"
)
"""In the place of a server: its port is its process."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tend, "PAUSE", 0.05)
    monkeypatch.setattr(local, "command", lambda model, fleet: [sys.executable, "-c", SERVER])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def pids(servers: Path) -> list[int]:
    """The processes of the replicas whose addresses are in the file."""
    lines = servers.read_text().splitlines()
    assert all(line.endswith("/v1#a name") for line in lines)
    return [int(line.split(":")[2].partition("/")[0]) for line in lines]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


async def until(done: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_replicas_are_started_restarted_and_ended(tmp_path: Path) -> None:
    async def work() -> list[int]:
        async with LocalFleet("tiny:instruct", Fleet(replicas=3)) as servers:
            await until(lambda: len(pids(servers)) == 3)
            first = pids(servers)
            os.kill(first[0], signal.SIGKILL)
            await until(lambda: len(now := pids(servers)) == 3 and first[0] not in now)
            now = pids(servers)
            assert {*first[1:]} < {*now}
        return [*first, *now]

    assert not any(map(alive, asyncio.run(work())))


def test_without_a_failure_nothing_is_left_behind(tmp_path: Path) -> None:
    async def work() -> None:
        async with LocalFleet("tiny:instruct", Fleet()) as servers:
            assert servers.is_file()

    asyncio.run(work())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_that_is_killed_takes_them_along(number: int) -> None:
    code = (
        "import asyncio, sys\nfrom gristmill.fleet import local\n"
        "from gristmill.fleet.local import LocalFleet\nfrom gristmill.fleet.settings import Fleet\n"
        f"local.command = lambda *_: [sys.executable, '-c', {SERVER!r}]\n"
        "async def work():\n"
        "    async with LocalFleet('m', Fleet(replicas=2)) as servers:\n"
        "        while len(servers.read_text().splitlines()) < 2: await asyncio.sleep(0.02)\n"
        "        print(servers, flush=True)\n        await asyncio.sleep(600)\n"
        "asyncio.run(work())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        servers = pids(Path(driver.stdout.readline().decode().strip()))
        assert all(map(alive, servers))
        driver.send_signal(number)
    asyncio.run(until(lambda: not any(map(alive, servers))))


def test_where_none_comes_to_answer_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('no such model')"]
    monkeypatch.setattr(local, "command", lambda model, fleet: failing)
    monkeypatch.setattr(tend, "TRIES", 2)

    async def work() -> None:
        async with LocalFleet("hf:./nowhere", Fleet(replicas=2)):
            raise AssertionError

    with pytest.raises(BackendFatal, match=r"hf:\./nowhere: no replica .* no such model"):
        asyncio.run(work())


def test_each_replica_has_gpus_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5,6,7")
    fleet = LocalFleet("vllm:org/name", Fleet(replicas=2, gpus=2))
    shares = fleet._devices()
    assert shares == [["3", "5"], ["6", "7"]]
    assert fleet._environment(shares[1])["CUDA_VISIBLE_DEVICES"] == "6,7"
    with pytest.raises(ConfigError, match="2 replicas with 3 GPUs each need 6, and 4 are here"):
        LocalFleet("vllm:org/name", Fleet(replicas=2, gpus=3))._devices()


def test_a_replica_is_gristmill_serve() -> None:
    own = command("tiny:reward", Fleet(flags=("--queue=8",)))
    assert own[4:] == ["serve", "tiny:reward", "--port", "0", "--queue=8"]
    engine = command("vllm:org/name", Fleet(gpus=2))
    assert engine[4:8] == ["serve", "hf:org/name", "--engine", "vllm"]
    assert engine[-2:] == ["--tensor", "2"]
