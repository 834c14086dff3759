"""What an evaluation shows on a terminal, while it runs and at its end."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from gristmill.bench import words
from gristmill.page.text import NARROW, label, plural


def show_scores(console: Console, metrics: dict[str, Any], folder: Any) -> None:
    """The table of judges and sections (or subsets), and what is to be known about it."""
    judges = metrics["judges"]
    names = _columns(metrics)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for judge in judges:
        table.add_column(label(judge["name"], 40), justify="right", overflow="fold")
    whole = ("score", *(j["score"] for j in judges)) if any(j["score"] for j in judges) else None
    for name in names:
        cells = (_cell(judge, name) for judge in judges)
        table.add_row(label(name), *(_interval(cell) for cell in cells))
    if whole:
        table.add_row("score", *(_interval(j["score"]) for j in judges), style="bold")
    else:
        every = (_interval(words.accuracy(judge)) for judge in judges)
        table.add_row("all rows", *every, style="bold")
    console.print(table)
    for line in words.warnings(metrics):
        console.print(line, style="yellow", soft_wrap=True, markup=False, highlight=False)
    if metrics["cached"]:
        console.print(f"{plural(metrics['cached'], 'answer')} out of the cache")
    console.print(f"report: {folder}/report.html", soft_wrap=True, markup=False, highlight=False)


def _columns(metrics: dict[str, Any]) -> list[str]:
    """Sections of a board, or subsets."""
    sections = [name for judge in metrics["judges"] for name in judge["sections"]]
    return list(dict.fromkeys(sections)) or list(metrics["subset_rows"])


def _cell(judge: dict[str, Any], name: str) -> dict[str, Any] | None:
    return (judge["sections"] or judge["parts"]).get(name)


def _interval(value: dict[str, Any] | None) -> str:
    return words.share(value).replace(NARROW, " ")
