"""A run in shards: one of them, or all, wherever they are started."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from gristmill.backends import caching
from gristmill.errors import ConfigError
from gristmill.jobs.display import Display
from gristmill.jobs.on.job import Job
from gristmill.jobs.run import check_export, run
from gristmill.mill.config import Config, Given
from gristmill.mill.outcome import Outcome
from gristmill.mill.ready import check
from gristmill.mill.session import Watch
from gristmill.mill.shard import Shard
from gristmill.mill.shards import Made
from gristmill.mill.shards import run_shard as make
from gristmill.storage import folder_of
from gristmill.terminal.console import speaker


def run_shard(
    config: Given,
    out: str | Path | None,
    shard: str,
    *,
    limit: int | None = None,
    watch: Watch | None = None,
    quiet: bool = False,
) -> Made:
    """Make one shard of a run, `3/16`: `gristmill run --shard`. For the rest see `run`."""
    mine, config = Shard.read(shard), Config.read(config)
    seen = nullcontext(watch) if watch else Display(speaker(quiet), config, limit, mine.of)
    with caching(config.cache), seen as watching:
        return make(config, folder_of(out, config.name), mine, limit=limit, watch=watching)


def run_shards(
    config: str | Path,
    out: str | Path | None,
    shards: int,
    *,
    on: str = "local",
    limit: int | None = None,
    quiet: bool = False,
    settings: Sequence[str] = (),
    export: str | None = None,
) -> Outcome | str:
    """Start all shards of a run, and decide over them: `gristmill run --shards N --on local`.

    config: a file, which every process reads, with the settings as of `--set`. on: where, `local`,
    `ray` or `slurm`. export: see `run`. Returns what the run left behind or, where nothing is
    waited for, a line that says what was started. Raises what `run` raises, and ConfigError for a
    place that there is not.
    """
    check_export(export)
    values, file = Config.load(config, settings), Path(config).resolve()
    # What every shard would find is found before one is started.
    check(values)
    folder = folder_of(out, values.name).resolve()
    if not on.isidentifier() or on == "job" or find_spec(f"gristmill.jobs.on.{on}") is None:
        raise ConfigError(f"--on: shards cannot be started on '{on}'; there are local, ray, slurm")
    job = Job(file, folder, values.name, shards, limit, quiet, tuple(settings), export)
    said = import_module(f"gristmill.jobs.on.{on}").start(job)
    return said or run(values, folder, limit=limit, quiet=quiet, export=export)
