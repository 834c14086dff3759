"""`gristmill guide`: the page for coding agents, docs/agents.md, which lies in the package too."""

from __future__ import annotations

from pathlib import Path

import typer


def guide() -> None:
    """How to use gristmill, for a coding agent: commands, files, rules."""
    here = Path(__file__)
    # In a clone the page is where its readers look for it.
    places = (here.with_name("agents.md"), here.parents[3] / "docs" / "agents.md")
    page = next(place for place in places if place.is_file())
    typer.echo(page.read_text(encoding="utf-8"), nl=False)
