"""The console that everything is shown on."""

from __future__ import annotations

from rich.console import Console

_NOTEBOOK = Console().is_jupyter

# No emoji: rich would make one of the line number in `prompts.jsonl:100:`. A notebook gets plain
# lines: what it shows cannot be redrawn, though its kernel says that it is a terminal.
OUT = Console(
    highlight=False,
    emoji=False,
    force_jupyter=False,
    force_terminal=False if _NOTEBOOK else None,
)


def speaker(quiet: bool = False) -> Console:
    """The console; a mute one if it shall be quiet."""
    return Console(quiet=True) if quiet else OUT
