"""Shards on the nodes of a Ray cluster, wherever a processor is free.

The nodes share the run's folder. A shard whose node or process is lost is started again, as one of
this machine is that was killed (`local`). With the driver they all end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gristmill.errors import ConfigError, MissingExtra, StorageError
from gristmill.jobs.on import local
from gristmill.jobs.on.job import Job


def start(job: Job) -> str:
    """Run all shards to their end; see `local.start`. Raises MissingExtra, and ConfigError where
    there is no cluster."""
    if find_spec("ray") is None:
        raise MissingExtra("--on ray", "ray")
    ray = import_module("ray")
    try:
        ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    except ConnectionError as error:
        raise ConfigError(f"--on ray: {' '.join(str(error).split())}") from None
    try:
        return local.start(job, lambda command, log: OnNode(ray, command, log))
    finally:
        ray.shutdown()


class OnNode:
    """A shard on some node, seen from here as a process of this machine is."""

    def __init__(self, ray: Any, command: list[str], log: Path) -> None:
        self._ray = ray
        self.returncode: int | None = None
        # Whether it is started again is decided where it is for processes of this machine.
        actor = ray.remote(Running).options(num_cpus=1, max_restarts=0, max_concurrency=2)
        self._actor = actor.remote(command, str(log), str(Path.cwd()))
        self._ended = self._actor.wait.remote()

    def poll(self) -> int | None:
        """As of Popen; by SIGKILL where its node or Ray's process there is gone."""
        if self.returncode is None and self._ray.wait([self._ended], timeout=0)[0]:
            self._end()
        return self.returncode

    def wait(self) -> int | None:
        """As of Popen."""
        self._end()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """As of Popen; one that has no place yet is given up."""
        if not self._ray.wait([self._actor.pass_on.remote(number)], timeout=5)[0]:
            self._ray.kill(self._actor)

    def _end(self) -> None:
        try:
            self.returncode = self._ray.get(self._ended)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError:
            self.returncode = -signal.SIGKILL


class Running:
    """A shard's process and the actor beside it; `keep` ends the process with the actor."""

    def __init__(self, command: list[str], log: str, folder: str) -> None:
        self._command, self._log, self._folder = command, Path(log), folder
        self._process: subprocess.Popen[bytes] | None = None

    def wait(self) -> int:
        """Run it to its end; the exit status, the negative number of the signal that ended it."""
        ray = import_module("ray")
        if not self._log.parent.is_dir():
            raise StorageError(
                f"{self._log.parent}: node {ray.util.get_node_ip_address()} does not have it; "
                "--out must be in a folder that all nodes of the cluster share"
            )
        # The shard's own fleet is to be on the same cluster.
        env = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
        command = [
            sys.executable,
            "-P",
            "-m",
            "gristmill.fleet.keep",
            sys.executable,
            *self._command[1:],
        ]
        with self._log.open("ab") as said:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self._folder if Path(self._folder).is_dir() else None,
                env=env,
            )
        code = self._process.wait()
        return code if code < 128 else 128 - code

    def pass_on(self, number: int) -> None:
        """Send the process a signal."""
        if self._process is not None:
            self._process.send_signal(number)
