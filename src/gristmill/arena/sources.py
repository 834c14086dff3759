"""Where battles are: what the intake knows, and the votes of the web page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gristmill.errors import DataError
from gristmill.intake.builtin import PREFIX
from gristmill.intake.hub import HUB
from gristmill.intake.places import KINDS, File, files_of

VOTES = (".sqlite", ".db")
Place = File | str
"""A file, or the name of rows that are in none."""


def places_of(sources: Sequence[str | Path]) -> tuple[list[Place], list[str]]:
    """What is behind the names, each file once, and a note on each that was named twice."""
    found: dict[str, Place] = {}
    notes = []
    for source in map(str, sources):
        if (Path(source) / "verdicts.log").exists():
            raise DataError(
                f"{source}: is the folder of a battle; its votes are in the file that its config "
                "names, by default votes.sqlite beside it"
            )
        hosted = source.startswith((HUB, PREFIX))
        for place in [source] if hosted else files_of(source, kinds=(*KINDS, *VOTES)):
            if (name := named(place)) in found:
                notes.append(f"{name} is named twice and was read once.")
            found.setdefault(name, place)
    return list(found.values()), notes


def named(place: Place) -> str:
    """A place as an error names it."""
    return place if isinstance(place, str) else place.place
