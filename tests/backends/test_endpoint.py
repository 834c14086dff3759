"""The endpoint backends against a real server that misbehaves in every way we know of."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from calls import prompt, sample, score
from gristmill.backends import open_chat, open_reward, pool, retry
from gristmill.errors import BackendError, BackendFatal
from gristmill.records import Message, Sampling, as_dicts, sample_seed
from servers import FAULTS, FORMS, FaultyServer, grade, text_for


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_DELAY", 0.01)
    monkeypatch.setattr(retry, "REFUSAL_DELAY", 0.01)


async def converse(server: FaultyServer, count: int, options=None):
    """`count` prompts answered and graded; (responses, scores, chat, reward)."""
    sampling = Sampling(seed=7)
    async with (
        open_chat(server.chat, options) as chat,
        open_reward(server.reward, options) as judge,
    ):

        async def one(number: int):
            asked = prompt(f"question {number}")
            response = await chat.sample(asked, 0, sampling)
            return response, await judge.score(
                (*asked.messages, Message("assistant", response.text))
            )

        pairs = await asyncio.gather(*(one(n) for n in range(count)))
    return pairs, chat, judge


def check(pairs):
    """Every prompt has its own answer, and the grades that belong to it."""
    for number, (response, graded) in enumerate(pairs):
        asked = prompt(f"question {number}")
        body = {"messages": as_dicts(asked.messages), "seed": sample_seed(7, asked.id, 0)}
        assert response.text == text_for(body)
        assert response.finish_reason == "stop"
        assert (response.prompt_tokens, response.completion_tokens) == (11, 5)
        both = (*asked.messages, Message("assistant", response.text))
        assert graded.attributes == tuple(grade({"messages": as_dicts(both)}))


def test_every_fault_and_every_form_all_rows_arrive_once_and_are_accounted_for():
    with FaultyServer(limit=16, latency=0.002, faults=FAULTS, forms=FORMS, stall=0.3) as server:
        pairs, chat, judge = asyncio.run(converse(server, 150))
    check(pairs)
    assert set(server.met) == set(FAULTS)
    assert server.requests == chat.traffic.requests + judge.traffic.requests
    attempts = 300 + chat.traffic.retries + judge.traffic.retries
    assert server.requests == attempts
    failures = chat.traffic.failures + judge.traffic.failures
    assert failures.total() == attempts - 300
    assert failures["rate_limited"] == server.statuses[429]
    assert set(failures) == {"rate_limited", "server", "connection", "bad_reply", "timeout"}


def test_finds_a_limit_of_16_in_flight():
    with FaultyServer(limit=16, latency=0.01) as server:
        pairs, _, _ = asyncio.run(converse(server, 400, {"concurrency": 64}))
    check(pairs)
    refused = server.statuses[429]
    assert server.requests == 800 + refused
    assert refused <= 48 + 60  # the first wave, then rare probes; more on a loaded machine


def test_a_server_without_limit_is_used_in_full_at_once():
    with FaultyServer(latency=0.4) as server:
        start = time.monotonic()
        asyncio.run(converse(server, 64, {"concurrency": 64}))
        assert time.monotonic() - start < 5
    assert server.max_in_flight == 64


def test_stalled_replies_time_out_and_are_asked_for_again():
    with FaultyServer(faults=("stall",), share=1.0, stall=5.0) as server:
        start = time.monotonic()
        pairs, chat, judge = asyncio.run(converse(server, 3, {"timeout": 0.6}))
        assert time.monotonic() - start < 4.5
    check(pairs)
    assert chat.traffic.failures == judge.traffic.failures == {"timeout": 3}


def test_a_stall_shorter_than_the_timeout_is_waited_for():
    with FaultyServer(faults=("stall",), share=1.0, stall=0.5) as server:
        pairs, chat, _ = asyncio.run(converse(server, 3, {"timeout": 5}))
    check(pairs)
    assert not chat.traffic.failures


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("reset", "connection"),
        ("half", "connection"),
        ("html", "bad_reply"),
        ("broken", "bad_reply"),
        ("empty", "bad_reply"),
        ("null", "bad_reply"),
        ("error", "server"),
        ("stall", "timeout"),
        ("500", "server"),
    ],
)
def test_a_failure_that_stays_ends_in_one_error_after_the_retries(fault, kind):
    options = {"retries": 1, "timeout": 0.5}
    with FaultyServer(faults=(fault,), share=1.0, repeat=99, stall=1.0) as server:
        with pytest.raises(BackendError) as caught:
            sample(server.chat, options)
        assert caught.value.kind == kind
        assert server.chat in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(BackendError):
            score(server.reward, options)
        assert server.requests == 4


def test_refusals_use_up_patience_and_no_retries(monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE", 0.4)
    with FaultyServer(status=429) as server:
        with pytest.raises(BackendError) as caught:
            sample(server.chat, {"retries": 0})
        assert caught.value.kind == "rate_limited"
        assert server.requests > 2
        # Where nobody got through in all that time, no later call will.
        monkeypatch.setattr(pool, "PATIENCE", 0.4)
        with pytest.raises(BackendFatal, match="run again later"):
            sample(server.chat, {"retries": 0})


def test_a_server_that_is_away_for_a_while_is_waited_for(monkeypatch):
    async def main(server):
        # One retry, for the request that meets the closed connection; the rest is patience.
        async with open_chat(server.chat, {"retries": 1}) as backend:
            await backend.sample(prompt("before"), 0, Sampling())
            server.__exit__()
            call = asyncio.create_task(backend.sample(prompt("after"), 0, Sampling()))
            await asyncio.sleep(0.3)
            server.__enter__()
            await call
        return backend.traffic

    server = FaultyServer()
    server.__enter__()
    traffic = asyncio.run(main(server))
    server.__exit__()
    assert set(traffic.failures) == {"connection"}
    assert traffic.requests == traffic.failures.total() + 2


@pytest.mark.parametrize("header", ["1", "date"])
def test_retry_after_is_honoured(header):
    if header == "date":  # whole seconds: at least 1 s from now
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with FaultyServer(faults=("429",), share=1.0, retry_after=header) as server:
        sample(server.chat)
    first, second = server.times
    assert second - first >= 0.95


@pytest.mark.parametrize("status", [401, 402, 403, 404, 307])
def test_what_no_retry_can_cure_stops_the_run_in_one_line(status):
    with FaultyServer(status=status) as server:
        with pytest.raises(BackendFatal) as caught:
            sample(server.chat)
        assert server.requests == 1
        assert server.chat in str(caught.value)


def test_advice_names_the_variable_the_address_and_the_model(monkeypatch):
    monkeypatch.setenv("MILL_KEY", "sk-1")
    with FaultyServer(status=401) as server:
        with pytest.raises(BackendFatal, match="MILL_KEY"):
            sample(server.chat, {"key_env": "MILL_KEY"})
        with pytest.raises(BackendFatal, match="key_env"):
            sample(server.chat)
        server.status = 404
        with pytest.raises(BackendFatal, match=r"/v1/chat/completions.*'chat'"):
            sample(server.chat)


@pytest.mark.parametrize(
    ("error", "kind"),
    [("role is missing", "bad_request"), ("maximum context length is 4096 tokens", "too_long")],
)
def test_a_bad_request_is_not_tried_again(error, kind):
    with FaultyServer(status=400, error=error) as server:
        with pytest.raises(BackendError, match=error) as caught:
            sample(server.chat)
        assert caught.value.kind == kind
        assert server.requests == 1


def test_a_quota_that_is_back_in_hours_stops_the_run():
    with (
        FaultyServer(status=429, retry_after="7200") as server,
        pytest.raises(BackendFatal, match="wait 7,200 s"),
    ):
        sample(server.chat)


@pytest.mark.parametrize(
    "junk", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nBad header\r\n\r\n", b""]
)
def test_a_server_that_does_not_speak_http(junk):
    async def speak(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(junk)
        writer.close()
        await writer.wait_closed()

    async def main():
        async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with open_chat(f"http://127.0.0.1:{port}/v1#x", {"retries": 1}) as backend:
                with pytest.raises(BackendError) as caught:
                    await backend.sample(prompt("a"), 0, Sampling())
        return caught.value, backend.traffic

    error, traffic = asyncio.run(main())
    assert error.kind in ("bad_reply", "connection")
    assert (traffic.requests, traffic.retries) == (2, 1)


def test_nobody_listening_stops_the_run():
    with FaultyServer() as server:
        model = server.chat
    with pytest.raises(BackendFatal, match="is the server running") as caught:
        sample(model, {"retries": 1})
    assert " ssl" not in str(caught.value)


@pytest.mark.parametrize("path", ["/v1", "/"])
def test_an_address_without_v1_is_told_of_it(path):
    with FaultyServer(status=404) as server, pytest.raises(BackendFatal) as caught:
        sample(server.chat.replace("/v1#", f"{path.rstrip('/')}#"), {"retries": 0})
    assert ("below /v1" in str(caught.value)) == (path == "/")


def test_moderation_of_single_prompts_does_not_stop_the_run():
    async def main(server):
        async with open_chat(server.chat) as backend:
            await backend.sample(prompt("a"), 0, Sampling())
            server.status = 403
            for _ in range(pool.DENIALS - 1):
                with pytest.raises(BackendError):
                    await backend.sample(prompt("b"), 0, Sampling())
            with pytest.raises(BackendFatal):
                await backend.sample(prompt("b"), 0, Sampling())

    with FaultyServer() as server:
        asyncio.run(main(server))


def test_a_cancelled_call_gives_its_slot_back():
    async def main(server):
        async with open_chat(server.chat, {"concurrency": 4}) as backend:
            calls = [
                asyncio.create_task(backend.sample(prompt(str(n)), 0, Sampling()))
                for n in range(12)
            ]
            await asyncio.sleep(0.1)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            gate = backend._end.opened().gate
            assert gate.busy == 0
            server.latency = 0
            await backend.sample(prompt("after"), 0, Sampling())

    with FaultyServer(latency=1.0) as server:
        asyncio.run(main(server))


def test_requests_per_minute_spread_the_calls():
    with FaultyServer() as server:
        asyncio.run(converse(server, 4, {"requests_per_minute": 1200}))
    assert server.times[-1] - server.times[0] >= 7 * 0.05 - 0.1


def test_two_models_of_one_server_are_each_held_to_their_own_limit():
    async def main(server):
        fast, slow = {"requests_per_minute": 60_000}, {"requests_per_minute": 1200}
        async with open_chat(server.chat, fast) as chat, open_reward(server.reward, slow) as judge:
            asked = [prompt(str(n)) for n in range(8)]
            await asyncio.gather(*(chat.sample(one, 0, Sampling()) for one in asked))
            said = Message("assistant", "4")
            await asyncio.gather(*(judge.score((*one.messages, said)) for one in asked))

    with FaultyServer() as server:
        asyncio.run(main(server))
        judged = server.times[8:]
    # That of the second user is not dropped, nor is the first one held to it.
    assert judged[-1] - judged[0] >= 7 * 0.05 - 0.1


def test_many_calls_during_a_rate_limit_send_few_requests():
    """A server that lets nothing through for a second is not hammered meanwhile."""

    async def main(server):
        async with open_chat(server.chat, {"concurrency": 32}) as backend:
            calls = [backend.sample(prompt(str(n)), 0, Sampling()) for n in range(64)]

            async def recover():
                await asyncio.sleep(1.0)
                server.status = None

            await asyncio.gather(recover(), *calls)

    with FaultyServer(status=429) as server:
        asyncio.run(main(server))
    assert server.statuses[200] == 64
    assert server.statuses[429] < 32 + 40
