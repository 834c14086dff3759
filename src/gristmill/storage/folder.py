"""Folders that gristmill writes: whole files or none, one writer, and whose folder it is."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from typing import Any, TextIO

import orjson

import gristmill
from gristmill.errors import CheckpointError, ConfigError, StorageError

PACKAGES = ("aiohttp", "numpy", "pyarrow", "pydantic", "torch", "transformers")


@contextmanager
def locked(
    folder: Path,
    lock_file: Path,
    *,
    shared: bool = False,
    patience: float = 0.0,
    who: str = "another gristmill process is writing to this folder",
) -> Iterator[None]:
    """Keep other processes out of a folder, made where there is none. Raises CheckpointError if one
    is in it, saying `who`, after so many seconds.

    shared: let those in that ask for the same. The lock belongs to the open file and goes with the
    process, however that ends.
    """
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_file.open("a+")  # over NFS, a shared lock needs a file that is open to read
    except OSError as error:
        raise StorageError(f"{folder}: cannot write: {error.strerror}") from None
    with lock:
        give_up = time.monotonic() + patience
        while not _taken(folder, lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            if time.monotonic() >= give_up:
                raise CheckpointError(
                    f"{folder}: {who}; wait for it, or name another folder with --out"
                )
            time.sleep(0.02)
        yield


def folder_of(out: str | Path | None, name: str) -> Path:
    """Where a job writes: the folder that was named, or `out/` and the job's name. Raises
    ConfigError for a name that would lead out of there."""
    if out:
        return Path(out)
    if Path(name).is_absolute() or ".." in Path(name).parts or not name.strip("./ \0\n"):
        raise ConfigError(f"name: '{name}' is no folder below out/; name one with --out")
    return Path("out") / name


def check_free(folder: Path, written: Iterable[str], ours: bool) -> None:
    """Raise CheckpointError where a job would write over what is somebody else's, before it leaves
    anything there. written: patterns of what it writes; ours: whether an earlier one did."""
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: cannot write: it is a file; name a folder with --out")
    for pattern in () if ours else written:
        for found in folder.glob(pattern):
            raise CheckpointError(
                f"{folder}: {found.relative_to(folder)} is there already and not from a run of "
                "gristmill like this; name a folder of its own with --out"
            )


def check_file(file: Path, ours: bool) -> None:
    """The same of a job that writes one file."""
    if file.exists() and not ours:
        raise CheckpointError(
            f"{file}: is there already and not from a run of gristmill like this; name another "
            "file with --out"
        )


def _taken(folder: Path, lock: TextIO, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageError(
            f"{folder}: its file system gives no locks: {error.strerror}; mount it with them, or "
            "name another folder with --out"
        ) from None
    return True


def is_locked(lock_file: Path) -> bool:
    """Whether a process that lives keeps others out with this file."""
    try:
        with locked(lock_file.parent, lock_file):
            return False
    except CheckpointError:
        return True


def read_saved(path: Path, then: str = "delete it and run again") -> dict[str, Any]:
    """The mapping in a JSON file that gristmill wrote. then: what to do about one that is damaged.
    Raises FileNotFoundError, and CheckpointError for anything else that is there."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: damaged; {then}")
    return found


def differences(there: Any, here: Any, where: str = "") -> list[str]:
    """What two identities differ in, a line each: `generate.seed: 0 there, 1 now`."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*there, *(k for k in here if k not in there)]
        pairs = ((k, there.get(k), here.get(k)) for k in keys)
        return [d for k, t, h in pairs for d in differences(t, h, f"{where}.{k}".lstrip("."))]
    if isinstance(there, list) and isinstance(here, list):
        # What only one of them has stands beside None, as a key does.
        indexed = enumerate(zip_longest(there, here))
        return [d for i, (t, h) in indexed for d in differences(t, h, f"{where}[{i}]")]
    return [] if there == here else [f"{where}: {there!r:.60} there, {here!r:.60} now"]


def digest(value: Any) -> str:
    """32 hex digits: equal for equal JSON values, whatever the order of their keys."""
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


def write_atomically(path: Path, text: str | bytes | Iterable[bytes]) -> None:
    """Replace a file in one step: a reader, or a crash, sees the old or the new, never half.

    text: whole, or piece by piece, for what is too large for the memory. Raises StorageError."""
    fresh = path.with_name(path.name + ".new")
    whole = text.encode("utf-8") if isinstance(text, str) else text
    try:
        with fresh.open("wb") as file:
            file.writelines([whole] if isinstance(whole, bytes) else whole)
        fresh.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {os.strerror(error.errno or 0)}") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
