"""The event loop that runs work on many calls: uvloop where it is installed, which costs less.

A notebook, FastAPI or pytest-asyncio has a loop running in the thread that calls. No second one can
run there, so the work gets a thread of its own, and the caller waits for it.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

LISTENS = 0.2
"""Seconds after which a thread that waits for another looks whether there was a Ctrl-C."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on the fastest loop there is, whether or not one is running here already.

    Raises what `main` raises, and KeyboardInterrupt after Ctrl-C, once what runs was cancelled and
    has ended; see `interrupts`.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        beside = _BESIDE.get()
        return _run(beside.noted(main) if beside else main)
    return _Beside().run(main)


async def awaited(work: Callable[[], T]) -> T:
    """What `work`, which calls `run`, returns: it is done in a thread of its own, and the loop that
    runs here goes on. Being cancelled is passed on as Ctrl-C is, and waits for the work to end."""
    beside, context = _Beside(), copy_context()
    context.run(_BESIDE.set, beside)
    with ThreadPoolExecutor(1, "gristmill") as pool:
        ending = asyncio.wrap_future(pool.submit(context.run, work))
        cancelled = False
        while not ending.done():
            try:
                await asyncio.wait([ending])
            except asyncio.CancelledError:
                cancelled = True
                beside.interrupt()
    if cancelled:
        ending.exception()  # seen, and less than that we were cancelled
        raise asyncio.CancelledError
    return ending.result()


@contextmanager
def interrupts(handle: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls `handle` in the running loop, instead of cancelling what runs in it."""
    beside, here = _BESIDE.get(), asyncio.get_running_loop()
    if beside is not None:
        beside.handle, before = handle, beside.handle
        try:
            yield
        finally:
            beside.handle = before
        return
    # Neither on Windows nor outside the main thread, where Ctrl-C is somebody else's.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        here.add_signal_handler(signal.SIGINT, handle)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            here.remove_signal_handler(signal.SIGINT)


class _Beside:
    """Work in a thread of its own, while the thread that asked for it waits.

    Signals reach the main thread alone; if that is the one that waits, it passes Ctrl-C on.
    """

    def __init__(self) -> None:
        self.handle: Callable[[], None] = self._cancel
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._interrupted = False
        # Its own thread may take it again: a signal's handler comes in the middle of anything.
        self._starting = threading.RLock()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        with ThreadPoolExecutor(1, "gristmill") as pool, self._signals():
            future = pool.submit(copy_context().run, _run, self.noted(main))
            try:
                # The system may give a signal to another thread, the second of two above all, and
                # then nothing wakes this one, which alone may handle it.
                while not wait((future,), LISTENS).done:
                    pass
                return future.result()
            except asyncio.CancelledError:
                if self._interrupted:
                    raise KeyboardInterrupt from None
                raise
            except BaseException:
                # Of the work, which has ended then, or of this thread: the pool waits for it.
                self._pass_on(self._cancel)
                raise

    async def noted(self, main: Coroutine[Any, Any, T]) -> T:
        _BESIDE.set(self)
        with self._starting:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            interrupted = self._interrupted
        if interrupted:
            main.close()
            raise asyncio.CancelledError
        try:
            return await main
        finally:
            self._loop = None

    def interrupt(self) -> None:
        """Do what Ctrl-C does, to what runs now or next."""
        self._pass_on(lambda: self.handle())

    def _cancel(self) -> None:
        assert self._task is not None
        self._interrupted = True
        self._task.cancel()

    def _pass_on(self, handle: Callable[[], None]) -> None:
        with self._starting:
            here = self._loop
            self._interrupted = self._interrupted or here is None
        if here is not None:
            with suppress(RuntimeError):  # The loop is closed: the work has ended.
                here.call_soon_threadsafe(handle)

    def _signal(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupt()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        # What asyncio.run puts there would cancel the task that waits, which no longer looks.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)


_BESIDE: ContextVar[_Beside | None] = ContextVar("_BESIDE", default=None)


def _run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=_factory()) as runner:
        runner.get_loop().set_exception_handler(_unhandled)
        return runner.run(main)


def _unhandled(here: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a loop says of an error that nobody looked at. That of a connection is one more of those
    that a call has told already, of one whose call was dropped meanwhile."""
    if not isinstance(context.get("exception"), OSError):
        here.default_exception_handler(context)


def _factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop
    return uvloop.new_event_loop
