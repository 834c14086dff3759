"""The embedded tiny family: where its weights lie inside the package."""

from __future__ import annotations

from pathlib import Path

TINY = ("base", "instruct", "reward")


def tiny_path(name: str) -> Path:
    """The directory of a tiny model, in plain Hugging Face layout.

    `name` is `base`, `instruct` or `reward`; anything else raises ValueError.
    """
    if name not in TINY:
        raise ValueError(f"unknown tiny model {name!r}: choose one of {', '.join(TINY)}")
    return Path(__file__).parent / name
