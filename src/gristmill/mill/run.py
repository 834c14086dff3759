"""The mill: prompts in, graded data sets out."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gristmill.backends import caching, loop
from gristmill.keys import Places
from gristmill.mill.config import Config
from gristmill.mill.ending import origin, outcome, say_what_was_spent
from gristmill.mill.folder import Folder
from gristmill.mill.known import embed_rows
from gristmill.mill.outcome import Outcome
from gristmill.mill.ready import check_all
from gristmill.mill.session import Session, Watch
from gristmill.mill.supply import Supply
from gristmill.mill.write import Passage, Unfinished, write


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
            ended = _run_once(config, folder, supply, limit, watch)
            # Recipes without a count of their own write as many prompts as the target takes.
            if ended.status != "out_of_prompts" or not supply.grow(ended.metrics):
                return ended


def _run_once(
    config: Config, folder: Folder, supply: Supply, limit: int | None, watch: Watch
) -> Outcome:
    with folder.open(config) as journal, calm_collector():
        embed_rows(config, journal, watch)
        written = supply.write(journal, watch)
        session = Session(supply.as_files(), journal, limit)
        session.started = supply.began
        made_by = origin(session, supply.licences())
        counts = None
        if folder.seems_done() and not journal.failed:
            # To look for what is missing, and count what is there, takes half as long again.
            with suppress(Unfinished):
                counts = write(Passage(session.config, journal, limit=limit), folder.data, made_by)
        if counts is None:
            try:
                loop.run(execute(session, watch))
            finally:
                say_what_was_spent(folder, session)
            if not session.executor.stopped:
                journal.forget_partial(session.purse.spent())
            session.feed.note_finished()
            # What these know by now, deciding needs no more, or finds out anew.
            session.tally.filters = ()
            journal.finished = Places()
            counts = write(session.passage(), folder.data, made_by)
        return outcome(folder, session, counts, written)


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
