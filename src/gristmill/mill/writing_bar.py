"""How far prompts are that a model writes."""

from __future__ import annotations

import time

from gristmill.mill.synthesis import Writing
from gristmill.page.text import plural
from gristmill.terminal.live import LiveLine, clock


class WritingBar(LiveLine):
    """How far a source is that a model writes; the `watch` of `write_prompts`."""

    def __call__(self, writing: Writing) -> None:
        self.show(lambda: writing_line(writing), writing.delivered, writing.wanted)


def writing_line(writing: Writing) -> str:
    """How far a source is that a model writes: prompts, calls, tokens, and the time left."""
    done, of = writing.delivered, writing.wanted
    seconds = max(time.monotonic() - writing.started, 1e-9)
    left = f", {clock((of - done) * seconds / done)} left" if done else ""
    return (
        f"{writing.name}: {done:,} of {plural(of, 'prompt')}{left} | "
        f"{plural(writing.calls, 'call')}, "
        f"{writing.calls / seconds:,.0f} calls/s, {writing.tokens / seconds:,.0f} tokens/s"
    )
