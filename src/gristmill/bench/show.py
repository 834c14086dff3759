"""What an evaluation shows on a terminal, while it runs and at its end."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gristmill.bench import words
from gristmill.bench.ask import Progress
from gristmill.page.text import NARROW, duration, label

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class Shown:
    """Use as a context manager, and as the `watch` of an evaluation."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._last = self._began = time.monotonic()
        self._judge = ""
        self._before = 0

    def __enter__(self) -> Shown:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how far the judge is."""
        now = time.monotonic()
        if progress.judge != self._judge:
            self._judge, self._began = progress.judge, now
            self._before = progress.done
        if self._live:
            grid = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=progress.rows, completed=progress.done, width=36)
            grid.add_row(bar, Text(self._line(progress, now)))
            self._live.update(grid)
        elif now - self._last >= PLAIN_EVERY:
            self._last = now
            self._console.print(
                self._line(progress, now), soft_wrap=True, highlight=False, markup=False
            )

    def _line(self, progress: Progress, now: float) -> str:
        done = progress.done - self._before
        rate = done / max(now - self._began, 1e-9)
        which = f" ({progress.number} of {progress.judges})" if progress.judges > 1 else ""
        parts = [f"{label(progress.judge, 60)}{which}: {progress.done:,} of {progress.rows:,}"]
        if done > 0:
            parts.append(f"{rate:,.0f}/s")
            parts.append(f"{progress.tokens / max(now - self._began, 1e-9):,.0f} tokens/s")
            parts.append(f"{duration((progress.rows - progress.done) / rate)} left")
        if progress.failed:
            kinds = ", ".join(f"{kind} {n:,}" for kind, n in progress.failed.most_common(3))
            parts.append(f"without a verdict: {kinds}")
        return ", ".join(parts)


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
    console.print(f"report: {folder}/report.html", soft_wrap=True, markup=False, highlight=False)


def _columns(metrics: dict[str, Any]) -> list[str]:
    """Sections of a board, or subsets."""
    sections = [name for judge in metrics["judges"] for name in judge["sections"]]
    return list(dict.fromkeys(sections)) or list(metrics["subset_rows"])


def _cell(judge: dict[str, Any], name: str) -> dict[str, Any] | None:
    return (judge["sections"] or judge["parts"]).get(name)


def _interval(value: dict[str, Any] | None) -> str:
    return words.share(value).replace(NARROW, " ")
