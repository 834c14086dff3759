"""Folders that gristmill writes: whole files or none, one writer, and whose folder it is."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

import gristmill
from gristmill.errors import CheckpointError, StorageError

PACKAGES = ("aiohttp", "numpy", "pyarrow", "pydantic", "torch", "transformers")


@contextmanager
def locked(folder: Path, lock_file: Path) -> Iterator[None]:
    """Keep other processes out of a folder, made where there is none. Raises CheckpointError if one
    is in it.

    The lock belongs to the open file and goes with the process, however that ends.
    """
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_file.open("a")
    except OSError as error:
        raise StorageError(f"{folder}: cannot write: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CheckpointError(
                f"{folder}: another gristmill process is writing to this folder; wait for "
                "it, or name another folder with --out"
            ) from None
        yield


def differences(there: Any, here: Any, where: str = "") -> list[str]:
    """What two identities differ in, a line each: `generate.seed: 0 there, 1 now`."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*there, *(k for k in here if k not in there)]
        pairs = ((k, there.get(k), here.get(k)) for k in keys)
        return [d for k, t, h in pairs for d in differences(t, h, f"{where}.{k}".lstrip("."))]
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        indexed = enumerate(zip(there, here, strict=True))
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
