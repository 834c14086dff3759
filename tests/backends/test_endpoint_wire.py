"""What the endpoint backends send, what they share, and where the key never shows up."""

import asyncio
import gc
import logging
import traceback

import pytest

from calls import prompt, sample, score
from gristmill.backends import Meter, open_chat, open_reward, pool, retry
from gristmill.errors import BackendError, BackendFatal
from gristmill.records import Sampling, sample_seed
from servers import FaultyServer, grade

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_DELAY", 0.01)
    monkeypatch.setattr(retry, "REFUSAL_DELAY", 0.01)


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
        sample(
            server.chat, {"body": {"temperature": 0, "note": "100 %"}}, "", Sampling(stop=("Q:",))
        )
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
    assert sent[2]["stop"] == ["Q:"]
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
