"""The loop that work runs on, alone and where one is running already."""

import asyncio
import gc
import os
import signal
import threading

import pytest

from gristmill.backends import loop


async def in_notebook(call):
    """What a cell of a notebook is: code that calls, in a thread whose loop is running."""
    return call()


WHERE = [lambda call: call(), lambda call: asyncio.run(in_notebook(call))]
AS = ["alone", "in a running loop"]


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("where", WHERE, ids=AS)
def test_results_and_errors_arrive(where):
    async def work():
        await asyncio.sleep(0)
        return threading.current_thread() is threading.main_thread()

    async def fails():
        raise ValueError("it is this")

    assert where(lambda: loop.run(work())) is (where is WHERE[0])
    with pytest.raises(ValueError, match="it is this"):
        where(lambda: loop.run(fails()))


@pytest.mark.parametrize("where", WHERE, ids=AS)
def test_ctrl_c_ends_what_runs_and_then_raises(where):
    ended = []

    async def work():
        try:
            ctrl_c()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(threading.current_thread().name)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        where(lambda: loop.run(work()))
    assert len(ended) == 1
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("where", WHERE, ids=AS)
def test_who_handles_ctrl_c_is_called_in_the_loop_and_goes_on(where):
    async def work():
        heard, here = asyncio.Event(), asyncio.get_running_loop()
        handled = []

        def handle():
            handled.append(asyncio.get_running_loop() is here)
            heard.set()

        with loop.interrupts(handle):
            for _ in range(2):
                heard.clear()
                ctrl_c()
                await heard.wait()
        return handled

    assert where(lambda: loop.run(work())) == [True, True]


def test_a_cancelled_task_is_no_ctrl_c():
    async def work():
        raise asyncio.CancelledError

    async def cell():
        with pytest.raises(asyncio.CancelledError):
            loop.run(work())

    asyncio.run(cell())


def test_in_a_thread_that_is_not_the_main_one_ctrl_c_is_left_alone():
    found = []

    async def work():
        with loop.interrupts(lambda: None):
            return signal.getsignal(signal.SIGINT)

    def thread():
        found.append(loop.run(work()))
        found.append(asyncio.run(in_notebook(lambda: loop.run(work()))))

    started = threading.Thread(target=thread)
    started.start()
    started.join()
    assert found == [signal.getsignal(signal.SIGINT)] * 2


def test_a_dropped_connection_s_error_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    async def drop(error: Exception) -> None:
        asyncio.get_running_loop().create_future().set_exception(error)
        gc.collect()

    loop.run(drop(ConnectionResetError("gone")))
    assert not caplog.records
    loop.run(drop(ValueError("a mistake of ours")))
    assert "never retrieved" in caplog.text


def test_ctrl_c_that_another_thread_is_given_is_heard():
    """The second of two that come at once; the kernel chooses the thread."""

    async def work():
        heard = asyncio.Event()
        with loop.interrupts(heard.set):
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            await asyncio.wait_for(heard.wait(), 10)
        return "heard"

    assert asyncio.run(in_notebook(lambda: loop.run(work()))) == "heard"
