"""Shards as an array of Slurm jobs, and after them one that decides.

What a job is to have (partition, account, time, memory) Slurm's own environment variables say, such
as SBATCH_PARTITION. A task whose node fails is queued again, or taken up by another shard.
"""

from __future__ import annotations

import shlex

from gristmill.fleet.sbatch import check, script, submit
from gristmill.jobs.on.job import Job
from gristmill.page.text import plural


def start(job: Job) -> str:
    """Submit the array and the job that decides; returns a line that says so. Nothing is waited
    for. Raises ConfigError where there is no Slurm, RunError where it refuses."""
    check("--on slurm")
    place = job.folder / "checkpoint"
    shard = job.command("")[:-1]
    array = script(place / "shards.sh", f'{shlex.join(shard)} "${{SLURM_ARRAY_TASK_ID}}/{job.of}"')
    deciding = script(place / "deciding.sh", shlex.join(job.deciding))
    said = ["--open-mode=append", f"--output={place}/slurm-%x-%a.log"]
    first = submit([f"--job-name={job.name}", f"--array=1-{job.of}", "--requeue", *said], array)
    # However the shards end: what is missing, it makes.
    after = [f"--dependency=afterany:{first}", f"--job-name={job.name}-deciding"]
    last = submit([*after, "--open-mode=append", f"--output={place}/slurm-%x.log"], deciding)
    return (
        f"submitted: job {first}, {plural(job.of, 'shard')}, and then job {last}, which decides; "
        f"what they say is in {place}/slurm-*.log"
    )
