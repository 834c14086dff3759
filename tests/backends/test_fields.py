"""Fields of a request that a server does not take: what it says, and what is asked then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from gristmill.backends import open_chat
from gristmill.backends.calling import Calling
from gristmill.backends.fields import field_named
from gristmill.errors import BackendError, BackendFatal
from gristmill.records import Message, Prompt, Response, Sampling
from servers import FaultyServer

HELD = Sampling(temperature=0.7, schema={"type": "array"})

SAID = [
    # llama-cpp-python 0.3.36, of which the status is 500
    (500, {"error": {"message": "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', "
     "'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}",
     "type": "internal_server_error"}}, "response_format"),
    (400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}, "response_format"),
    (400, {"error": {"message": "Invalid parameter: 'response_format' of type 'json_schema' is not "
     "supported with this model.", "type": "invalid_request_error"}}, "response_format"),
    (501, {"error": {"message": "guided decoding is switched off"}}, "response_format"),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"],
     "msg": "Extra inputs are not permitted", "input": 123}]}, "seed"),
    (400, [{"error": {"code": 400, "message": "Invalid JSON payload received. Unknown name "
     "\"seed\": Cannot find field."}}], "seed"),
    (422, {"detail": "Unexpected fields in the request: {'seed'}"}, "seed"),
    (422, {"error": "Input validation error: `top_p` must be > 0.0 and < 1.0",
     "error_type": "validation"}, "top_p"),
    (400, {"error": {"message": "`temperature` and `top_p` cannot both be specified for this "
     "model. Please use only one."}}, "top_p"),
    (400, {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this "
     "model. Use 'max_completion_tokens' instead.", "param": "max_tokens"}}, "max_tokens"),
    (400, {"error": {"message": "Unsupported value: 'temperature' does not support 0.7 with this "
     "model. Only the default (1) value is supported."}}, "temperature"),
]  # fmt: skip
"""Status, what the server says, and the field that it means."""


class Choosy(FaultyServer):
    """Refuses what has a field, or what `refuses` says."""

    def __init__(self, status: int, said: Any, refuses: str | Callable[[dict[str, Any]], bool]):
        super().__init__()
        self.refusal = (status, said)
        self.refuses = refuses if callable(refuses) else lambda body: refuses in body

    async def _reply(self, request: web.Request, answer: Any) -> web.StreamResponse:
        body = json.loads(await request.read())
        if self.refuses(body):
            self.bodies.append(body)
            status, said = self.refusal
            return web.json_response(said, status=status)
        return await super()._reply(request, answer)


def asked(
    server: FaultyServer, sampling: Sampling = HELD, times: int = 2, **how: Any
) -> list[Response]:
    async def ask() -> list[Response]:
        async with open_chat(Calling(model=server.chat, **how)) as chat:
            prompts = [Prompt(f"p{i}", (Message("user", f"Why {i}?"),)) for i in range(times)]
            return [await chat.sample(p, 0, sampling) for p in prompts]

    return asyncio.run(ask())


@pytest.mark.parametrize(("status", "said", "field"), SAID)
def test_a_request_is_sent_again_without_the_field_that_its_server_refuses(
    status: int, said: Any, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Choosy(status, said, field) as server:
        assert len(asked(server)) == 2
    refused, *others = server.bodies
    assert field in refused and len(others) == 2
    for body in others:
        renamed = {"max_completion_tokens"} if field == "max_tokens" else set()
        assert body.keys() == refused.keys() - {field} | renamed
    (told,) = [r.getMessage() for r in caplog.records]
    assert f"HTTP {status}: " in told and f"takes no `{field}`" in told and "\n" not in told


def test_an_engine_that_fails_without_a_word_is_asked_without_the_schema() -> None:
    with Choosy(500, "Internal Server Error", "response_format") as server:
        assert len(asked(server, retries=1)) == 2
    assert ["response_format" in b for b in server.bodies] == [True, True, False, False]


def test_several_fields_are_given_up_one_after_another() -> None:
    def refuses(body: dict[str, Any]) -> bool:
        names = [n for n in ("seed", "top_p", "response_format") if n in body]
        server.refusal = (400, {"error": f"unknown field {names[0]}"}) if names else server.refusal
        return bool(names)

    with Choosy(400, {}, refuses) as server:
        asked(server)
    assert len(server.bodies) == 5
    assert server.bodies[-1].keys() == {"model", "messages", "temperature", "max_tokens"}


def test_a_schema_that_was_held_to_before_is_not_given_up_for_one_bad_moment() -> None:
    def refuses(body: dict[str, Any]) -> bool:
        return "response_format" in body and len(server.bodies) in (1, 2)

    with Choosy(500, "Internal Server Error", refuses) as server, pytest.raises(BackendError):
        asked(server, retries=1)
    assert all("response_format" in b for b in server.bodies)


def test_a_server_that_fails_with_all_and_every_field_is_the_error() -> None:
    server = FaultyServer(status=500, error="no memory")
    with server, pytest.raises(BackendError, match="no memory") as raised:
        asked(server, retries=0)
    assert raised.value.kind == "server" and len(server.bodies) == 2


@pytest.mark.parametrize(
    ("status", "said", "how"),
    [
        (400, "temperature must be between 0 and 2", {}),
        (400, "Unsupported value: 'seed'", {"body": {"seed": 7}}),
        (400, "top_p is not supported", {"sampling": Sampling(top_p=0.5)}),
        (400, "tool_choice needs --enable-auto-tool-choice", {}),
    ],
)
def test_what_the_user_meant_is_not_left_out(status: int, said: str, how: dict[str, Any]) -> None:
    server = FaultyServer(status=status, error=said)
    with server, pytest.raises(BackendError, match=said[:9]) as raised:
        asked(server, how.pop("sampling", Sampling()), **how)
    assert raised.value.kind == "bad_request" and len(server.bodies) == 1


def test_a_model_that_is_not_there_still_ends_the_run() -> None:
    said = "The model `bytedance/seed-oss-36b` does not exist"
    assert field_named(said) == ""
    with FaultyServer(status=404, error=said) as server, pytest.raises(BackendFatal):
        asked(server)


def test_a_router_without_a_provider_for_all_fields_is_asked_for_fewer() -> None:
    said = {"error": {"message": "No endpoints found that can handle the requested parameters.",
                      "code": 404}}  # fmt: skip
    with Choosy(404, said, "response_format") as server:
        assert len(asked(server)) == 2
    assert len(server.bodies) == 3


def test_a_stream_is_asked_for_again_too() -> None:
    async def pieces(model: str) -> list[str | Response]:
        async with open_chat(Calling(model=model)) as chat:
            prompt = Prompt("p", (Message("user", "Why?"),))
            return [p async for p in chat.stream(prompt, 0, Sampling())]

    with Choosy(422, {"error": "unknown field `seed`"}, "seed") as server:
        *_, last = asyncio.run(pieces(server.chat))
    assert isinstance(last, Response) and last.text
    assert [("seed" in b, b["stream"]) for b in server.bodies] == [(True, True), (False, True)]
