"""A run's folder: whose it is, who is writing to it, and where its files lie."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson
import yaml

import gristmill
from gristmill.errors import CheckpointError, StorageError
from gristmill.mill.config import Config
from gristmill.mill.journal import LOGS, Journal
from gristmill.parts import name_of

PACKAGES = ("aiohttp", "numpy", "pyarrow", "pydantic", "torch", "transformers")


class Folder:
    """`run.yaml`, `checkpoint/`, `data/`, `metrics.json`, and the pages made from them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint"
        self.data = path / "data"
        self.metrics = path / "metrics.json"
        self.run = path / "run.yaml"

    @contextmanager
    def open(self, config: Config) -> Iterator[Journal]:
        """Take the folder for this run and open its checkpoint; the same config resumes.

        Raises CheckpointError if the folder is in use, or belongs to another config, or is
        damaged; StorageError if it cannot be written.
        """
        try:
            self.checkpoint.mkdir(parents=True, exist_ok=True)
            self.data.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.path}: cannot write: {error.strerror}") from None
        with self._lock():
            if self._holds_work():
                self._check_identity(config)
            else:
                self._check_free()
            write_atomically(self.run, _resolved(config))
            journal = Journal(self.checkpoint)
            try:
                yield journal
            finally:
                journal.close()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # The lock belongs to the open file and goes with the process, however that ends.
        try:
            lock = (self.checkpoint / "lock").open("a")
        except OSError as error:
            raise StorageError(f"{self.path}: cannot write: {error.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CheckpointError(
                    f"{self.path}: another gristmill process is writing to this folder; wait for "
                    "it, or name another folder with --out"
                ) from None
            yield

    def _holds_work(self) -> bool:
        logs = (self.checkpoint / name for name in LOGS)
        return any(log.exists() and log.stat().st_size for log in logs)

    def _check_free(self) -> None:
        """Nothing was paid for here: any config may start, but not over somebody's own files."""
        for mine in (self.path / "README.md", self.path / "report.html", self.data):
            found = mine.exists() and (not mine.is_dir() or any(mine.glob("*.parquet")))
            if found and not self.run.exists():
                raise CheckpointError(
                    f"{self.path}: {mine.name} is there already and not from a run of gristmill; "
                    "name a folder of its own with --out"
                )

    def _check_identity(self, config: Config) -> None:
        try:
            there = yaml.safe_load(self.run.read_text(encoding="utf-8"))["identity"]
        except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError) as error:
            state = "missing" if isinstance(error, FileNotFoundError) else "damaged"
            raise CheckpointError(
                f"{self.run}: {state}, so it cannot be told whose folder this is; name another "
                "folder with --out"
            ) from None
        differences = _differences(there, config.identity(), "")
        if differences:
            raise CheckpointError(
                f"{self.path}: this folder belongs to another config ({'; '.join(differences)}); "
                "name another folder with --out, or change the config back"
            )


def _differences(there: Any, here: Any, where: str) -> list[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*there, *(k for k in here if k not in there)]
        pairs = ((k, there.get(k), here.get(k)) for k in keys)
        return [d for k, t, h in pairs for d in _differences(t, h, f"{where}.{k}".lstrip("."))]
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        indexed = enumerate(zip(there, here, strict=True))
        return [d for i, (t, h) in indexed for d in _differences(t, h, f"{where}[{i}]")]
    return [] if there == here else [f"{where}: {there!r:.60} there, {here!r:.60} now"]


def _resolved(config: Config) -> str:
    """run.yaml: every setting as it was used, who ran it, and hashes to tell runs apart."""
    values = config.model_dump(mode="json")
    values["judges"] = [{name_of(j): j.model_dump(mode="json")} for j in config.open_judges()]
    identity = config.identity()
    return yaml.safe_dump(
        {
            **values,
            "identity": identity,
            "hashes": {"identity": _digest(identity), "config": _digest(values)},
            "versions": versions(),
            "last_started": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        sort_keys=False,
        allow_unicode=True,
    )


def _digest(value: Any) -> str:
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def versions() -> dict[str, str]:
    """gristmill, Python and the packages that shape a result, where they are installed."""
    found = {"gristmill": gristmill.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_atomically(path: Path, text: str | bytes) -> None:
    """Replace a file in one step: a reader, or a crash, sees the old or the new, never half."""
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot write: {os.strerror(error.errno or 0)}") from None
