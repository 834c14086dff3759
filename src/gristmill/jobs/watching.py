"""Whoever looks at a run while it goes on, all in one way: the display, the log, the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from gristmill.backends.cached import hits
from gristmill.backends.many import Progress
from gristmill.mill import Outcome, Session, Writing

Seen = Session | Writing | Progress
"""What a run shows of itself: rows being embedded, prompts being written, prompts being milled."""


SERVER_COUNTS = ("requests", "failures", "out")
"""What is counted of each server where a model is on several; see `Traffic`."""


class Watcher:
    """Opened before a run begins and closed when it has ended, however that was.

    In between it is called about twice a second, and told of the outcome if there is one.
    """

    def __enter__(self):
        return self

    def __exit__(self, *exc_info: Any) -> None:
        return None

    def __call__(self, seen: Seen) -> None:
        """Look at how far the run is."""
        raise NotImplementedError

    def ended(self, outcome: Outcome) -> None:
        """The run has ended, and its pages are written."""


class Told(Watcher):
    """A user's own function."""

    def __init__(self, watch: Callable[[Seen], None]) -> None:
        self._watch = watch

    def __call__(self, seen: Seen) -> None:
        self._watch(seen)


class Watchers(Watcher):
    """Several as one."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            for watcher in self._watchers:
                stack.enter_context(watcher)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._stack.__exit__(*exc_info)

    def __call__(self, seen: Seen) -> None:
        for watcher in self._watchers:
            watcher(seen)

    def ended(self, outcome: Outcome) -> None:
        for watcher in self._watchers:
            watcher.ended(outcome)


def state_of(seen: Seen) -> dict[str, Any]:
    """How far a run is, as JSON values: the one reading that log and metrics share.

    `phase` is `embedding`, `writing` or `milling`, and says which of the others are there. Nothing
    of what was asked or answered is in it.
    """
    if isinstance(seen, Progress):
        return {
            "phase": "embedding",
            "rows": seen.done,
            "of": seen.total,
            "tokens": seen.tokens,
            "cached": hits(),
            "failures": dict(seen.failed),
        }
    if isinstance(seen, Writing):
        failed = [stage.failed for report in seen.reports for stage in report.stages.values()]
        kinds = {kind for one in failed for kind in one}
        return {
            "phase": "writing",
            "source": seen.name,
            "prompts": seen.delivered,
            "of": seen.wanted,
            "calls": seen.calls,
            "tokens": seen.tokens,
            "cached": hits(),
            "failures": {kind: sum(one[kind] for one in failed) for kind in sorted(kinds)},
        }
    return _milling(seen)


def _milling(session: Session) -> dict[str, Any]:
    tally, spent = session.tally, session.purse.spent()
    traffic = session.traffic
    servers = {
        server: {"used": used, **{n: traffic.servers[server][n] for n in SERVER_COUNTS}}
        for server, used in traffic.used.items()
    }
    return {
        "phase": "milling",
        "read": tally.read,
        "bad_input": tally.bad_input,
        "finished": tally.finished,
        "accepted": tally.accepted,
        "rejected": tally.finished - tally.accepted,
        "target": session.config.target,
        "in_flight": session.executor.in_flight,
        "requests": spent.requests,
        "retries": traffic.retries,
        "cached": hits(),
        "failures": dict(traffic.failures),
        **({"servers": servers} if servers else {}),
        "tokens": {
            "prompt": spent.prompt_tokens,
            "completion": spent.completion_tokens,
            "judge": spent.judge_tokens,
        },
        "usd": round(spent.usd, 6),
        "stopped": session.executor.stopped,
    }
