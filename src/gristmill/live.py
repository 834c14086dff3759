"""The bar of work that calls one model many times; plain lines where there is no terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gristmill.backends.many import Progress

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class Bar:
    """Use as a context manager, and as the `watch` of `backends.many.call_all`. Override `line`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._last = self._began = time.monotonic()
        self._task: tuple[str, str] | None = None
        self._before = 0

    def line(self, progress: Progress, done: int, seconds: float) -> str:
        """How far the model is, in words. done: in this session, which began `seconds` ago."""
        raise NotImplementedError

    def __enter__(self):
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how far the model is."""
        now = time.monotonic()
        if (progress.phase, progress.who) != self._task:
            self._task, self._began = (progress.phase, progress.who), now
            self._before = progress.done
        seconds = max(now - self._began, 1e-9)
        if self._live:
            line = self.line(progress, progress.done - self._before, seconds)
            grid = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=max(progress.total, 1), completed=progress.done, width=36)
            grid.add_row(bar, Text(line))
            self._live.update(grid)
        elif now - self._last >= PLAIN_EVERY:
            self._last = now
            line = self.line(progress, progress.done - self._before, seconds)
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)
