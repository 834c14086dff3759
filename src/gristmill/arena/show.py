"""What `arena rank` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gristmill.arena.boards import title
from gristmill.page.text import decimal, label, percent, plural, visible, whole

NAMES = {"bt": "Bradley-Terry", "davidson": "Davidson", "rao-kupper": "Rao-Kupper", "elo": "Elo"}
"""The methods by their authors."""


def show_ratings(console: Console, found: dict[str, Any], outs: Sequence[Path]) -> None:
    """The leaderboard as a table, what has to be said about it, and where it was written."""
    console.print(visible(headline(found)), markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grouped = found["groups"] > 1
    if grouped:
        table.add_column("group", justify="right")
    table.add_column("rank", justify="right")
    table.add_column("model", overflow="fold")
    table.add_column("rating", justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    table.add_column("battles", justify="right", no_wrap=True)
    for row in found["ratings"]:
        cells = [str(row["rank"]), Text(label(row["model"], 80)), rating(row), interval(row)]
        number = [str(row["group"])] if grouped else []
        table.add_row(*number, *cells, whole(row["battles"]))
    console.print(table)
    for each in found["style"]:
        ends = f"{decimal(each['lower'], 3)} to {decimal(each['upper'], 3)}"
        console.print(
            f"style {label(each['name'])}: "
            f"{decimal(each['coefficient'], 3, signed=True)} ({ends}), "
            f"{decimal(each['points'], 1, signed=True)} points for one standard deviation",
            markup=False,
            soft_wrap=True,
        )
    for line in found["warnings"]:
        console.print(visible(f"note: {line}"), markup=False, soft_wrap=True)
    for out in outs:
        console.print(visible(str(out)), markup=False, soft_wrap=True)


def headline(found: dict[str, Any]) -> str:
    """What was rated, how, in a line."""
    kinds = {
        "sandwich": "sandwich intervals",
        "bootstrap": f"bootstrap intervals of {whole(found['rounds'])} rounds",
        "cluster": f"intervals clustered by {found['cluster_by']}",
    }
    return (
        f"{title(found['category'])}: {plural(found['battles'], 'battle')} of "
        f"{plural(found['models'], 'model')}, {percent(found['ties']['share'])} ties; "
        f"{NAMES[found['method']]}, {kinds[found['intervals']]}"
    )


def rating(row: dict[str, Any]) -> str:
    """A rating in whole points, or why there is none."""
    return row["note"] if row["rating"] is None else decimal(row["rating"], 0)


def interval(row: dict[str, Any]) -> str:
    """The ends of a rating's interval; of one that is open, the end that it has."""
    lower, upper = row["lower"], row["upper"]
    if lower is None and upper is None:
        return "–"
    if upper is None:
        return f"{decimal(lower, 0)} or more"
    return (
        f"{decimal(upper, 0)} or less"
        if lower is None
        else f"{decimal(lower, 0)} to {decimal(upper, 0)}"
    )
