"""What a comparison shows on a terminal at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gristmill.comparing import words
from gristmill.comparing.table import lines
from gristmill.page.text import NARROW, label


def show_comparison(console: Console, metrics: dict[str, Any], folder: Path) -> None:
    """The table, and what is to be known about it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for one in metrics["models"]:
        table.add_column(label(one["name"], 40), justify="right", overflow="fold")
    table.add_column("B less A, or both", overflow="fold")
    for line in lines(metrics, narrow=True):
        table.add_row(*(cell.replace(NARROW, " ") for cell in line))
    console.print(table)
    for line in words.warnings(metrics):
        console.print(line, style="yellow", soft_wrap=True, markup=False, highlight=False)
    console.print(f"report: {folder}/report.html", soft_wrap=True, markup=False, highlight=False)
