"""Where commands print, and how they end when someone stops them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from gristmill.terminal.console import OUT, Spelling

__all__ = ["ERR", "INTERRUPTED", "OUT", "SHORT", "interruptible"]

ERR = Spelling(stderr=True, highlight=False, emoji=False)

SHORT = 3
"""The exit code of what is done, and is less than was asked for; see docs/run.md for all."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


@contextmanager
def interruptible(console: Console = OUT) -> Iterator[None]:
    """For work that goes on from a checkpoint: Ctrl-C ends it with a line that says so."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("interrupted: run again, it goes on from the last checkpoint")
        raise typer.Exit(INTERRUPTED) from None
