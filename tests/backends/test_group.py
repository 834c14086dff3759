"""A model on several servers: real ones on the loopback interface, which die, return and lie."""

import asyncio
import logging
import time
from contextlib import ExitStack

import pytest

from calls import prompt
from gristmill.backends import group, health, open_chat, open_reward, places, retry
from gristmill.backends.group import Group
from gristmill.backends.health import IN, OUT
from gristmill.errors import BackendError, BackendFatal
from gristmill.records import Message, Response, Sampling
from servers import FAULTS, FaultyServer, text_for


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_DELAY", 0.01)
    monkeypatch.setattr(retry, "REFUSAL_DELAY", 0.01)
    monkeypatch.setattr(health, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(health, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(places, "WATCH", 0.05)
    monkeypatch.setattr(group, "WATCH", 0.05)


@pytest.fixture
def servers():
    """A function that starts so many servers of one kind."""
    with ExitStack() as stack:
        yield lambda count, **how: [stack.enter_context(FaultyServer(**how)) for _ in range(count)]


def names(servers):
    return [server.chat for server in servers]


def the_group(chat) -> Group:
    return chat._end.opened()


def members(chat):
    return the_group(chat).rotation.members


async def ask(chat, numbers, watch=lambda: None):
    """The texts of so many calls, all at once; each is checked to be its own."""

    async def one(number):
        response = await chat.sample(prompt(f"q {number}"), 0, Sampling())
        watch()
        assert response.text.startswith(f"q {number} / ")
        assert response.model == "http://*#chat"
        return response.text

    return await asyncio.gather(*(one(n) for n in numbers))


def run(models, calls, options=None, watch=lambda: None):
    """`calls` answered; the traffic."""

    async def main():
        async with open_chat(models, options) as chat:
            await ask(chat, range(calls), watch)
            return chat.traffic

    return asyncio.run(main())


def served(servers):
    return [server.statuses[200] for server in servers]


def test_equal_servers_get_equal_shares(servers):
    four = servers(4, latency=0.01)
    traffic = run(names(four), 200, {"concurrency": 16})
    assert sum(served(four)) == traffic.requests == 200
    assert min(served(four)) >= 40
    assert max(server.max_in_flight for server in four) <= 5
    assert traffic.servers == {s.url.removesuffix("/v1"): {"requests": n} for s, n in
                               zip(four, served(four), strict=True)}  # fmt: skip


def test_one_call_at_a_time_goes_round(servers):
    three = servers(3)
    run(names(three), 9, {"concurrency": 1})
    assert served(three) == [3, 3, 3]


def test_concurrency_is_of_all_together(servers):
    two = servers(2, latency=0.02)
    run(names(two), 40, {"concurrency": 6})
    assert sum(server.max_in_flight for server in two) <= 6


def test_a_slow_server_gets_its_share_only(servers):
    fast, slow = servers(3, latency=0.01), servers(1, latency=1.0)
    run(names(fast + slow), 300, {"concurrency": 16})
    assert served(slow)[0] <= 300 / 8
    assert slow[0].max_in_flight <= 5


def test_each_server_has_its_own_limit_in_flight(servers):
    small, large = servers(1, latency=0.01, limit=2), servers(1, latency=0.01)
    traffic = run(names(small + large), 300, {"concurrency": 32})
    assert sum(served(small + large)) == 300
    assert traffic.failures["rate_limited"] == small[0].statuses[429] < 90
    assert large[0].max_in_flight > 16


def test_one_killed_and_brought_back_costs_no_call(servers):
    four = servers(4, latency=0.01)
    dead = four[1]
    done = 0

    def watch():
        nonlocal done
        done += 1
        if done == 60:
            dead.__exit__()
        if done == 200:
            dead.__enter__()

    traffic = run(names(four), 600, {"concurrency": 32, "retries": 0}, watch)
    assert done == 600
    assert sum(served(four)) == 600
    assert set(traffic.failures) == {"connection"}
    assert traffic.failures.total() <= 8 + 4  # what was in flight there, and trials
    counts = traffic.servers[dead.url.removesuffix("/v1")]
    assert counts["out"] == 1
    assert served(four)[1] > 25  # it works again


def test_a_dead_server_from_the_start_costs_a_few_refusals(servers, caplog):
    alive, dead = servers(2), servers(1)
    dead[0].__exit__()
    with caplog.at_level(logging.WARNING, "gristmill.servers"):
        traffic = run(names(dead + alive), 200, {"retries": 0, "concurrency": 8})
    dead[0].__enter__()
    assert 3 <= traffic.failures["connection"] <= 8
    (said,) = caplog.messages
    assert "is out" in said
    assert dead[0].url.removesuffix("/v1") in said


@pytest.mark.parametrize("status", [500, 502])
def test_a_server_that_only_fails_is_out_until_it_is_healthy(servers, status):
    good, bad = servers(1), servers(1, status=status)
    bad[0].health = 503

    async def main():
        async with open_chat(names(good + bad), {"retries": 0, "concurrency": 4}) as chat:
            await ask(chat, range(100))
            (member,) = [m for m in members(chat) if m.pool.server.root in bad[0].url]
            assert member.health.state == OUT
            failures = bad[0].requests
            assert failures <= health.STRIKES + 3
            await asyncio.sleep(0.3)
            await ask(chat, range(100, 120))
            # Its list of models is there all the time; that does not bring it back.
            assert bad[0].requests == failures
            bad[0].status, bad[0].health = None, 200
            await until(lambda: member.health.ready)
            await ask(chat, range(200, 240))
            assert member.health.state == IN

    asyncio.run(main())
    assert bad[0].statuses[200] >= 10


async def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_server_that_says_it_lives_and_does_not_gets_one_request_at_a_time(servers):
    good, bad = servers(1, latency=0.005), servers(1, status=500)
    run(names(good + bad), 400, {"concurrency": 8, "retries": 0})
    trials = bad[0].requests - health.STRIKES
    assert trials <= bad[0].checks + 5


def test_a_hanging_server_is_found_by_the_timeout(servers):
    good, bad = servers(2, latency=0.005), servers(1, latency=30)
    traffic = run(names(good + bad), 120, {"timeout": 0.5, "concurrency": 12, "retries": 0})
    assert sum(served(good)) >= 120
    assert set(traffic.failures) == {"timeout"}


def test_busy_is_not_dead(servers):
    """429 and 503 slow a server's gate down; it stays in rotation, and the call goes elsewhere."""
    good, busy = servers(1, latency=0.01), servers(1, status=503)

    async def main():
        async with open_chat(names(good + busy), {"concurrency": 8, "retries": 0}) as chat:
            await ask(chat, range(60))
            assert all(m.health.state == IN for m in members(chat))

    asyncio.run(main())
    assert busy[0].requests < 30


def test_what_a_prompt_is_refused_for_is_not_the_servers_fault(servers):
    two = servers(2, status=400, error="maximum context length is 4096 tokens")

    async def main():
        async with open_chat(names(two)) as chat:
            for n in range(20):
                with pytest.raises(BackendError) as caught:
                    await chat.sample(prompt(str(n)), 0, Sampling())
                assert caught.value.kind == "too_long"
            assert all(m.health.state == IN for m in members(chat))

    asyncio.run(main())
    assert sum(s.requests for s in two) == 20


def test_a_prompt_that_breaks_every_server_uses_its_retries_up(servers):
    four = servers(4, status=500)

    async def main():
        async with open_chat(names(four), {"retries": 2}) as chat:
            with pytest.raises(BackendError) as caught:
                await chat.sample(prompt("poison"), 0, Sampling())
            assert caught.value.kind == "server"

    asyncio.run(main())
    assert sum(s.requests for s in four) == 3 + group.MOVES


@pytest.mark.parametrize("status", [404, 401, 307])
def test_a_server_that_serves_something_else_is_said_once_and_not_used(servers, status, caplog):
    good, other = servers(2), servers(1, status=status)
    other[0].models = ["another"]
    with caplog.at_level(logging.WARNING, "gristmill.servers"):
        traffic = run(names(other + good), 100, {"retries": 0, "concurrency": 1})
    assert other[0].requests == 1
    assert traffic.requests == 101
    (said,) = caplog.messages
    assert "is not used" in said


def test_a_server_that_has_the_model_later_is_used_then(servers):
    good, late = servers(1), servers(1, status=404)
    late[0].models = []

    async def main():
        async with open_chat(names(late + good), {"concurrency": 2}) as chat:
            await ask(chat, range(4))
            late[0].status, late[0].models = None, ["chat"]
            await until(lambda: all(m.health.ready for m in members(chat)))
            await ask(chat, range(20))
            assert all(m.health.state == IN for m in members(chat))

    asyncio.run(main())


def test_where_no_server_can_serve_it_the_error_names_them_all(servers):
    two = servers(2, status=404)
    with pytest.raises(BackendFatal) as caught:
        run(names(two), 1)
    assert all(server.url in str(caught.value) for server in two)
    assert "does it serve the model 'chat'?" in str(caught.value)


def test_where_none_runs_the_error_names_them_all(servers):
    two = servers(2)
    for server in two:
        server.__exit__()
    with pytest.raises(BackendFatal, match="is the server running at") as caught:
        run(names(two), 1, {"retries": 1})
    assert all(server.url in str(caught.value) for server in two)
    for server in two:
        server.__enter__()


def test_all_gone_for_a_while_is_waited_for(servers):
    two = servers(2)

    async def main():
        async with open_chat(names(two), {"retries": 0, "concurrency": 8}) as chat:
            await ask(chat, range(8))
            for server in two:
                server.__exit__()
            calls = asyncio.create_task(ask(chat, range(40)))
            await asyncio.sleep(0.5)
            assert not calls.done()
            for server in two:
                server.__enter__()
            await asyncio.wait_for(calls, 20)

    asyncio.run(main())


def test_every_fault_on_every_server_and_all_rows_arrive_once(servers):
    three = servers(3, limit=8, latency=0.002, faults=FAULTS, stall=0.3, repeat=1)
    traffic = run(names(three), 300, {"concurrency": 48, "retries": 12})
    assert sum(s.requests for s in three) == traffic.requests == 300 + traffic.failures.total()


def test_streams_move_before_the_first_piece_and_not_after(servers):
    good, dead = servers(1), servers(1)
    dead[0].__exit__()

    async def main():
        async with open_chat(names(dead + good), {"retries": 0}) as chat:
            for n in range(4):
                pieces = [p async for p in chat.stream(prompt(f"s {n}"), 0, Sampling())]
                assert isinstance(pieces[-1], Response)
                assert pieces[-1].text.startswith(f"s {n} / ")

    asyncio.run(main())
    dead[0].__enter__()


def test_a_reward_model_on_several_servers(servers):
    two = servers(2)

    async def main():
        async with open_reward([s.reward for s in two]) as judge:
            talk = (Message("user", "q"), Message("assistant", "a"))
            scores = await asyncio.gather(*(judge.score(talk) for _ in range(8)))
            assert len({s.attributes for s in scores}) == 1
            assert scores[0].model == "http://*#reward"

    asyncio.run(main())
    assert min(s.requests for s in two) == 4


def test_cancelled_calls_give_their_slots_back(servers):
    two = servers(2, latency=0.5)

    async def main():
        async with open_chat(names(two), {"concurrency": 4}) as chat:
            calls = [asyncio.create_task(ask(chat, [n])) for n in range(12)]
            await asyncio.sleep(0.1)
            for call in calls[::2]:
                call.cancel()
            await asyncio.sleep(0.05)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert [(m.busy, m.pool.gate.busy) for m in members(chat)] == [(0, 0)] * 2
            for server in two:
                server.latency = 0
            await ask(chat, range(20))

    asyncio.run(main())


def test_two_backends_share_a_servers_gate(servers):
    """What one server limits is the sum of what all backends send it."""
    two = servers(2, latency=0.01)

    async def main():
        async with (
            open_chat(names(two), {"concurrency": 4}) as both,
            open_chat(two[0].chat, {"concurrency": 4}) as alone,
        ):
            await asyncio.gather(
                ask(both, range(60)),
                *(alone.sample(prompt(f"a {n}"), 0, Sampling()) for n in range(60)),
            )

    asyncio.run(main())
    assert two[0].max_in_flight <= 4


def test_servers_come_and_go_with_a_file(servers, tmp_path):
    first, second = servers(2, latency=0.01)
    file = tmp_path / "servers.txt"
    file.write_text(f"# ours\n{first.chat}   # the old one\n")

    async def main():
        async with open_chat(f"file:{file}", {"concurrency": 4}) as chat:
            assert chat.model == "http://*#chat"
            await ask(chat, range(10))
            file.write_text(f"{first.chat}\n{second.chat}\n")
            await until(lambda: len(members(chat)) == 2)
            await ask(chat, range(20))
            assert second.requests >= 8
            first.latency = 0.4
            calls = asyncio.create_task(ask(chat, range(4)))
            await asyncio.sleep(0.05)
            file.write_text(f"{second.chat}\nnonsense\n")
            await asyncio.sleep(0.15)
            assert len(members(chat)) == 2  # a file that cannot be read changes nothing
            file.write_text(f"{second.chat}\n")
            await until(lambda: len(members(chat)) == 1)
            seen = first.requests
            await calls  # what it had in flight has ended there
            await ask(chat, range(20))
            assert first.requests == seen
            file.write_text("")
            await asyncio.sleep(0.15)
            assert len(members(chat)) == 1

    asyncio.run(main())
    assert sum(s.statuses[200] for s in (first, second)) == 54


def test_a_name_with_several_addresses(servers, monkeypatch):
    (server,) = servers(1)
    there = ["127.0.0.1", "127.0.0.2"]

    async def getaddrinfo(host, port, **_):
        assert host == "models.internal"
        return [(2, 1, 6, "", (address, port)) for address in there]

    async def main():
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
        model = f"http+dns://models.internal:{server.port}/v1#chat"
        async with open_chat(model, {"concurrency": 2}) as chat:
            assert chat.model == "http://*#chat"
            await ask(chat, range(6))
            assert len(members(chat)) == 2
            there.pop()
            await until(lambda: len(members(chat)) == 1)

    asyncio.run(main())
    assert {h["Host"] for h in server.headers} == {f"models.internal:{server.port}"}


def test_a_name_that_is_nobodys(servers):
    with pytest.raises(BackendFatal, match=r"nobody\.invalid: cannot be looked up"):
        run("http+dns://nobody.invalid:1/v1#chat", 1)


@pytest.mark.parametrize(("sticky", "places"), [(True, 1), (False, 4)])
def test_sticky_samples_of_a_prompt_share_a_server(servers, sticky, places):
    four = servers(4)
    asked = [prompt(f"question {n}") for n in range(20)]

    async def main():
        async with open_chat(names(four), {"concurrency": 1, "sticky": sticky}) as chat:
            for one in asked:
                for index in range(4):
                    await chat.sample(one, index, Sampling())

    asyncio.run(main())
    homes: dict[str, set[int]] = {}
    for place, server in enumerate(four):
        for body in server.bodies:
            homes.setdefault(body["messages"][-1]["content"], set()).add(place)
    assert {len(found) for found in homes.values()} == {places}


def test_sticky_requests_leave_no_server_idle(servers):
    four = servers(4, latency=0.005)

    async def main():
        async with open_chat(names(four), {"concurrency": 32, "sticky": True}) as chat:
            asked = [prompt(f"question {n}") for n in range(60)]
            await asyncio.gather(*(chat.sample(p, i, Sampling()) for p in asked for i in range(4)))

    asyncio.run(main())
    assert max(served(four)) < 2 * min(served(four))


def test_answers_are_what_one_server_says(servers):
    three = servers(3)
    run(names(three), 30)
    for server in three:
        for body in server.bodies:
            assert text_for(body).startswith("q ")


def test_a_dead_server_that_prefixes_stick_to_costs_no_call(servers):
    """One server is the first choice of a frequent beginning, and is gone."""
    three = servers(3)

    async def main():
        async with open_chat(names(three), {"sticky": True, "retries": 0}) as chat:
            for index in range(3):
                await chat.sample(prompt("the same"), index, Sampling())
            (home,) = [s for s in three if s.requests]
            home.__exit__()
            for index in range(20):
                await chat.sample(prompt("the same"), index, Sampling())
            home.__enter__()
            traffic = chat.traffic
        assert traffic.failures == {"connection": health.STRIKES}
        assert sorted(s.requests for s in three) == [0, 3, 20]

    asyncio.run(main())


def test_a_name_of_this_machine():
    """A real look-up; of the addresses that localhost has, nobody may listen at the other one."""
    with FaultyServer() as server:
        traffic = run(f"http+dns://localhost:{server.port}/v1#chat", 20, {"retries": 0})
    assert server.statuses[200] == 20
    assert set(traffic.servers) >= {f"http://127.0.0.1:{server.port}"}
