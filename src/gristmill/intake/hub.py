"""Rows of data sets on the Hugging Face hub, by the library `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gristmill.errors import DataError, MissingExtra

HUB = "hf:"
"""What the name of such a source may begin with, and must where a path could be meant."""

_FORM = re.compile(r"[\w-][\w.-]*/[\w.-]+(/[\w./-]+)?(:[\w.-]+)?")


_SAVED = ("state.json", "dataset_dict.json")
"""What the library leaves in a folder that it saved, and loads in another way."""


def is_hub_name(name: str) -> bool:
    """Whether this can be a data set on the hub: `hf:...`, or `org/name` with a split at most."""
    return name.startswith(HUB) or _FORM.fullmatch(name) is not None


def read_hub(name: str, split: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`name:line`, row) of every row of one split.

    name: `hf:org/name` (or without `hf:`), `hf:org/name/folder` for a part of it, or the path of
    a folder that the library reads. split: where it is None the name may end in one, `:test`;
    without any, a data set must have a single one. Raises MissingExtra or DataError.
    """
    place = name
    if split is None and ":" in name.removeprefix(HUB):
        place, _, split = name.rpartition(":")
    try:
        import datasets
    except ImportError:
        raise MissingExtra(name, "train") from None
    whole, part = _part(place.removeprefix(HUB))
    where: dict[str, Any] = {} if part is None else {"data_dir": part}
    try:
        if any((Path(whole) / name).is_file() for name in _SAVED):
            rows = datasets.load_from_disk(whole)
            rows = rows[split] if split is not None and isinstance(rows, dict) else rows
        else:
            rows = datasets.load_dataset(whole, split=split, **where)
    except Exception as error:
        # The library raises dozens of types of its own and of others' for what a user mistyped.
        # This one says nothing itself: what was wrong in which file is its cause.
        told = error.__cause__ if type(error).__name__ == "DatasetGenerationError" else None
        reason = " ".join(str(told or error).split())
        what = "" if split is None else f" split '{split}'"
        here = "" if name.startswith(HUB) else "no such file or folder; from the hub: "
        raise DataError(f"{place}: {here}cannot load{what}: {reason}") from None
    if isinstance(rows, dict):
        if len(rows) != 1:
            splits = ", ".join(f"{place}:{one}" for one in rows)
            raise DataError(f"{place}: has several splits; name one of {splits}")
        rows = next(iter(rows.values()))
    for number, row in enumerate(rows, 1):
        yield f"{name}:{number}", dict(row)


def _part(name: str) -> tuple[str, str | None]:
    """A hub's data set, and the folder in it that is meant: `org/name/folder`."""
    org, *rest = name.split("/", 2)
    if len(rest) < 2 or org.startswith(("~", ".")) or not org or Path(name).exists():
        return name, None
    return f"{org}/{rest[0]}", rest[1]
