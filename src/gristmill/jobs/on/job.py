"""What is to be started: the shards of one run, as command lines."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from gristmill.mill.shard import Shard


@dataclass(frozen=True)
class Job:
    """A run in shards. file, folder: of its config and its data, from anywhere; name: of the run.
    quiet: whether nothing is to be shown. settings: what `--set` says of the config. export: see
    `jobs.run.run`."""

    file: Path
    folder: Path
    name: str
    of: int
    limit: int | None = None
    quiet: bool = False
    settings: tuple[str, ...] = ()
    export: str | None = None

    @property
    def shards(self) -> list[Shard]:
        return [Shard(number, self.of) for number in range(1, self.of + 1)]

    @property
    def deciding(self) -> list[str]:
        """The command of the run that decides."""
        return [*self._run, *(["--export", self.export] if self.export else [])]

    @property
    def _run(self) -> list[str]:
        limit = [] if self.limit is None else ["--limit", str(self.limit)]
        command = [sys.executable, "-P", "-m", "gristmill.cli", "run", str(self.file)]
        settings = [f"--set={setting}" for setting in self.settings]
        return [*command, "--out", str(self.folder), *limit, *settings]

    def command(self, shard: str) -> list[str]:
        """The command of one shard, `3/16`."""
        return [*self._run, "--shard", shard]

    def place(self, shard: Shard) -> Path:
        """The folder of a shard's journal."""
        return self.folder / "checkpoint" / shard.name
