"""The console that everything is shown on.

What a model, a server or a config says may hold the controls of a terminal: colours, a moved
cursor, a changed title. They are spelled out here, whoever prints them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.segment import Segment

from gristmill.page.text import visible
from gristmill.terminal.notebook import Redrawn

_NOTEBOOK = Console().is_jupyter


class Spelling(Console):
    """A console on which text cannot be more than text."""

    def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
        """See rich. What rich itself does, such as redrawing a live display, are control segments,
        and styles are beside the text."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)


class _Spelled(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def show_warnings() -> None:
    """Have warnings shown on standard error, where logging shows them by itself, with controls
    spelled out: they tell what servers said."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Spelled("%(message)s"))


# No emoji: rich would make one of the line number in `prompts.jsonl:100:`. Lines are plain in a
# notebook, though its kernel says that it is a terminal; what is redrawn there is another matter
# (`live`).
OUT = Spelling(
    highlight=False,
    emoji=False,
    force_jupyter=False,
    force_terminal=False if _NOTEBOOK else None,
)


def speaker(quiet: bool = False) -> Console:
    """The console; a mute one if it shall be quiet."""
    return Console(quiet=True) if quiet else OUT


def live(console: Console) -> Live | Redrawn | None:
    """What can be redrawn on a console; None where it has lines alone."""
    if console.is_terminal:
        return Live(console=console, refresh_per_second=4)
    return Redrawn() if _NOTEBOOK and console is OUT else None
