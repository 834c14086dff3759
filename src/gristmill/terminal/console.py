"""The console that everything is shown on."""

from __future__ import annotations

from rich.console import Console

# No emoji: rich would make one of the line number in `prompts.jsonl:100:`. In a notebook lines stay
# plain, too, and are no piece of HTML each.
OUT = Console(highlight=False, emoji=False, force_jupyter=False)


def speaker(quiet: bool = False) -> Console:
    """The console; a mute one if it shall be quiet."""
    return Console(quiet=True) if quiet else OUT
