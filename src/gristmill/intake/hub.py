"""Rows of a data set on the Hugging Face hub, `org/name` or `org/name:split`, by `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from gristmill.errors import DataError, MissingExtra
from gristmill.intake.files import Found

_FORM = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")


def is_hub_name(name: str) -> bool:
    """Whether this can be a data set on the hub: one slash, no leading dot, a split at most."""
    return _FORM.fullmatch(name) is not None and not name.startswith(".")


def read_hub(name: str) -> Iterator[Found]:
    """Every row of one split (by default its only one). Raises MissingExtra or DataError."""
    place, _, split = name.partition(":")
    for number, row in enumerate(_load(place, split or None), 1):
        yield (
            f"{name}:{number}",
            row,
            orjson.dumps(row, default=str)[:2000].decode("utf-8", "replace"),
        )


def _load(place: str, split: str | None) -> Iterator[dict[str, Any]]:
    try:
        import datasets
    except ImportError:
        raise MissingExtra(f"the data set '{place}'", "train") from None
    try:
        found = datasets.load_dataset(place, split=split)
    except Exception as error:  # It raises whatever its builders, pyarrow and the network raise.
        line = " ".join(str(error).split())[:300]
        raise DataError(
            f"{place}: neither a file or folder here, nor a data set that can be loaded from the "
            f"hub ({type(error).__name__}: {line})"
        ) from None
    if isinstance(found, dict):
        if len(found) != 1:
            splits = ", ".join(f"{place}:{name}" for name in found)
            raise DataError(f"{place}: has several splits; name one of {splits}")
        found = next(iter(found.values()))
    for row in found:
        yield {key: value for key, value in dict(row).items() if value is not None}
