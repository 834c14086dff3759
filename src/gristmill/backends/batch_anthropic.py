"""Anthropic's message batches, and its messages: what a request and an answer look like there.

POST /messages/batches              {requests: [{custom_id, params}]}
GET  /messages/batches/ID           processing_status, request_counts
GET  /messages/batches/ID/results   {custom_id, result: {type, message, error}}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from gristmill.backends.answer import response_of
from gristmill.backends.batch_api import (
    SKEW,
    Api,
    Batch,
    Ended,
    Lost,
    Outcome,
    id_of,
    object_of,
)
from gristmill.backends.decoding import count
from gristmill.backends.fault import Fault, fault_of_status
from gristmill.backends.secret import Secret
from gristmill.backends.wire import chat_messages
from gristmill.records import Prompt, Response, Sampling

VERSION = "2023-06-01"
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that a single call would have been refused with, by the type of a row's error."""
SPENT = "credit balance is too low"
"""How an account without money is refused: by an invalid_request_error, which is not the row's."""


class Anthropic(Api):
    """See the module. Its batches carry no name of ours: one whose creation was not heard of is
    known by its time and its number of requests, and then by its results."""

    most_requests = 100_000
    most_bytes = 240_000_000  # 256 MB are the limit
    names = False
    route = "messages/batches"
    after = "after_id"

    @staticmethod
    def headers(key: Secret) -> dict[str, str]:
        named = {"x-api-key": key.reveal()} if key else {}
        return {"anthropic-version": VERSION, **named}

    def row(self, key: str, body: bytes) -> bytes:
        return b'{"custom_id":"%b","params":' % key.encode() + body + b"}\n"

    async def upload(self, batch: Batch) -> str | None:
        return None  # The requests go along with `create`.

    async def create(self, batch: Batch) -> str:
        def asked() -> bytes:
            rows = batch.requests.read_bytes().rstrip(b"\n").split(b"\n")
            return b'{"requests":[' + b",".join(rows) + b"]}"

        return id_of(await self.line.once("POST", self.line.url(self.route), asked))

    def is_ours(self, one: dict[str, Any], batch: Batch, not_these: set[str]) -> bool:
        counts = object_of(one.get("request_counts")).values()
        size = sum(n for n in counts if type(n) is int)
        new = self.begun(one) >= batch.at - SKEW
        return new and size == len(batch.keys) and id_of(one) not in not_these

    def begun(self, one: dict[str, Any]) -> float:
        try:
            return datetime.fromisoformat(str(one.get("created_at"))).timestamp()
        except ValueError:
            return float("inf")

    def ended(self, batch: Batch, state: dict[str, Any]) -> Ended | None:
        if state.get("processing_status") != "ended":
            return None
        # Built, not taken from `results_url`: the key goes to the address that the user named.
        results = self.line.url(f"{self.route}/{batch.id}/results")
        return Ended((results,), Lost("server", f"the batch {batch.id} has no result for it"))

    def read(self, row: Any) -> tuple[str, Outcome]:
        key, result = row["custom_id"], row["result"]
        kind = result.get("type")
        if kind == "succeeded" and isinstance(result.get("message"), dict):
            return key, result["message"]
        if kind in ("canceled", "expired"):
            why = f"the request was {kind} with its batch"
            return key, Lost("timeout" if kind == "expired" else "server", why)
        error = object_of(result.get("error"))
        error = object_of(error.get("error")) or error
        status = _STATUSES.get(str(error.get("type")), 500)
        if SPENT in str(error.get("message")):
            status = 402
        return key, fault_of_status(status, {}, orjson.dumps({"error": error}))

    async def alone(self, body: bytes) -> dict[str, Any]:
        return await self.line.call("POST", self.line.url("messages"), lambda: body)


def params(name: str, prompt: Prompt, sampling: Sampling, extra: Mapping[str, Any]) -> bytes:
    """The body of a message's request. extra: more fields; null leaves one out."""
    turns = orjson.loads(chat_messages(prompt.messages))
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    fields: dict[str, Any] = {
        "model": name,
        "system": system or None,
        "messages": [_turn(turn) for turn in turns if turn["role"] != "system"],
        "max_tokens": sampling.max_tokens,
        "stop_sequences": sampling.stop or None,
        "temperature": sampling.temperature,
        # Newer models refuse it beside a temperature; 1 changes nothing.
        "top_p": sampling.top_p if sampling.top_p < 1 else None,
        "tools": [_tool(tool) for tool in orjson.loads(prompt.tools)] if prompt.tools else None,
    }
    if sampling.schema is not None:
        form = {"type": "json_schema", "schema": sampling.schema}
        fields["output_config"] = {"format": form}
    return orjson.dumps({k: v for k, v in {**fields, **extra}.items() if v is not None})


def _turn(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A turn of OpenAI's wire as Anthropic's has it: calls and their answers are parts of one."""
    if turn["role"] == "tool":
        name = turn["tool_call_id"]
        part = {"type": "tool_result", "tool_use_id": name, "content": turn["content"]}
        return {"role": "user", "content": [part]}
    calls = turn.get("tool_calls")
    if not calls:
        return {"role": turn["role"], "content": turn["content"]}
    said = [{"type": "text", "text": turn["content"]}] if turn["content"] else []
    return {"role": turn["role"], "content": [*said, *(_call(call) for call in calls)]}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    try:
        given = orjson.loads(function["arguments"] or "{}")
    except orjson.JSONDecodeError:
        given = {"arguments": function["arguments"]}
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": given}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = object_of(tool.get("function")) or tool
    said = {"name": function.get("name"), "description": function.get("description")}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {k: v for k, v in said.items() if v} | {"input_schema": schema}


def read_message(reply: Any, model: str) -> Response:
    """The Response in a message. Raises Fault; see `response_of`."""
    if not isinstance(reply, dict) or not isinstance(reply.get("content"), list):
        raise Fault("bad_reply", "the reply has no content")
    usage = object_of(reply.get("usage"))
    # What a cache read or wrote is left out of `input_tokens`.
    cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
    read = sum(count(usage.get(name)) for name in ("input_tokens", *cached))
    tokens = read, count(usage.get("output_tokens"))
    # A model with nothing to say ends its turn without a part.
    said = {"content": reply["content"] or ""}
    return response_of(said, reply.get("stop_reason"), model, tokens)
