"""A run's folder: whose it is, who is writing to it, and where its files lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from gristmill.backends.identity import alike, told
from gristmill.errors import CheckpointError, StorageError
from gristmill.mill.config import DATASETS, Config
from gristmill.mill.journal import LOGS, Journal, journals, stored_in
from gristmill.mill.lineup import common
from gristmill.mill.slots import end_round
from gristmill.parts import identity_in, name_of
from gristmill.storage import (
    check_free,
    differences,
    digest,
    locked,
    read_saved,
    versions,
    write_atomically,
)

WRITTEN = (
    *("run.yaml", "README.md", "report.html", "metrics.json"),
    *("prompts/items.jsonl", "data/**/*.parquet"),
    *(f"data/{name}.jsonl" for name in (*DATASETS, "rejected")),
)
"""What a run writes, beside its checkpoint."""


class Folder:
    """`run.yaml`, `checkpoint/`, `data/`, `metrics.json`, and the pages made from them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint"
        self.data = path / "data"
        self.metrics = path / "metrics.json"
        self.run = path / "run.yaml"
        self.lock = self.checkpoint / "lock"
        """Held by a run alone, or by all shards of one that are at work."""
        self.agreed = self.checkpoint / "agreed.json"
        """What each shard may spend (`gristmill.mill.allowance`)."""

    @contextmanager
    def open(self, config: Config) -> Iterator[Journal]:
        """Take the folder for this run and open its checkpoint; the same config resumes.

        Raises CheckpointError if the folder is in use, or belongs to another config, or is
        damaged; StorageError if it cannot be written.
        """
        self.make()
        with locked(self.path, self.lock):
            end_round(self.checkpoint, self.agreed)
            self.settle(config)
            with closing(Journal(self.checkpoint, journals(self.checkpoint)[1:])) as journal:
                yield journal

    def make(self) -> None:
        """Make the folders that are not there. Raises StorageError, also where a URL is named, and
        CheckpointError where what is there is somebody else's."""
        if found := re.match(r"[a-z][a-z0-9+.-]+:/(?=[^/])", str(self.path)):
            # A `Path` has one slash less; it would be made as a folder of that name.
            url = f"{found[0]}/{str(self.path)[found.end() :]}"
            raise StorageError(
                f"{url}: a run needs a folder, for object stores have neither appends nor locks; "
                "name a local or NFS one with --out, and copy its data/ there when it is done"
            )
        check_free(self.path, WRITTEN, ours=self._holds_work() or self.is_run())
        try:
            self.checkpoint.mkdir(parents=True, exist_ok=True)
            self.data.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.path}: cannot write: {error.strerror}") from None

    def settle(self, config: Config) -> None:
        """Let the folder be this run's. Raises CheckpointError where it is another's."""
        if self._holds_work():
            self.check_identity(config)
        write_atomically(self.run, _resolved(config))

    def _holds_work(self) -> bool:
        logs = (folder / name for folder in journals(self.checkpoint) for name in LOGS)
        return any(log.exists() and log.stat().st_size for log in logs)

    def seems_done(self) -> bool:
        """Whether whoever made prompts here last says that all are done. The input may have grown
        since."""
        shards = journals(self.checkpoint)[1:]
        said = [folder / "progress.json" for folder in shards] or [self.metrics]
        return all(_status(path) == "complete" for path in said)

    def is_run(self) -> bool:
        """Whether `run.yaml` is that of a run of the mill, and not of a training."""
        try:
            return of_run(self.run)
        except CheckpointError:
            return False

    def is_of(self, config: Config) -> bool:
        """Whether `run.yaml` is of this very config."""
        with suppress(CheckpointError):
            self.check_identity(config, at_work=True)
            return True
        return False

    def check_identity(self, config: Config, *, at_work: bool = False) -> None:
        """Raise CheckpointError where the folder is that of another config.

        It is by what is stored: of responses, the model that gave them, and of verdicts, the
        judges. Where a wrong address brought nothing, another one may follow. at_work: whether
        others are storing something just now, so that what `run.yaml` says holds as it is.
        """
        here, there = config.identity(), identity_in(self.run)
        if not at_work:
            here = {**here, "generate": _before(there.get("generate"), here["generate"])}
        there = alike(there, here)
        if not at_work and there != here:
            answered, judged = stored_in(self.checkpoint)
            held = [*(("seed", "generate") if answered else ()), *(("judges",) if judged else ())]
            there, here = ({k: v for k, v in one.items() if k in held} for one in (there, here))
        if found := told(differences(there, here)):
            raise CheckpointError(
                f"{self.path}: this folder belongs to another config ({'; '.join(found)}); "
                "name another folder with --out, or change the config back"
            )


def _before(there: Any, here: Any) -> Any:
    """Of the entries of `generate` those that a folder knows, where others were only added behind
    them, each of which answers every prompt. With weights prompts would go to other models, and
    with another common system message be other prompts: then all of them, which it does not know.
    """
    if not isinstance(here, list) or not there:
        return here
    old = there if isinstance(there, list) else [there]
    before = here[: len(old)]
    systems = [common(entry.get("system") for entry in entries) for entries in (old, here)]
    if len(before) == len(here) or "weight" in here[0] or systems[0] != systems[1]:
        return here
    return before if isinstance(there, list) else before[0]


def of_run(file: Path) -> bool:
    """Whether a `run.yaml` is that of a run of the mill, and not of a training. Raises
    CheckpointError where it cannot be told."""
    return "generate" in identity_in(file)


def _status(path: Path) -> str | None:
    try:
        return read_saved(path).get("status")
    except (OSError, CheckpointError):
        return None


def _resolved(config: Config) -> str:
    """run.yaml: every setting as it was used, who ran it, and hashes to tell runs apart."""
    values = config.model_dump(mode="json")
    values["judges"] = [{name_of(j): j.model_dump(mode="json")} for j in config.open_judges()]
    identity = config.identity()
    return yaml.safe_dump(
        {
            **values,
            "identity": identity,
            "hashes": {"identity": digest(identity), "config": digest(values)},
            "versions": versions(),
            "last_started": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        sort_keys=False,
        allow_unicode=True,
    )
