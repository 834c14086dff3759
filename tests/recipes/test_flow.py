"""Stages that hand items on in order, whoever is faster, and begin nothing that nobody wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.recipes._flow import Wanted, each
from gristmill.recipes._mix import Mix


def running() -> int:
    """Tasks beside the test's own."""
    return len(asyncio.all_tasks()) - 1


async def take(source: AsyncGenerator[object], wanted: Wanted) -> list[object]:
    """Items until none is wanted."""
    found = []
    async with aclosing(source) as items:
        async for item in items:
            found.append(item)
            wanted.left -= 1
            if not wanted.left:
                break
    return found


async def numbers(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 60))
def test_the_order_is_that_of_the_source_whatever_the_latency(
    seed: int, ahead: int, count: int
) -> None:
    random = Random(seed)
    waits = [random.randrange(4) for _ in range(60)]

    async def work(number: int) -> list[tuple[int, int]]:
        for _ in range(waits[number]):
            await asyncio.sleep(0)
        return [(number, part) for part in range(number % 3)]

    async def run() -> None:
        wanted = Wanted(count)
        found = await take(each(numbers(60), work, wanted.stage(ahead, 1.0)), wanted)
        expected = [(n, part) for n in range(60) for part in range(n % 3)]
        assert found == expected[:count]
        assert running() == 0

    asyncio.run(run())


def test_no_more_is_begun_than_is_wanted() -> None:
    begun: list[int] = []

    async def work(number: int) -> list[int]:
        begun.append(number)
        await asyncio.sleep(0.001)
        return [number] * 5

    async def run() -> None:
        wanted = Wanted(23)
        await take(each(numbers(1000), work, wanted.stage(64, 5.0)), wanted)

    asyncio.run(run())
    assert begun == [0, 1, 2, 3, 4]


def test_a_stage_counts_what_the_stages_after_it_have_under_way() -> None:
    begun: list[int] = []

    async def topics(number: int) -> list[int]:
        begun.append(number)
        return [number * 10 + part for part in range(4)]

    async def questions(number: int) -> list[int]:
        await asyncio.sleep(0.001)
        return [number]

    async def run() -> None:
        wanted = Wanted(12)
        first = each(numbers(1000), topics, wanted.stage(64, 4.0))
        found = await take(each(first, questions, wanted.stage(64, 1.0)), wanted)
        assert len(found) == 12
        assert running() == 0

    asyncio.run(run())
    assert begun == [0, 1, 2]


def test_a_deeper_stage_comes_before_the_others_though_it_begins_later() -> None:
    wanted = Wanted(10)
    outer = wanted.stage(4, 1.0)
    inner = wanted.stage(4, 1.0, depth=1)
    outer.begin()
    inner.begin()
    assert wanted.promised(inner) == 2
    assert wanted.promised(outer) == 1


def test_as_many_are_under_way_as_may_be() -> None:
    most = 0
    under_way = 0

    async def work(number: int) -> list[int]:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return [number]

    async def run() -> None:
        wanted = Wanted(100)
        await take(each(numbers(1000), work, wanted.stage(7, 1.0)), wanted)

    asyncio.run(run())
    assert most == 7


def test_an_error_comes_in_its_place_after_what_came_before() -> None:
    async def work(number: int) -> list[int]:
        await asyncio.sleep(0.005 if number < 3 else 0)
        if number == 3:
            raise ValueError("the fourth")
        return [number]

    async def run() -> None:
        found = []
        wanted = Wanted(100)
        with pytest.raises(ValueError, match="the fourth"):
            async with aclosing(each(numbers(50), work, wanted.stage(8, 1.0))) as items:
                async for item in items:
                    found.append(item)
        assert found == [0, 1, 2]
        assert running() == 0

    asyncio.run(run())


def test_an_error_of_the_source_comes_after_all_that_it_gave() -> None:
    async def source() -> AsyncGenerator[int]:
        yield 1
        yield 2
        raise ValueError("no more")

    async def work(number: int) -> list[int]:
        return [number]

    async def run() -> None:
        found = []
        with pytest.raises(ValueError, match="no more"):
            async for item in each(source(), work, Wanted(10).stage(8, 1.0)):
                found.append(item)
        assert found == [1, 2]
        assert running() == 0

    asyncio.run(run())


@pytest.mark.parametrize("after", [0, 1, 5])
def test_cancelled_it_leaves_no_task_and_closes_its_source(after: int) -> None:
    closed = []

    async def source() -> AsyncGenerator[int]:
        try:
            for number in range(1000):
                yield number
        finally:
            closed.append(True)

    async def work(number: int) -> list[int]:
        await asyncio.sleep(0 if number < after else 60)
        return [number]

    async def drain() -> None:
        wanted = Wanted(1000)
        first = each(source(), work, wanted.stage(8, 1.0))
        async with aclosing(each(first, work, wanted.stage(8, 1.0))) as items:
            async for _ in items:
                pass

    async def run() -> None:
        task = asyncio.ensure_future(drain())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert running() == 0

    asyncio.run(run())
    assert closed == [True]


def test_what_is_never_read_begins_nothing() -> None:
    async def run() -> None:
        async def work(number: int) -> list[int]:
            raise AssertionError

        await each(numbers(3), work, Wanted(10).stage(8, 1.0)).aclose()
        assert running() == 0

    asyncio.run(run())


def test_more_can_be_wanted_while_a_stage_waits() -> None:
    begun: list[int] = []

    async def work(number: int) -> list[int]:
        begun.append(number)
        return [number]

    async def run() -> None:
        wanted = Wanted(2)
        async with aclosing(each(numbers(100), work, wanted.stage(8, 1.0))) as items:
            await anext(items)
            await asyncio.sleep(0)
            assert begun == [0, 1]
            wanted.left -= 1
            wanted.add(4)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            # Five are wanted, and one of those begun was taken.
            assert begun == [0, 1, 2, 3, 4, 5]

    asyncio.run(run())


@given(st.lists(st.floats(0.1, 9), min_size=1, max_size=6), st.integers(0, 500))
def test_shares_add_up_and_are_within_one_of_their_weight(weights: list[float], count: int) -> None:
    shares = Mix(weights).shares(count)
    assert sum(shares) == count
    exact = [count * w / sum(weights) for w in weights]
    assert all(abs(share - e) < 1 for share, e in zip(shares, exact, strict=True))


async def _mixed(weights: list[float], sizes: list[int], count: int) -> list[int]:
    """Places of the sources that a mix took from, in order."""
    mix = Mix(weights)
    wanted = [Wanted(share) for share in mix.shares(count)]

    async def source(place: int) -> AsyncGenerator[int]:
        for _ in range(sizes[place]):
            if not wanted[place].left:
                return
            wanted[place].left -= 1
            yield place

    sources = [source(place) for place in range(len(weights))]
    taken = []
    async with aclosing(mix.take(sources, wanted)) as items:
        async for place, item in items:
            assert place == item
            taken.append(place)
    for each_source in sources:
        await each_source.aclose()
    return taken


def test_a_mix_is_even_from_the_beginning_to_the_end() -> None:
    taken = asyncio.run(_mixed([3, 1], [1000, 1000], 40))
    assert len(taken) == 40
    for end in range(4, 41, 4):
        assert taken[:end].count(1) == end // 4


def test_a_source_that_ends_is_made_up_for_by_the_others() -> None:
    taken = asyncio.run(_mixed([1, 1, 2], [1000, 3, 1000], 40))
    assert len(taken) == 40
    assert taken.count(1) == 3
    assert abs(taken.count(2) - 2 * taken.count(0)) <= 2


def test_a_mix_of_sources_that_all_end_ends() -> None:
    assert len(asyncio.run(_mixed([1, 1], [3, 4], 40))) == 7
