"""A run's log: one JSON object a line, for machines that keep logs.

Every line has `time` (UTC), `event` and `run`. Events: `start`, `phase`, `progress` every few
seconds, `failure` when a kind of it comes first, `stop` when no further prompt is begun and why,
`end` with the totals. No key is in it, and nothing of prompts and answers.
"""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gristmill.errors import BackendFatal, InputError, StorageError
from gristmill.jobs.watching import Seen, Watcher, state_of
from gristmill.mill import Config, Outcome
from gristmill.page.text import label
from gristmill.parts import name_of
from gristmill.storage import digest, versions

EVERY = 5.0
"""Seconds between lines of progress."""

_LOG = logging.getLogger("gristmill.log")


class RunLog(Watcher):
    """Appends to a file: a run that was resumed is there again, from `start` to `end`.

    One write a line, so that several processes may share a file. A file that cannot be opened is
    a StorageError; one that cannot be written to later is given up with one warning.
    """

    def __init__(self, path: Path, config: Config, folder: Path, limit: int | None) -> None:
        self._path = path
        self._config, self._folder, self._limit = config, folder, limit
        self._fd = -1
        self._said_at = 0.0
        self._phase: tuple[str, str] = ("", "")
        self._stopped = ""
        self._failures: set[str] = set()
        self._over = False

    def __enter__(self):
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise StorageError(f"{self._path}: cannot write: {error.strerror}") from None
        config = self._config
        self._say(
            "start",
            folder=label(self._folder, 300),
            identity=digest(config.identity()),
            model=label(config.models),
            judges=[label(getattr(j, "model", name_of(j))) for j in config.open_judges()],
            target=config.target,
            limit=self._limit,
            cache=config.cache is not None,
            pid=os.getpid(),
            versions=versions(),
        )
        return self

    def __call__(self, seen: Seen) -> None:
        state = state_of(seen)
        phase = (state["phase"], state.get("source", ""))
        if phase != self._phase:
            self._phase, self._said_at = phase, time.monotonic()
            self._say("phase", **{k: state[k] for k in ("phase", "source", "of") if k in state})
        for kind in state["failures"]:
            if kind not in self._failures:
                self._failures.add(kind)
                self._say("failure", kind=label(kind), phase=state["phase"])
        if (stopped := state.get("stopped", "")) != self._stopped:
            self._stopped = stopped
            if stopped:
                self._say("stop", why=label(stopped))
        if time.monotonic() - self._said_at >= EVERY:
            self._said_at = time.monotonic()
            self._say("progress", **state)

    def ended(self, outcome: Outcome) -> None:
        names = "prompts responses reasons rows requests tokens cost_usd seconds"
        totals = {name: outcome.metrics[name] for name in names.split()}
        self._say("end", status=outcome.status, detail=label(outcome.detail, 300), **totals)
        self._over = True

    def __exit__(self, *exc_info: Any) -> None:
        error = exc_info[1]
        if error is not None and not self._over:
            interrupted = isinstance(error, KeyboardInterrupt)
            # What a server says of one request may quote it: of such errors the name alone.
            told = str(error) if isinstance(error, InputError | BackendFatal) else ""
            self._say(
                "end",
                status="interrupted" if interrupted else "error",
                error=type(error).__name__,
                detail=label(told, 300),
            )
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _say(self, event: str, **values: Any) -> None:
        if self._fd < 0:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = {"time": now, "event": event, "run": label(self._config.name), **values}
        try:
            os.write(self._fd, orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            _LOG.warning("%s: %s; going on without the log", self._path, error.strerror)
            os.close(self._fd)
            self._fd = -1
