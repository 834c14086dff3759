"""Shards as processes of this machine: started, watched, and started again where they die."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gristmill.errors import CheckpointError, InputError, RunError, StorageError
from gristmill.jobs.on.job import Job
from gristmill.mill.shard import Shard
from gristmill.page.text import plural
from gristmill.storage import read_saved
from gristmill.terminal.console import speaker
from gristmill.terminal.live import LiveLine

RESTARTS = 5
"""Times that one shard is started again; what it has not done then, whoever decides does."""

PAUSE = 0.2
"""Seconds between two looks at the processes."""


class Running(Protocol):
    """What is needed of `subprocess.Popen`."""

    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self) -> int | None: ...
    def send_signal(self, sig: int, /) -> None: ...


Launch = Callable[[list[str], Path], Running]
"""Starts a command whose words go into a file."""


def launched(command: list[str], log: Path) -> Running:
    """A process of this machine."""
    with log.open("ab") as said:
        # A group of its own: Ctrl-C in the terminal reaches this process alone, which passes it
        # on once.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@dataclass
class Process:
    """One shard's process; what it says goes into `log`."""

    shard: Shard
    log: Path
    running: Running
    restarts: int = 0

    @property
    def last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1].removeprefix("error: ") if lines else "it said nothing"


def start(job: Job, launch: Launch = launched) -> str:
    """Run all shards to their end. Returns what is to be said then: nothing, for deciding follows.

    launch: how one is started, elsewhere perhaps. Ctrl-C is passed on to them: what is in flight is
    finished. Raises InputError or RunError where a shard ended with one, when the others have
    ended.
    """
    processes = [Process(shard, *_started(job, shard, launch)) for shard in job.shards]
    with LiveLine(speaker(job.quiet)) as live:
        try:
            while sum(_alive(job, process, launch) for process in processes):
                _show(live, job)
                time.sleep(PAUSE)
            _show(live, job)
        finally:
            _stop(processes)
    for process in processes:
        if process.running.returncode in (1, 2):
            kind = RunError if process.running.returncode == 1 else InputError
            raise kind(f"{process.shard}: {process.last_line} (all it said: {process.log})")
    return ""


def _started(job: Job, shard: Shard, launch: Launch) -> tuple[Path, Running]:
    log = job.place(shard) / "said.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log, launch(job.command(f"{shard.number}/{shard.of}"), log)
    except OSError as error:
        raise StorageError(f"{log}: cannot write: {error.strerror}") from None


def _alive(job: Job, process: Process, launch: Launch) -> bool:
    """Whether it runs; one that was killed is started again."""
    code = process.running.poll()
    if code is None:
        return True
    # By a signal: of the machine, of a scheduler, or because the memory ran out.
    if code < 0 and process.restarts < RESTARTS:
        process.restarts += 1
        process.running = _started(job, process.shard, launch)[1]
        return True
    return False


def _stop(processes: list[Process]) -> None:
    """Let those that run finish what is in flight, and end."""
    running = [p.running for p in processes if p.running.poll() is None]
    for one in running:
        one.send_signal(signal.SIGINT)
    for one in running:
        one.wait()


def _show(live: LiveLine, job: Job) -> None:
    said = [_progress(job.place(shard)) for shard in job.shards]
    finished, accepted = (sum(one.get(n, 0) for one in said) for n in ("finished", "accepted"))
    through = sum(one.get("status", "working") != "working" for one in said)
    done = f"{plural(finished, 'prompt')} finished, {accepted:,} accepted"
    line = f"{plural(job.of, 'shard')}, {through} through: {done}"
    live.show(lambda: line, through, job.of)


def _progress(place: Path) -> dict[str, Any]:
    try:
        return read_saved(place / "progress.json")
    except (OSError, CheckpointError):
        return {}
