"""The mill: prompts in, graded data sets out."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gristmill.backends import ChatBackend, Remembered, caching, loop, open_chat
from gristmill.backends.base import Backend, Traffic
from gristmill.backends.cached import hits
from gristmill.backends.calling import Calling
from gristmill.backends.many import Progress
from gristmill.errors import DataError, StorageError
from gristmill.judges.base import GroupJudge, Judge, Rules
from gristmill.keys import Places
from gristmill.mill.budget import Purse, prices
from gristmill.mill.config import Config
from gristmill.mill.execute import Executor
from gristmill.mill.feed import Feed
from gristmill.mill.folder import Folder
from gristmill.mill.generate import Generate
from gristmill.mill.journal import Journal
from gristmill.mill.known import embed_rows, opened_filters
from gristmill.mill.outcome import Outcome
from gristmill.mill.ready import check_all
from gristmill.mill.rows import Origin
from gristmill.mill.shard import Shard
from gristmill.mill.supply import Supply
from gristmill.mill.synthesis import Writing
from gristmill.mill.tally import Tally
from gristmill.mill.write import Counts, Passage, Unfinished, as_metrics, write
from gristmill.page.text import plural
from gristmill.parts import name_of
from gristmill.records import Response
from gristmill.storage import tables, versions, write_atomically


@dataclass
class Session:
    """One process's work on a run, or on one shard of it; what the display looks at while it goes
    on."""

    config: Config
    journal: Journal
    limit: int | None = None
    shard: Shard | None = None

    def __post_init__(self) -> None:
        # Those that look at all responses together come last: they need them all.
        judges = sorted(self.config.open_judges(), key=lambda j: isinstance(j, GroupJudge))
        generate = self.config.generate
        spent, elsewhere = self.journal.spent, self.journal.elsewhere
        paid = prices(generate), prices(judges)
        self.purse = Purse(self.config.budget, spent, *paid, elsewhere)
        self.judges: list[tuple[Judge, Backend]] = [
            (judge, self._opened(judge, number)) for number, judge in enumerate(judges)
        ]
        self.chats = _opened_chats(generate)
        for chat in self.chats:
            chat.folder = self.journal.folder
        filters = opened_filters(self.config, self.journal)
        self.tally = Tally(filters, self.config.select.weights)
        self.feed = Feed(self.config, self.journal, self.tally, self.limit, self.shard)
        self.executor = Executor(
            self.config, self.journal, self.purse, self.tally, self.chats, self.judges
        )
        self.started = time.monotonic()

    def _opened(self, judge: Judge, number: int) -> Backend:
        """The judge's backend. What a chat model answers it is kept, and counted as it comes: it
        is paid for at two prices, and whether or not there is a verdict in it."""

        def paid(answer: Response) -> list[float]:
            self.purse.add_judging(number, *answer.paid)
            return self.purse.spent().as_list()

        backend = judge.open()
        backend.folder = self.journal.folder
        if not isinstance(backend, ChatBackend):
            return backend
        calling = judge if isinstance(judge, Calling) else None
        return Remembered(backend, self.journal.calls, paid, calling)

    def backends(self) -> list[Backend]:
        """Those that answer first; not those in whose place rules decide."""
        return [*dict.fromkeys(self.chats), *self.grading()]

    def grading(self) -> list[Backend]:
        """Those of judges that ask a model."""
        return [b for _, b in self.judges if not isinstance(b, Rules)]

    @property
    def traffic(self) -> Traffic:
        """What all backends together did in this session."""
        return Traffic.total(backend.traffic for backend in self.backends())

    def passage(self) -> Passage:
        """All that is finished so far, in the input's order."""
        return Passage(self.config, self.journal, self.feed.places)


def _opened_chats(entries: Sequence[Generate]) -> list[ChatBackend]:
    """The backend of each entry of `generate`; entries that call one model alike, and only sample
    otherwise, have one together, for its weights may be here."""
    opened: dict[str, ChatBackend] = {}
    called = [entry.model_dump_json(include=set(Calling.model_fields)) for entry in entries]
    for how, entry in zip(called, entries, strict=True):
        if how not in opened:
            opened[how] = open_chat(entry)
    return [opened[how] for how in called]


Watch = Callable[[Session | Writing | Progress], None]


def run(
    config: Config, out: str | Path, *, limit: int | None = None, watch: Watch | None = None
) -> Outcome:
    """Run a config into a folder; with the same folder again, it resumes.

    limit: look at the first so many lines of the prompt files only.
    watch: called about twice a second with the running `Session`, for a display; before that
    with the `Progress` of rows being embedded, and the `Writing` of each source that a model
    writes.
    Raises InputError for what the user must put right and RunError for what failed; whatever
    was finished by then stays in the checkpoint.
    """
    folder = Folder(Path(out))
    check_all(config)
    watch = watch or (lambda _: None)
    supply = Supply(config, folder, limit)
    with caching(config.cache):
        while True:
            outcome = _run_once(config, folder, supply, limit, watch)
            # Recipes without a count of their own write as many prompts as the target takes.
            if outcome.status != "out_of_prompts" or not supply.grow(outcome.metrics):
                return outcome


def _run_once(
    config: Config, folder: Folder, supply: Supply, limit: int | None, watch: Watch
) -> Outcome:
    with folder.open(config) as journal, calm_collector():
        embed_rows(config, journal, watch)
        written = supply.write(journal, watch)
        session = Session(supply.as_files(), journal, limit)
        session.started = supply.began
        origin = _origin(session, supply.licences())
        counts = None
        if folder.seems_done() and not journal.failed:
            # To look for what is missing, and count what is there, takes half as long again.
            with suppress(Unfinished):
                counts = write(Passage(session.config, journal, limit=limit), folder.data, origin)
        if counts is None:
            try:
                loop.run(execute(session, watch))
            finally:
                _say_what_was_spent(folder, session)
            if not session.executor.stopped:
                journal.forget_partial(session.purse.spent())
            session.feed.note_finished()
            # What these know by now, deciding needs no more, or finds out anew.
            session.tally.filters = ()
            journal.finished = Places()
            counts = write(session.passage(), folder.data, origin)
        return _outcome(folder, session, counts, written)


async def execute(session: Session, watch: Watch) -> None:
    """Run until the target is met exactly, or there is no more to run.

    Filters with a memory decide in the input's order only at the end, so the count that stopped
    the run may be a little off; then it goes on for what is missing.
    """
    executor, target = session.executor, session.config.target
    main = asyncio.current_task()
    assert main is not None

    def interrupt() -> None:
        """The first Ctrl-C lets the requests in flight finish, the second drops them."""
        if executor.stopped == "interrupted":
            main.cancel()
        executor.stopped = "interrupted"

    with loop.interrupts(interrupt):
        need = target
        while True:
            with suppress(asyncio.CancelledError):
                await executor.run(session.feed, need, lambda: watch(session))
            if target is None or need is None or executor.stopped != "target":
                return
            missing = target - session.passage().accepted()
            if missing <= 0:
                return
            need = session.tally.accepted + missing


@contextmanager
def calm_collector() -> Iterator[None]:
    """Let the cyclic garbage collector run less often and leave alone what is there already.

    A call makes many short-lived objects and hardly a cycle; at the default thresholds the
    collector walks over every imported module again and again, a fifth of the whole time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _origin(session: Session, recipes: list[str | None]) -> Origin:
    """recipes: licences of the models that wrote prompts."""
    beside = [*(b.licence for b in session.grading()), *recipes]
    judges = [str(getattr(judge, "model", name_of(judge))) for judge, _ in session.judges]
    return Origin(
        [entry.model for entry in session.config.generate],
        judges,
        # None stays: a row made by a model of unknown licence must not look free.
        [list(dict.fromkeys([chat.licence, *beside])) for chat in session.chats],
        session.config.seed,
        session.config.lineup().owners,
    )


def _status(session: Session, counts: Counts) -> tuple[str, str]:
    stopped, target = session.executor.stopped, session.config.target
    failed = counts.responses("failed")
    if counts.finished and failed == counts.responses("asked"):
        what = "verdict" if counts.responses("sampled") else "response"
        all_ = f"all {plural(failed, what)}" if failed > 1 else f"the only {what}"
        return "failed", f"{all_} failed ({', '.join(counts.reasons)})"
    if stopped == "interrupted":
        return "interrupted", ""
    if stopped.startswith("budget"):
        return "budget", stopped
    if target is None:
        return "complete", ""
    return ("target" if counts.accepted >= target else "out_of_prompts"), ""


def _traffic(session: Session) -> dict[str, Any]:
    now = session.traffic
    return {
        "sent": session.purse.requests,
        "sent_now": now.requests,
        "cached": hits(),
        "retries": now.retries,
        "failures": dict(now.failures),
        **({"servers": now.servers} if now.servers else {}),
    }


def _outcome(folder: Folder, session: Session, counts: Counts, written: list[Writing]) -> Outcome:
    status, detail = _status(session, counts)
    short = [
        f"{w.name}: {w.delivered:,} of {plural(w.wanted, 'prompt')} ({w.short})"
        for w in written
        if w.short
    ]
    if any(w.short for w in written):
        detail = "; ".join([*([detail] if detail else []), *short])
    if written and not counts.prompts_read:
        budget = any(r.stopped.startswith("budget") for w in written for r in w.reports)
        status = "budget" if budget else "failed"
    spent = session.purse.total()
    metrics = {
        "name": session.config.name,
        "status": status,
        "detail": detail,
        **as_metrics(counts, session.config.target),
        "requests": _traffic(session),
        "tokens": {
            "prompt": spent.prompt_tokens,
            "completion": spent.completion_tokens,
            "judge": spent.judge_tokens,
        },
        "recipes": [w.as_json() for w in written],
        "cost_usd": round(spent.usd, 6) if session.purse.priced else None,
        "seconds": round(time.monotonic() - session.started, 3),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "truth": None,
        "versions": versions(),
    }
    write_atomically(folder.metrics, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
    if counts.bad_input and counts.bad_input == counts.prompts_read:
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts.reasons.items())
        rejected = tables.place_of(folder.data / "rejected.parquet")
        raise DataError(
            f"no line of the input is a prompt ({reasons}), the first: {counts.unread}; "
            f"see {rejected}"
        )
    said = ""
    if status == "failed":
        said = counts.said or next((w.said for w in written if w.said), "")
    return Outcome(folder.path, status, detail, metrics, said)


def _say_what_was_spent(folder: Folder, session: Session) -> None:
    """Leave word even of a run that fails: requests by outcome, in the checkpoint's folder."""
    text = orjson.dumps(_traffic(session), option=orjson.OPT_INDENT_2)
    with suppress(StorageError):
        write_atomically(folder.checkpoint / "requests.json", text)
        session.journal.add_spent(session.purse.spent())
