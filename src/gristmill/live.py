"""A bar and a line of how far work is; plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gristmill.backends.many import Progress

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class LiveLine:
    """One line beside a bar, redrawn on a terminal; elsewhere printed every few seconds.

    Use as a context manager. Without a terminal `show` asks for the line only when it is due.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._last = time.monotonic()

    def __enter__(self):
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, line: Callable[[], str], done: int, total: int) -> None:
        """How far the work is: `done` of `total`, and in words."""
        now = time.monotonic()
        if self._live:
            grid = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=max(total, 1), completed=done, width=36)
            grid.add_row(bar, Text(line()))
            self._live.update(grid)
        elif now - self._last >= PLAIN_EVERY:
            self._last = now
            self._console.print(line(), soft_wrap=True, highlight=False, markup=False)


class Bar(LiveLine):
    """The `watch` of `backends.many.call_all`. Override `line`."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._began = self._last
        self._task: tuple[str, str] | None = None
        self._before = 0

    def line(self, progress: Progress, done: int, seconds: float) -> str:
        """How far the model is, in words. done: in this session, which began `seconds` ago."""
        raise NotImplementedError

    def __call__(self, progress: Progress) -> None:
        """Show how far the model is."""
        now = time.monotonic()
        if (progress.phase, progress.who) != self._task:
            self._task, self._began = (progress.phase, progress.who), now
            self._before = progress.done
        seconds = max(now - self._began, 1e-9)
        done = progress.done - self._before
        self.show(lambda: self.line(progress, done, seconds), progress.done, progress.total)
