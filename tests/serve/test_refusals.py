"""What is refused, with which status, and in which words."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from local_models import one_thread
from serving import TOO_LONG, Serving, asked

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "tiny:instruct", "messages": asked("What is 2 plus 3?")}
GRADE: dict[str, Any] = {"model": "tiny:reward", "messages": asked("What is 2 plus 3?", "5")}


@pytest.mark.parametrize(
    ("changes", "status", "param", "said"),
    [
        ({"model": "tiny:nobody"}, 404, "model", "there is 'tiny:instruct', 'tiny:reward'"),
        ({"tempratur": 1}, 400, "tempratur", "did you mean `temperature`?"),
        ({"frequency_penalty": 0.5}, 400, "frequency_penalty", "not supported here; 0 is taken"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format", '{"type":"text"}'),
        ({"store": True}, 400, "store", "false is taken"),
        ({"temperature": 2.5}, 400, "temperature", "less than or equal to 2 (got 2.5)"),
        ({"temperature": "hot"}, 400, "temperature", "valid number (got 'hot')"),
        ({"top_p": 0}, 400, "top_p", "greater than 0"),
        ({"n": 0}, 400, "n", "greater than or equal to 1"),
        ({"n": True}, 400, "n", "valid integer"),
        ({"max_tokens": -1}, 400, "max_tokens", "greater than or equal to 1"),
        ({"top_logprobs": 2}, 400, None, "`logprobs: true`"),
        ({"stream_options": {"include_usage": True}}, 400, None, "`stream: true`"),
        ({"stop": ""}, 400, "stop", "1 to 256 characters"),
        ({"messages": []}, 400, "messages", "at least 1 item"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "messages",
         "'messages[0]' is by"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages",
         "image_url type, not text"),
        ({"tools": [{"name": 3}]}, 400, "tools", "no tool with a name"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, None,
         "its chat template leaves out tools"),
        ({"tool_choice": "required"}, 400, "tool_choice", "'auto' or 'none'"),
        ({"messages": asked("word " * 2_000)}, 400, None, f"tokens, {TOO_LONG}"),
        ({"n": 129}, 400, "n", "less than or equal to 128"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_is_wrong_is_told_what(
    there: Serving, changes: dict[str, Any], status: int, param: str | None, said: str, stream: bool
) -> None:
    body = {**ASK, **changes}
    if stream and "stream_options" not in changes:
        body["stream"] = True
    found, reply = there.post(CHAT, body)
    error = reply["error"]
    assert found == status
    assert said in error["message"]
    assert error["param"] == param
    assert error["type"] == ("not_found_error" if status == 404 else "invalid_request_error")
    assert set(error) == {"message", "type", "param", "code"}
    assert there.taken("tiny:instruct") == 0


def test_what_asks_for_nothing_special_is_taken(there: Serving) -> None:
    neutral = {
        "user": "me", "metadata": {"a": "b"}, "frequency_penalty": 0, "presence_penalty": 0.0,
        "logit_bias": {}, "response_format": {"type": "text"}, "top_k": -1, "store": False,
        "seed": None, "stop": None, "n": 1, "parallel_tool_calls": True, "tools": [],
        "tool_choice": "auto", "max_tokens": 4, "service_tier": "auto",
    }  # fmt: skip
    assert there.post(CHAT, {**ASK, **neutral})[0] == 200


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"\xff\xfe{}", "not JSON"),
        (b'{"model": NaN}', "not JSON"),
        (b'{"model": "\\ud800"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "`model` is missing"),
        (b'{"model": 7}', "`model`: Input should be a valid string (got 7)"),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/rewards", "/classify", "/pooling"])
def test_what_is_no_request(there: Serving, path: str, raw: bytes, said: str) -> None:
    status, reply = there.post(path, raw)
    assert status == 400
    assert said in reply["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/completions", GRADE | {"prompt": "x"}, "unknown parameter `messages`"),
        ("/v1/completions", {"model": "tiny:reward", "prompt": "x"}, "is a reward model: ask it"),
        ("/v1/embeddings", {"model": "tiny:instruct", "input": "x"}, "is a chat model: ask it"),
        ("/v1/rewards", {"model": "tiny:instruct", "input": [[]]}, "is a chat model"),
        ("/classify", {"model": "tiny:instruct", "input": "x"}, "is a chat model"),
        (CHAT, GRADE | {"temperature": 0}, "grades and writes nothing: leave out `temperature`"),
        (CHAT, GRADE | {"stream": True}, "leave out `stream`"),
        (CHAT, GRADE | {"messages": asked("no answer")}, "the last message must be the assistant"),
        (CHAT, GRADE | {"messages": asked("a", "b " * 2_000)}, TOO_LONG),
    ],
)
def test_a_model_is_asked_for_what_it_does(
    there: Serving, path: str, body: dict[str, Any], said: str
) -> None:
    status, reply = there.post(path, body)
    assert (status, said in reply["error"]["message"]) == (400, True), reply


def test_routes_that_are_none(there: Serving) -> None:
    for path, status in (("/v2", 404), ("/v1/models/none", 404), ("/v1/chat/completions", 405)):
        found, reply = there.get(path)
        assert found == status
        assert reply["error"]["message"]
    assert there.full("/health", {})[2]["allow"] == "GET"


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(there: Serving) -> None:
    status, reply = there.post(CHAT, {**ASK, "user": "x" * 2**20})
    assert (status, reply["error"]["message"]) == (
        413,
        "the request is larger than 1 MiB; send less",
    )
    host, port = there.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw.sendall(head.encode())
        # It never says how much there is.
        block = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(17):
            raw.sendall(block)
        assert b" 413 " in raw.recv(4096).splitlines()[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000,
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: -4\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection_and_nothing_else(there: Serving, raw: bytes) -> None:
    host, port = there.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        said = b""
        # It may have hung up before all of it was sent.
        with suppress(ConnectionError, OSError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            said = connection.recv(4096)
    assert said == b"" or b" 400 " in said.splitlines()[0] or b" 404 " in said.splitlines()[0]
    assert there.get("/health") == (200, {"status": "ok"})


@pytest.fixture(scope="module")
def locked() -> Iterator[Serving]:
    with one_thread(), Serving(["tiny:reward"], key="s3cret-key") as serving:
        yield serving


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer s3cret-ke", "Basic s3cret-key", "Bearer s3cret-key2", "s3cret-key"],
)
def test_without_the_key_nothing_is_told(locked: Serving, given: str) -> None:
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
        status, reply = locked.get(path, Authorization=given)
        assert (status, reply["error"]["code"]) == (401, "invalid_api_key")
        assert "s3cret" not in str(reply)


def test_with_the_key_all_is_as_ever_and_health_needs_none(locked: Serving) -> None:
    assert locked.get("/v1/models", Authorization="bearer s3cret-key")[0] == 200
    assert locked.get("/health")[0] == 200
