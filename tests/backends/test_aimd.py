"""The gate: opens at once, finds a server's limit, keeps order, never loses a slot."""

import asyncio
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.backends.aimd import Gate


def simulate(gate: Gate, server_limit: int, rounds: int) -> tuple[int, int]:
    """Round trips of a server that refuses all above its limit: (accepted, refused)."""
    accepted = refused = 0
    gate._waiters = deque([None] * 1_000_000)  # type: ignore[list-item]  # work without end
    gate._wake = lambda: None  # type: ignore[method-assign]
    for _ in range(rounds):
        sent = gate.limit
        gate.busy = sent
        wave = gate.wave
        for number in range(sent):
            if number >= server_limit:
                gate.refused(wave)
                refused += 1
        for _ in range(min(sent, server_limit)):
            gate.passed()
            accepted += 1
        gate.busy = 0
    return accepted, refused


class QuietGate(Gate):
    __slots__ = ("__dict__",)


def test_opens_at_once_to_its_ceiling():
    gate = Gate(256)
    assert all(gate.try_enter() for _ in range(256))
    assert not gate.try_enter()


def test_finds_the_servers_limit_with_few_refusals_and_stays_near_it():
    gate = QuietGate(64)
    accepted, refused = simulate(gate, 16, rounds=500)
    assert accepted >= 0.95 * 16 * 500
    assert refused <= 48 + 20  # the first wave, then rare probes
    assert 15 <= gate.limit <= 17


def test_follows_a_limit_that_rises_and_falls():
    gate = QuietGate(64)
    simulate(gate, 8, rounds=100)
    assert 7 <= gate.limit <= 9
    simulate(gate, 40, rounds=150)
    assert gate.limit >= 36
    simulate(gate, 10, rounds=20)
    assert gate.limit <= 11


def test_chance_refusals_do_not_strangle_it():
    gate = QuietGate(64)
    gate._waiters = deque([None])  # type: ignore[list-item]
    gate._wake = lambda: None  # type: ignore[method-assign]
    for number in range(20_000):
        gate.busy = gate.limit
        if number % 50 == 0:
            gate.refused(gate.wave)
        else:
            gate.passed()
    assert gate.limit >= 8


def test_one_round_trip_costs_at_most_three_quarters():
    gate = QuietGate(64)
    gate.busy = 64
    wave = gate.wave
    gate._pause = lambda _: None  # type: ignore[method-assign]
    for _ in range(64):
        gate.refused(wave)
    assert gate.limit == 16


def test_closes_for_the_named_time_when_a_whole_window_is_refused():
    async def main() -> None:
        gate = Gate(2)
        assert gate.try_enter()
        assert gate.try_enter()
        wave = gate.wave
        for _ in range(3):
            gate.refused(wave, 0.1)
        gate.leave()
        gate.leave()
        start = asyncio.get_running_loop().time()
        await gate.enter()
        assert asyncio.get_running_loop().time() - start >= 0.09
        gate.leave()
        gate.close()

    asyncio.run(main())


def test_first_come_first_served():
    async def main() -> list[int]:
        gate, order = Gate(3), []

        async def use(number: int) -> None:
            if not gate.try_enter():
                await gate.enter()
            order.append(number)
            await asyncio.sleep(0.001)
            gate.leave()

        await asyncio.gather(*(use(n) for n in range(30)))
        assert gate.busy == 0
        return order

    assert asyncio.run(main()) == list(range(30))


@settings(max_examples=60, deadline=None)
@given(
    ceiling=st.integers(1, 5),
    steps=st.lists(
        st.tuples(st.sampled_from(["start", "cancel", "finish", "refuse", "turn"]), st.integers(0)),
        max_size=60,
    ),
)
def test_no_slot_is_lost_or_invented_under_cancellation(ceiling, steps):
    async def main() -> None:
        gate = Gate(ceiling)
        tasks: list[asyncio.Task[None]] = []
        events: list[asyncio.Event] = []
        inside = 0

        async def use(done: asyncio.Event, outcome: list[str]) -> None:
            nonlocal inside
            if not gate.try_enter():
                await gate.enter()
            wave = gate.wave
            try:
                inside += 1
                assert inside <= ceiling
                await done.wait()
                if outcome:
                    gate.refused(wave, 0.001)
                else:
                    gate.passed()
            finally:
                inside -= 1
                gate.leave()

        outcomes: list[list[str]] = []
        for step, number in steps:
            if step == "start":
                events.append(asyncio.Event())
                outcomes.append([])
                tasks.append(asyncio.create_task(use(events[-1], outcomes[-1])))
            elif step == "turn":
                await asyncio.sleep(0)
            elif tasks:
                chosen = number % len(tasks)
                if step == "cancel":
                    tasks[chosen].cancel()
                else:
                    if step == "refuse":
                        outcomes[chosen].append("refuse")
                    events[chosen].set()
            assert gate.busy <= ceiling
        for event in events:
            event.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert gate.busy == 0
        assert inside == 0
        # Every slot that the limit allows can still be taken.
        for _ in range(gate.limit):
            await asyncio.wait_for(gate.enter(), 5)
        assert not gate.try_enter()
        gate.close()

    asyncio.run(main())
