"""Whatever a client sends to a server of ours is answered or refused, and ends nothing."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.arena.store import Votes
from gristmill.arena.web.arena import Arena
from gristmill.arena.web.config import PageConfig
from gristmill.arena.web.round import Refused as NotNow
from gristmill.arena.web.view import CHOICES, view_of
from gristmill.arena.web.wall import LARGEST, Wall, is_open
from gristmill.backends.secret import Secret
from gristmill.serve import chat, completions, grading
from gristmill.serve.asked import (
    ChatAsked,
    CompletionAsked,
    EmbeddingAsked,
    PoolingAsked,
    RewardsAsked,
    read,
)
from gristmill.serve.guard import Guard
from gristmill.serve.refusal import Refused
from gristmill.serve.reply import Ends
from strange import fuzzed, near, texts

TURNS = [{"role": "system", "content": "s"}, {"role": "user", "content": "Q?"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CHAT = {
    "model": "m", "messages": TURNS, "n": 2, "temperature": 0.5, "top_p": 0.9, "max_tokens": 3,
    "stop": ["x"], "seed": 1, "stream": True, "stream_options": {"include_usage": True},
    "logprobs": True, "top_logprobs": 2, "tools": [TOOL], "tool_choice": "auto", "user": "u",
    "top_k": -1, "response_format": {"type": "text"}, "max_completion_tokens": 4,
}  # fmt: skip
BODIES = {
    ChatAsked: (CHAT,),
    CompletionAsked: ({"model": "m", "prompt": ["a"], "n": 2}, {"model": "m", "prompt": [1, 2]}),
    EmbeddingAsked: ({"model": "m", "input": ["a"], "encoding_format": "base64"},),
    RewardsAsked: ({"model": "m", "input": [TURNS, {"messages": TURNS}]},),
    PoolingAsked: ({"model": "m", "input": [[1, 2]]}, {"model": "m", "messages": TURNS}),
}  # fmt: skip


@fuzzed
@given(st.sampled_from(list(BODIES)).flatmap(lambda k: st.tuples(st.just(k), near(*BODIES[k]))))
def test_bodies_of_requests(one):
    kind, raw = one
    try:
        asked: Any = read(kind, raw)
        match asked:
            case ChatAsked():
                assert len(chat.asks_of(asked, 10)) == asked.n
            case CompletionAsked():
                assert completions.asks_of(asked)
            case RewardsAsked():
                assert len(grading.rows_of(asked)) == len(asked.input)
            case PoolingAsked():
                assert grading.count_of(asked) >= 1
                if asked.messages is not None:
                    chat.conversation(asked.messages)
    except Refused as refused:
        assert 400 <= refused.status < 500 and str(refused)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from((b"content-length", b"authorization", b"content-type", b"x")),
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from((b"9" * 5_000, b"-1", b"1e3", b"0", b"Bearer key", b"\xb2")),
        ),
    ),
    max_size=3,
)


def asgi(app: Any, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> list[int]:
    """The statuses with which an application answers."""
    found: list[int] = []
    sent = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return sent.pop() if sent else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(app(scope, receive, send))
    return found


async def inner(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@fuzzed
@given(st.one_of(texts, st.sampled_from(("/", "/gradio_api/queue/join"))), HEADERS, near(CHAT))
def test_what_stands_before_the_servers(path, headers, body):
    guarded = asgi(Guard(inner, Secret("key"), 1 << 20, Ends()), path, headers, body)
    assert guarded in ([200], [401], [413])
    walled = asgi(Wall(inner), path, headers, body)
    assert walled in ([200], [404], [413])
    assert is_open(path) or walled == [404]
    assert len(body) <= LARGEST


MODELS = [{"model": "scripted:echo", "name": name} for name in ("a", "b")]
said = st.one_of(st.none(), texts)


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    config = PageConfig.of({"models": MODELS, "votes": "v.sqlite"})
    with closing(Votes(tmp_path_factory.mktemp("arena") / "v.sqlite")) as votes:
        yield Arena(config, votes, {m.called: m.open() for m in config.models})


@fuzzed
@given(said, texts, texts, st.sampled_from(sorted(CHOICES)))
def test_what_visitors_send(arena, name, prompt, visitor, winner):
    async def visit() -> None:
        found = arena.begin(name, prompt, visitor, visitor)
        async with aclosing(arena.answers(found)) as answers:
            async for _ in answers:
                view_of(found, 0.0, 60)
        await arena.vote(found.name, winner, visitor)

    with suppress(NotNow):
        asyncio.run(visit())
    for lost in (arena.round, arena.reveal):
        lost(name)
    arena.votes.pseudonym(visitor).encode()
