"""A run in shards: one of them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from gristmill.jobs.display import Display
from gristmill.jobs.run import folder_of
from gristmill.mill.config import Config, Given
from gristmill.mill.run import Watch
from gristmill.mill.shard import Shard
from gristmill.mill.shards import Made
from gristmill.mill.shards import run_shard as make
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
    with seen as watching:
        return make(config, folder_of(config, out), mine, limit=limit, watch=watching)
