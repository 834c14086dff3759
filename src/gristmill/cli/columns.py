"""`--columns ours=theirs,...`: the file's names for our columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from gristmill.errors import ConfigError

Columns = Annotated[
    str,
    typer.Option(
        help="The file's names for our columns: ours=theirs,... Dots lead into nested ones.",
        show_default=False,
    ),
]


def columns_of(text: str, known: Collection[str]) -> dict[str, str]:
    """The mapping that the option says. known: our names. Raises ConfigError."""
    found: dict[str, str] = {}
    if not text:
        return found
    from gristmill.intake.source import known_names

    for pair in filter(None, (part.strip() for part in text.split(","))):
        ours, _, theirs = (part.strip() for part in pair.partition("="))
        if not ours or not theirs:
            raise ConfigError(f"--columns: write ours=theirs, with commas between (got '{pair}')")
        if ours in found:
            raise ConfigError(f"--columns: '{ours}' is named twice")
        found[ours] = theirs
    try:
        return known_names(found, known)
    except ValueError as error:
        raise ConfigError(f"--columns: {error}") from None
