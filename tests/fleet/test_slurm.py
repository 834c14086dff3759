"""Replicas as jobs of Slurm: submitted, found, restarted, and gone with their driver.

There is no Slurm here: a fake `sbatch` starts the jobs of an array at once, with a process in the
place of each server.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from gristmill.errors import BackendFatal, ConfigError, RunError
from gristmill.fleet import slurm
from gristmill.fleet.settings import Fleet
from gristmill.fleet.slurm import SlurmFleet

SERVER = (
    "import os, time\n"
    "assert len(os.environ['GRISTMILL_FLEET_KEY']) > 30\n"
    "print('chat http://10.0.0.1:%d/v1#m' % os.getpid(), flush=True)\n"
    "time.sleep(600)\n"
)
"""In the place of a server: its port is its process."""
JOB = """
import asyncio, sys
from pathlib import Path
from gristmill.fleet import slurm_replica, tend
tend.PAUSE, tend.TRIES = 0.05, 2
slurm_replica.BEAT, slurm_replica.LEASE = 0.1, {lease}
slurm_replica.command = lambda *_: [sys.executable, "-c", {server!r}]
asyncio.run(slurm_replica.Member(Path(sys.argv[1]), int(sys.argv[2])).live())
"""
SBATCH = """#!{python}
import os, subprocess, sys
last = int(next(a for a in sys.argv if a.startswith("--array=")).rpartition("-")[2])
print(*sys.argv[1:-1], file=open(os.path.dirname(sys.argv[0]) + "/asked", "w"))
folder, quiet = os.path.dirname(sys.argv[-1]), subprocess.DEVNULL
for task in range(last + 1):
    command = [sys.executable, "-c", {job!r}, folder, str(task)]
    subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
print("7;cluster")
"""


def sbatch(server: str = SERVER, lease: float = 60) -> str:
    return SBATCH.format(python=sys.executable, job=JOB.format(server=server, lease=lease))


def install(folder: Path, **commands: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of Slurm's commands; the working directory is empty."""
    install(
        tmp_path / "bin",
        sbatch=sbatch(),
        squeue="#!/bin/sh\necho RUNNING\n",
        sinfo="#!/bin/sh\necho '(null)'; echo gpu:h200:8\n",
        scancel='#!/bin/sh\necho "$@" >> "$(dirname "$0")/cancelled"\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "BEAT", 0.1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "bin"


def pids(servers: Path) -> list[int]:
    lines = servers.read_text().splitlines()
    return [int(line.split(":")[2].partition("/")[0]) for line in lines]


async def until(true: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_they_are_submitted_restarted_and_ended(site: Path) -> None:
    async def work() -> list[int]:
        async with SlurmFleet("m", Fleet(on="slurm", replicas=2, gpus=4)) as servers:
            await until(lambda: len(pids(servers)) == 2)
            first = pids(servers)
            os.kill(first[0], signal.SIGKILL)
            await until(lambda: len(now := pids(servers)) == 2 and first[0] not in now)
            return [*first, *pids(servers)]

    assert not any(map(psutil.pid_exists, asyncio.run(work())))
    asked = (site / "asked").read_text()
    assert "--array=0-1 --requeue" in asked and "--gres=gpu:4" in asked
    assert (site / "cancelled").read_text() == "7\n"
    assert not list(Path.cwd().iterdir())


def test_a_driver_that_is_killed_takes_them_along(site: Path) -> None:
    install(site, sbatch=sbatch(lease=4))
    code = (
        "import asyncio\nfrom gristmill.fleet.slurm import SlurmFleet\n"
        "from gristmill.fleet.settings import Fleet\n"
        "async def work():\n"
        "    async with SlurmFleet('m', Fleet(on='slurm')) as servers:\n"
        "        print(servers, flush=True)\n        await asyncio.sleep(600)\n"
        "asyncio.run(work())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        (server,) = pids(Path(driver.stdout.readline().decode().strip()))
        driver.kill()
    asyncio.run(until(lambda: not psutil.pid_exists(server)))
    asyncio.run(until(lambda: not list(Path.cwd().iterdir())))


def test_what_slurm_or_a_server_says_is_told(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with SlurmFleet("m", Fleet(on="slurm")):
            raise AssertionError

    install(site, sbatch=sbatch("import sys; sys.exit('no such model')"))
    with pytest.raises(BackendFatal, match=r"m: its fleet: replica 0 did not .* no such model"):
        asyncio.run(work())
    install(site, sbatch="#!/bin/sh\necho 'invalid partition' >&2; exit 1\n")
    with pytest.raises(RunError, match="invalid partition; put that right"):
        asyncio.run(work())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"fleet: \{on: slurm\}: no `sbatch` on this machine"):
        asyncio.run(work())
    assert not list(Path.cwd().iterdir())
