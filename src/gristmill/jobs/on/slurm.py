"""Shards as an array of Slurm jobs, and after them one that decides.

What a job is to have (partition, account, time, memory) Slurm's own environment variables say, such
as SBATCH_PARTITION. A task whose node fails is queued again, or taken up by another shard.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from gristmill.errors import ConfigError, RunError, StorageError
from gristmill.jobs.on.job import Job


def start(job: Job) -> str:
    """Submit the array and the job that decides; returns a line that says so. Nothing is waited
    for. Raises ConfigError where there is no Slurm, RunError where it refuses."""
    if shutil.which("sbatch") is None:
        raise ConfigError(
            "--on slurm: no `sbatch` on this machine; run it on a login node, or use --on local"
        )
    place = job.folder / "checkpoint"
    shard = job.command("")[:-1]
    array = _script(place / "shards.sh", f'{shlex.join(shard)} "${{SLURM_ARRAY_TASK_ID}}/{job.of}"')
    deciding = _script(place / "deciding.sh", shlex.join(job.deciding))
    said = ["--open-mode=append", f"--output={place}/slurm-%x-%a.log"]
    first = _submit([f"--job-name={job.name}", f"--array=1-{job.of}", "--requeue", *said], array)
    # However the shards end: what is missing, it makes.
    after = [f"--dependency=afterany:{first}", f"--job-name={job.name}-deciding"]
    last = _submit([*after, "--open-mode=append", f"--output={place}/slurm-%x.log"], deciding)
    return (
        f"submitted: job {first}, {job.of} shards, and then job {last}, which decides; "
        f"what they say is in {place}/slurm-*.log"
    )


def _script(path: Path, command: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None
    return path


def _submit(options: list[str], script: Path) -> str:
    """The number of the job. Raises RunError."""
    command = ["sbatch", "--parsable", *options, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RunError(f"sbatch: {said}; put that right and run again")
    # `--parsable` says `number` or `number;cluster`; what a site's wrapper says comes before that.
    return (done.stdout.split() or ["?"])[-1].partition(";")[0]
