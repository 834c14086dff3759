"""A bar and a line of how far work is, redrawn on a terminal and in a notebook; plain lines where
neither is, as in a script."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gristmill.backends.many import Progress
from gristmill.page.text import duration, label
from gristmill.terminal.console import live

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class LiveLine:
    """One line beside a bar, redrawn where that can be; elsewhere printed every few seconds.

    Use as a context manager. Where nothing is redrawn `show` asks for the line only when it is due.
    """

    says_last = True
    """Whether the last line is said at the end, where nothing is redrawn."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = live(console)
        self._last = time.monotonic()
        self._unsaid: Callable[[], str] | None = None

    def __enter__(self):
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
        elif self._unsaid and self.says_last:
            self._say(self._unsaid)

    def show(self, line: Callable[[], str], done: int, total: int) -> None:
        """How far the work is: `done` of `total`, and in words."""
        if self._live:
            grid = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=max(total, 1), completed=done, width=36)
            grid.add_row(bar, Text(line()))
            self._live.update(grid)
        else:
            self.plain(line)

    def plain(self, line: Callable[[], str]) -> None:
        """Say a line where none was said for a while; the last one is said at the end."""
        now = time.monotonic()
        self._unsaid = line
        if now - self._last >= PLAIN_EVERY:
            self._last = now
            self._say(line)

    def _say(self, line: Callable[[], str]) -> None:
        self._unsaid = None
        self._console.print(line(), soft_wrap=True, highlight=False, markup=False)


class Bar(LiveLine):
    """The `watch` of `backends.many.call_all`."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._began = self._last
        self._task: tuple[str, str] | None = None
        self._before = 0

    def __call__(self, progress: Progress) -> None:
        """Show how far the model is."""
        now = time.monotonic()
        if (progress.phase, progress.who) != self._task:
            self._task, self._began = (progress.phase, progress.who), now
            self._before = progress.done
        seconds = max(now - self._began, 1e-9)
        done = progress.done - self._before
        self.show(lambda: _line(progress, done, seconds), progress.done, progress.total)


def _line(progress: Progress, done: int, seconds: float) -> str:
    """How far the model is, in words. done: in this session, which began `seconds` ago."""
    which = f" ({progress.number} of {progress.of})" if progress.of > 1 else ""
    phase = f"{progress.phase} of " if progress.phase else ""
    of = f" of {progress.total:,}" if progress.total else ""
    parts = [f"{phase}{label(progress.who, 60)}{which}: {progress.done:,}{of}"]
    if done > 0:
        rate = done / seconds
        parts.append(f"{rate:,.0f}/s" if rate >= 1 else f"{60 * rate:,.1f}/min")
        parts.append(f"{progress.tokens / seconds:,.0f} tokens/s")
        if progress.total:
            parts.append(f"{duration((progress.total - progress.done) / rate)} left")
    if progress.failed:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in progress.failed.most_common(3))
        parts.append(f"failed: {kinds}")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """`4:05`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
