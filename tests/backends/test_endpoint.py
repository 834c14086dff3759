"""The endpoint backends against a real server that misbehaves in every way we know of."""

import asyncio
import gc
import logging
import time
import traceback

import pytest

from gristmill.backends import Meter, open_chat, open_reward, pool, retry
from gristmill.errors import BackendError, BackendFatal
from gristmill.records import Message, Prompt, Sampling, as_dicts, prompt_id, sample_seed
from servers import FAULTS, FORMS, FaultyServer, grade, text_for

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_DELAY", 0.01)
    monkeypatch.setattr(retry, "REFUSAL_DELAY", 0.01)


def prompt(text: str) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(prompt_id(messages), messages)


def sample(model: str, options=None, text="hello", sampling=Sampling()):  # noqa: B008
    """One call, the backend opened and closed around it."""

    async def main():
        async with open_chat(model, options) as backend:
            return await backend.sample(prompt(text), 0, sampling)

    return asyncio.run(main())


def score(model: str, options=None):
    async def main():
        async with open_reward(model, options) as backend:
            return await backend.score((Message("user", "q"), Message("assistant", "a")))

    return asyncio.run(main())


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
    assert refused <= 48 + 25


def test_a_server_without_limit_is_used_in_full_at_once():
    with FaultyServer(latency=0.2) as server:
        start = time.monotonic()
        asyncio.run(converse(server, 64, {"concurrency": 64}))
        assert time.monotonic() - start < 1.5
    assert server.max_in_flight == 64


def test_stalled_replies_time_out_and_are_asked_for_again():
    with FaultyServer(faults=("stall",), share=1.0, stall=5.0) as server:
        start = time.monotonic()
        pairs, chat, judge = asyncio.run(converse(server, 3, {"timeout": 0.2}))
        assert time.monotonic() - start < 4
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
    options = {"retries": 2, "timeout": 0.1}
    with FaultyServer(faults=(fault,), share=1.0, repeat=99, stall=0.3) as server:
        with pytest.raises(BackendError) as caught:
            sample(server.chat, options)
        assert caught.value.kind == kind
        assert server.chat in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(BackendError):
            score(server.reward, options)
        assert server.requests == 6


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
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

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
    monkeypatch.setenv("MILL_KEY", KEY)
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
    with pytest.raises(BackendFatal, match="is the server running"):
        sample(model, {"retries": 1})


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


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, "bad key: {authorization}"),
        (400, "you sent {authorization} and {authorization}"),
        (500, "x" * 290 + "{authorization}"),
    ],
)
def test_the_key_is_sent_and_shows_up_nowhere(monkeypatch, caplog, status, error):
    monkeypatch.setenv("MILL_KEY", KEY)
    caplog.set_level(logging.DEBUG)

    async def main(server):
        async with open_chat(server.chat, {"key_env": "MILL_KEY", "retries": 1}) as backend:
            shown = [repr(backend), str(vars(backend)), repr(pool._pools), repr(backend._end.pool)]
            with pytest.raises((BackendError, BackendFatal)) as caught:
                await backend.sample(prompt("hello"), 0, Sampling())
        return shown, caught.value

    with FaultyServer(status=status, error=error) as server:
        shown, raised = asyncio.run(main(server))
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    with_locals = traceback.TracebackException.from_exception(raised, capture_locals=True)
    shown += [repr(raised), "".join(with_locals.format()), caplog.text]
    assert raised.__context__ is None  # the client's own exceptions hold the headers
    for text in shown:
        assert KEY[:12] not in text


def test_a_server_that_echoes_the_key_in_its_answer(monkeypatch):
    monkeypatch.setenv("MILL_KEY", KEY)
    with FaultyServer() as server:
        response = sample(server.chat, {"key_env": "MILL_KEY"}, text=f"say {KEY}")
    assert KEY not in response.text
    assert "say [key]" in response.text


def test_no_key_is_sent_unless_it_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NVIDIA_API_KEY", KEY)
    with FaultyServer() as server:
        sample(server.chat)
    assert "Authorization" not in server.headers[0]


def test_a_redirect_is_not_followed(monkeypatch):
    monkeypatch.setenv("MILL_KEY", KEY)
    with FaultyServer(status=307) as server:
        with pytest.raises(BackendFatal, match="final address"):
            sample(server.chat, {"key_env": "MILL_KEY"})
        assert server.requests == 1


def test_what_is_sent():
    with FaultyServer() as server:
        sample(server.chat, sampling=Sampling(0.5, 0.9, 33, seed=4), text="häll %d %s")
        sample(server.chat, {"body": {"seed": None, "top_p": None, "min_p": 0.1}})
        sample(server.chat, {"body": {"temperature": 0, "note": "100 %"}})
        score(server.reward)
    sent = server.bodies
    messages = [{"role": "user", "content": "häll %d %s"}]
    assert sent[0] == {
        "model": "chat",
        "messages": messages,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 33,
        "seed": sample_seed(4, prompt("häll %d %s").id, 0),
    }
    assert set(sent[1]) == {"model", "messages", "temperature", "max_tokens", "min_p"}
    assert sent[2]["temperature"] == 0
    assert sent[2]["note"] == "100 %"
    assert set(sent[3]) == {"model", "messages"}  # reward models refuse sampling parameters


@pytest.mark.parametrize("route", ["classify", "pooling"])
def test_vllm_reward_routes(route):
    expected = tuple(grade({"messages": [
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}))  # fmt: skip
    with FaultyServer() as server:
        assert score(server.reward, {"route": route}).attributes == expected
        assert score(f"{server.url}?route={route}#reward").attributes == expected
    assert server.bodies[0]["use_activation"] is False


@pytest.mark.parametrize("form", ["reward", "reward_token"])
def test_scalar_rewards(form):
    with FaultyServer(forms=(form,)) as server:
        graded = score(server.reward)
    assert graded.attributes is None
    assert graded.scalar is not None
    assert graded.scalar < 0


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    with FaultyServer() as server:
        response = sample(server.chat, text="half \ud83d of an emoji")
    assert server.bodies[0]["messages"][0]["content"] == "half \ufffd of an emoji"
    assert response.text.startswith("half \ufffd of")


def test_a_prompt_of_megabytes():
    with FaultyServer() as server:
        assert len(sample(server.chat, text="long " * 500_000).text) > 2_500_000


def test_the_meter_is_asked_before_every_attempt_and_can_stop_the_call():
    class Three(Meter):
        taken = 0

        def take_request(self):
            if self.taken == 3:
                raise BackendError("budget", "spent")
            self.taken += 1

    async def main(server):
        async with open_chat(server.chat) as backend:
            backend.meter = Three()
            with pytest.raises(BackendError) as caught:
                await backend.sample(prompt("a"), 0, Sampling())
            assert caught.value.kind == "budget"
            assert backend._end.opened().gate.busy == 0

    with FaultyServer(faults=("500",), share=1.0, repeat=99) as server:
        asyncio.run(main(server))
    assert server.requests == 3


def test_backends_of_one_server_share_one_pool_and_the_last_closes_it():
    async def main(server):
        chat = open_chat(server.chat, {"concurrency": 8})
        judge = open_reward(server.reward, {"concurrency": 20, "route": "classify"})
        async with chat:
            async with chat, judge:
                assert chat._end.pool is judge._end.pool
                assert chat._end.opened().gate.ceiling == 20
            await chat.sample(prompt("still open"), 0, Sampling())
        assert chat._end.pool is None
        assert not pool._pools
        async with chat:  # and it can be opened again
            await chat.sample(prompt("again"), 0, Sampling())

    with FaultyServer() as server:
        asyncio.run(main(server))
    gc.collect()  # an unclosed session would warn here, and warnings are errors


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
    print(server.statuses)
    assert server.statuses[429] < 32 + 40
