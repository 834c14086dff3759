from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from gristmill.backends.microbatch import Batcher, Call, Cost, Lanes, Part, choose, choose_groups
from gristmill.errors import BackendError


class Doubling:
    """Doubles numbers; `fault` is raised in place of a batch."""

    def __init__(self, rows: int = 100, tokens: int = 1_000_000, fault: Exception | None = None):
        self.rows, self.tokens, self.fault = rows, tokens, fault
        self.cost: Cost | None = None
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.hold = threading.Event()
        self.hold.set()
        self.started = threading.Event()

    def admit(self, call: Call) -> None:
        if call.item < 0:
            raise BackendError("bad_request", "negative")
        call.width, call.group, call.job = call.item + 1, call.item, call.item

    def run(self, batch, settle) -> None:
        self.batches.append([call.job for call in batch])
        self.started.set()
        self.threads.add(threading.current_thread().name)
        while not self.hold.is_set() and not all(call.gone for call in batch):
            time.sleep(0.001)
        if self.fault is not None:
            raise self.fault
        settle([(call, 2 * call.job) for call in batch])


@pytest.fixture
def lanes():
    pool = ThreadPoolExecutor(2, "lane")
    yield lambda count: Lanes(count, pool)
    pool.shutdown()


def call(width: int, group: object) -> Call:
    made = Call(None, None)  # type: ignore[arg-type]
    made.width, made.group = width, group
    return made


def test_calls_that_wait_run_together_off_the_loops_thread(lanes):
    work = Doubling()

    async def main() -> list[int]:
        batcher = Batcher(work, "m", lanes(1))
        return await asyncio.gather(*(batcher.submit(i) for i in range(50)))

    assert asyncio.run(main()) == [2 * i for i in range(50)]
    assert len(work.batches) == 1
    assert all(name.startswith("lane") for name in work.threads)


def test_rows_bound_a_batch_and_lanes_share_the_rest(lanes):
    work = Doubling(rows=40)

    async def main(count: int) -> list[int]:
        batcher = Batcher(work, "m", lanes(count))
        return await asyncio.gather(*(batcher.submit(i % 7) for i in range(70)))

    assert asyncio.run(main(1)) == [2 * (i % 7) for i in range(70)]
    assert sorted(map(len, work.batches)) == [30, 40]
    work.batches.clear()
    asyncio.run(main(2))
    assert sum(map(len, work.batches)) == 70
    assert max(map(len, work.batches)) <= 40


def test_a_call_that_cannot_be_admitted_fails_alone(lanes):
    async def main() -> list[object]:
        batcher = Batcher(Doubling(), "m", lanes(1))
        return await asyncio.gather(
            *(batcher.submit(i) for i in (1, -1, 2)), return_exceptions=True
        )

    one, bad, two = asyncio.run(main())
    assert (one, two) == (2, 4)
    assert isinstance(bad, BackendError)
    assert bad.kind == "bad_request"


def test_a_batch_that_breaks_fails_each_of_its_calls(lanes):
    async def main() -> list[object]:
        batcher = Batcher(Doubling(fault=ZeroDivisionError("oh\nno")), "model 'm'", lanes(1))
        return await asyncio.gather(*map(batcher.submit, range(3)), return_exceptions=True)

    for error in asyncio.run(main()):
        assert isinstance(error, BackendError)
        assert error.kind == "server"
        assert str(error) == "model 'm': ZeroDivisionError: oh no"


def test_calls_whose_cost_cannot_be_told_fail(lanes):
    def cost(calls) -> int:
        raise ZeroDivisionError("no cost")

    async def main() -> list[object]:
        work = Doubling()
        work.cost = cost
        batcher = Batcher(work, "m", lanes(1))
        return await asyncio.gather(*map(batcher.submit, range(3)), return_exceptions=True)

    assert [str(e) for e in asyncio.run(main())] == ["m: ZeroDivisionError: no cost"] * 3


def test_out_of_memory_halves_the_batch_and_goes_on(lanes):
    class Small(Doubling):
        def run(self, batch, settle) -> None:
            if len(batch) > 3:
                raise MemoryError
            super().run(batch, settle)

    work = Small()

    async def main() -> list[int]:
        batcher = Batcher(work, "m", lanes(1))
        return await asyncio.gather(*map(batcher.submit, range(16)))

    assert asyncio.run(main()) == [2 * i for i in range(16)]
    assert work.rows == 2


def test_out_of_memory_with_one_row_is_a_failure(lanes):
    async def main() -> None:
        await Batcher(Doubling(fault=MemoryError("full")), "m", lanes(1)).submit(1)

    with pytest.raises(BackendError, match="MemoryError: full"):
        asyncio.run(main())


def test_a_cancelled_call_harms_nobody_and_is_not_computed(lanes):
    work = Doubling(rows=1)
    work.hold.clear()

    async def main() -> int:
        batcher = Batcher(work, "m", lanes(1))
        first, second, third = (asyncio.create_task(batcher.submit(i)) for i in (1, 2, 3))
        await asyncio.to_thread(work.started.wait, 10)
        second.cancel()
        work.hold.set()
        with pytest.raises(asyncio.CancelledError):
            await second
        return await first + await third

    assert asyncio.run(main()) == 8
    assert work.batches == [[1], [3]]


def test_closing_ends_a_running_batch_and_drops_the_rest(lanes):
    work = Doubling(rows=1)
    work.hold.clear()

    async def main() -> list[object]:
        batcher = Batcher(work, "m", lanes(1))
        calls = [asyncio.create_task(batcher.submit(i)) for i in (1, 2)]
        await asyncio.to_thread(work.started.wait, 10)
        for task in calls:
            task.cancel()
        await asyncio.wait_for(batcher.close(), 5)
        return await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(r, asyncio.CancelledError) for r in asyncio.run(main()))
    assert len(work.batches) == 1


def test_a_call_that_comes_just_as_the_last_batch_ends_is_not_left_waiting():
    class AtOnce(ThreadPoolExecutor):
        """Runs what it is given in place, so that what happens in which order is certain."""

        def submit(self, fn, /, *args, **kwargs):
            done = Future()
            done.set_result(fn(*args, **kwargs))
            return done

    async def main() -> list[int]:
        batcher = Batcher(Doubling(), "m", Lanes(1, AtOnce(1)))
        found = []
        for turns in range(8):
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                found.append(await batcher.submit(turns))
        return found

    assert asyncio.run(main()) == [2 * i for i in range(8)]


def test_the_loop_is_free_while_a_batch_runs(lanes):
    work = Doubling()
    work.hold.clear()

    async def main() -> int:
        batcher = Batcher(work, "m", lanes(1))
        task = asyncio.create_task(batcher.submit(4))
        for _ in range(20):
            await asyncio.sleep(0.001)
        work.hold.set()
        return await task

    assert asyncio.run(main()) == 8


def test_choose_takes_the_oldest_and_its_like_and_keeps_groups_together():
    waiting = [call(w, g) for w, g in ((10, "a"), (90, "b"), (11, "c"), (10, "d"), (10, "a"))]
    assert [c.group for c in choose(waiting, 3, 1000)] == ["a", "a", "d"]
    assert [c.width for c in choose(waiting, 9, 44)] == [10, 10, 10, 11]
    assert [c.width for c in choose(waiting, 9, 5)] == [10]


def test_choose_groups_takes_whole_groups_as_they_came():
    waiting = [call(30, g) for g in "abacbbad"]

    def cost(calls) -> int:
        assert len({c.group for c in calls}) == 1
        return 20 + 10 * len(calls)

    def chosen(rows: int, tokens: int) -> str:
        return "".join(str(c.group) for c in choose_groups(waiting, rows, tokens, cost))

    assert chosen(100, 1000) == "aaabbbcd"
    assert chosen(6, 1000) == "aaabbb"
    assert chosen(5, 1000) == "aaa"
    assert chosen(100, 129) == "aaabbb"
    # The first group is cut where it does not fit, and the first call always taken.
    assert chosen(2, 1000) == "aa"
    assert chosen(100, 49) == "a"
    assert chosen(100, 1) == "a"


def test_calls_join_a_batch_that_runs_unless_a_lane_is_free_or_another_model_waits(lanes):
    class Joining(Doubling):
        def run(self, batch, settle) -> None:
            self.batches.append([call.job for call in batch])
            self.started.set()
            self.hold.wait(10)
            joined = settle.more(len(batch), 5, 5)
            self.batches[-1] += [call.job for call in joined]
            settle([(call, 2 * call.job) for call in (*batch, *joined)])

    async def main(count: int, rows: int, waiting: bool) -> list[list[int]]:
        work = Joining(rows=rows)
        work.hold.clear()
        all_lanes = lanes(count)
        batcher = Batcher(work, "m", all_lanes)
        first = asyncio.ensure_future(batcher.submit(1))
        await asyncio.to_thread(work.started.wait)
        later = [asyncio.ensure_future(batcher.submit(i)) for i in (2, 3, 4)]
        await asyncio.sleep(0)
        if waiting:
            all_lanes.waiting.add("another model's")
        work.hold.set()
        assert await asyncio.gather(first, *later) == [2, 4, 6, 8]
        return work.batches

    assert asyncio.run(main(1, 100, False)) == [[1, 2, 3, 4]]
    assert asyncio.run(main(1, 3, False)) == [[1, 2, 3], [4]]
    assert asyncio.run(main(1, 100, True)) == [[1], [2, 3, 4]]


def test_a_caller_is_told_of_parts(lanes):
    class Telling(Doubling):
        def run(self, batch, settle) -> None:
            settle([(call, Part(call.job)) for call in batch])
            super().run(batch, settle)

    async def main() -> tuple[list[int], list[int]]:
        told: list[int] = []
        batcher = Batcher(Telling(), "m", lanes(1))
        done = await asyncio.gather(batcher.submit(7, told.append), batcher.submit(8))
        return told, done

    assert asyncio.run(main()) == ([7], [14, 16])
