"""What a run shows while it goes on: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gristmill.backends.many import Progress
from gristmill.jobs.watching import Seen, Watcher
from gristmill.mill import Config, Session, Writing
from gristmill.mill.prompts import check_source
from gristmill.mill.ready import notices
from gristmill.mill.writing_bar import writing_line
from gristmill.page.text import plural
from gristmill.terminal.live import LiveLine, clock

WINDOW = 20
"""Updates over which rates are averaged, half a second each."""


class Display(LiveLine, Watcher):
    """Use as a context manager, and as the `watch` of a run. shards: how many share its prompts, of
    which this is one."""

    def __init__(
        self, console: Console, config: Config, limit: int | None, shards: int = 1
    ) -> None:
        super().__init__(console)
        for source in config.sources:
            check_source(source)
        counts = [source.count() for source in config.sources]
        rows = sum(c for c in counts if c is not None) if None not in counts else None
        if len(config.sources) < len(config.prompts):
            rows = None  # what recipes will write is not written yet
        if limit is not None:
            rows = limit if rows is None else min(rows, limit)
        for line in notices(config):
            console.print(f"note: {line}", markup=False, soft_wrap=True)
        self._rows = None if rows is None else rows // shards
        self._history: deque[tuple[float, int, int, int]] = deque(maxlen=WINDOW)

    def __call__(self, session: Seen) -> None:
        """Show how far the session is, or what is embedded and written before it."""
        if isinstance(session, Progress):
            done, total = session.done, session.total
            self.show(lambda: f"{done:,} of {plural(total, 'row')} of `keep` embedded", done, total)
            return
        if isinstance(session, Writing):
            self.show(lambda: writing_line(session), session.delivered, session.wanted)
            return
        now = time.monotonic()
        requests = session.traffic.requests
        spent = session.purse.total()
        tokens = spent.prompt_tokens + spent.completion_tokens + spent.judge_tokens
        self._history.append((now, self._done(session), requests, tokens))
        if self._live:
            self._live.update(self._panel(session))
        else:
            self.plain(lambda: f"{self._head(session)} | {_kept(session)} | {self._rates(session)}")

    def _done(self, session: Session) -> int:
        tally = session.tally
        return tally.accepted if session.config.target else tally.finished + tally.bad_input

    def _goal(self, session: Session) -> int | None:
        return session.config.target or self._rows

    def _panel(self, session: Session) -> Group:
        goal = self._goal(session)
        top = Table.grid(padding=(0, 1))
        done = self._done(session)
        bar = ProgressBar(total=goal, completed=done, width=36, pulse=goal is None)
        top.add_row(bar, Text(self._head(session)))
        return Group(top, Text(_kept(session)), Text(self._rates(session), style="dim"))

    def _head(self, session: Session) -> str:
        goal, done = self._goal(session), self._done(session)
        stopping = ""
        if session.executor.stopped == "interrupted":
            stopping = f", finishing {session.executor.in_flight} (Ctrl-C again drops them)"
        shown = min(done, goal) if goal else done
        if session.config.target:
            what = f"{shown:,} of {goal:,} accepted"
        else:
            what = f"{shown:,} of {plural(goal, 'prompt')}" if goal else plural(shown, "prompt")
        return f"{what}{self._eta(goal)}{stopping}"

    def _eta(self, goal: int | None) -> str:
        rate = self._rate(1)
        if not goal or not rate:
            return ""
        left = max(0, goal - self._history[-1][1]) / rate
        return f", {clock(left)} left"

    def _rate(self, column: int) -> float:
        """A history column's growth per second."""
        if len(self._history) < 2:
            return 0.0
        first, last = self._history[0], self._history[-1]
        seconds = last[0] - first[0]
        return (last[column] - first[column]) / seconds if seconds > 0 else 0.0

    def _rates(self, session: Session) -> str:
        parts = [
            f"{self._rate(2):,.0f} requests/s",
            f"{self._rate(3):,.0f} tokens/s",
            f"{session.executor.in_flight} in flight",
        ]
        traffic = session.traffic
        if traffic.retries:
            why = ", ".join(f"{kind} {n:,}" for kind, n in traffic.failures.most_common(2))
            parts.append(f"{plural(traffic.retries, 'retry', 'retries')} ({why})")
        if traffic.used:
            parts.append(f"{sum(traffic.used.values())} of {plural(len(traffic.used), 'server')}")
        if session.purse.priced:
            parts.append(f"${session.purse.usd:,.2f}")
        return ", ".join(parts)


def _kept(session: Session) -> str:
    tally = session.tally
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in tally.reasons.most_common(4))
    bad = f", bad input {tally.bad_input:,}" if tally.bad_input else ""
    return f"accepted {tally.accepted:,}{bad}; put aside: {reasons or 'nothing yet'}"
