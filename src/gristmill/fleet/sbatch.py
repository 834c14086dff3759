"""What is asked of Slurm: to take a job, and whether it still has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gristmill.errors import ConfigError, RunError, StorageError


def check(what: str) -> None:
    """Raises ConfigError where there is no Slurm. what: what the user asked for."""
    if shutil.which("sbatch") is None:
        raise ConfigError(
            f"{what}: no `sbatch` on this machine; run it on a login node, or start them locally"
        )


def script(path: Path, command: str) -> Path:
    """A job that is one command. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None
    return path


def submit(options: list[str], job: Path, env: dict[str, str] | None = None) -> str:
    """The number of the job. env: the environment, which the job inherits. Raises RunError."""
    command = ["sbatch", "--parsable", *options, str(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RunError(f"sbatch: {said}; put that right and run again")
    # `--parsable` says `number` or `number;cluster`; what a site's wrapper says comes before that.
    return (done.stdout.split() or ["?"])[-1].partition(";")[0]


def has(job: str) -> bool:
    """Whether any part of a job waits or runs; True also where Slurm cannot be asked just now."""
    asked = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"]
    done = _asked(asked)
    return bool(done.stdout.strip()) if done.returncode == 0 else "Invalid job" not in done.stderr


def has_gpus() -> bool:
    """Whether any node of the cluster has GPUs."""
    return "gpu" in _asked(["sinfo", "--noheader", "--format=%G"]).stdout


def cancel(job: str) -> None:
    """End what is left of a job."""
    _asked(["scancel", job])


def _asked(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
