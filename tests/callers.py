"""A loopback server whose model calls tools in every way, and the tools that it calls.

What it does is the last word of what the user says: `once`, `twice` (two calls in one turn, without
ids), `chain` (one after the other), `wrong` (and then right), `broken` (arguments that are half a
JSON), `unknown` (a tool that there is not), `raises`, `slow`, `forever`, `none`. Its model `player`
plays tools. `tool_calls` of a request must be what such a server takes, or it answers with 400, as
vLLM does.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from servers import FaultyServer, graded

__all__ = ["add", "boom", "nap", "weekday"]

DOES = ("once", "twice", "chain", "wrong", "broken", "unknown", "raises", "none")
LOG = "CALLERS_LOG"
"""The environment variable that names a file to which each call of `add` appends a byte."""


def add(a: int, b: int = 1, unit: Literal["m", "s"] | None = None) -> dict[str, Any]:
    """Add two numbers.

    Args:
        a: The first.
        b: The second, which
            may be left out.
    """
    import os

    if name := os.environ.get(LOG):
        with Path(name).open("ab") as file:
            file.write(b".")
    return {"sum": a + b, **({"unit": unit} if unit else {})}


async def weekday(day: str) -> str:
    """The day of the week of a date."""
    from datetime import date

    return date.fromisoformat(day).strftime("%A")


def boom() -> None:
    """Fails."""
    raise SystemExit("it was the tool")


def nap() -> str:
    """Takes its time."""
    time.sleep(30)
    return "awake"


class CallingServer(FaultyServer):
    """See the module. players: requests to `player`."""

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["model"] == "reward":
            return graded(body, self.forms)
        messages = body["messages"]
        if body["model"] == "player":
            message = {"role": "assistant", "content": f"played {messages[-1]['content']}"}
        else:
            for call in (c for m in messages for c in m.get("tool_calls", ())):
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
            told = ["reasoning_content" in m for m in messages if m.get("tool_calls")]
            if self.thinks == "must" and not all(told):
                raise refusal("The `reasoning_content` must be passed back to the API.")
            if self.thinks == "must not" and any(told):
                raise refusal("'messages.1': property 'reasoning_content' is unsupported")
            message = {"role": "assistant", **self._says(messages, body)}
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {"choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 5}}

    thinks = ""
    """Whether it thinks before it calls, and `must`, or `must not`, be told its thought again."""

    def _says(self, messages: list[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
        asked = [m for m in messages if m["role"] == "user"][-1]["content"]
        does, number = asked.split()[-1], len(asked)
        told = [m["content"] for m in messages if m["role"] == "tool"]
        turns = sum(bool(m.get("tool_calls")) for m in messages)
        calls = self._calls(does, turns, number)
        if calls:
            thought = {"reasoning_content": "Let me see."} if self.thinks else {}
            return {"content": None, "tool_calls": calls, **thought}
        return {"content": f"{does}: {' | '.join(told)} / {body.get('seed')}"}

    def _calls(self, does: str, turns: int, number: int) -> list[dict[str, Any]]:
        one = call("add", {"a": number}, f"id{turns}")
        if does == "forever":
            return [one]
        if does == "chain" and turns == 1:
            return [call("weekday", {"day": "2026-02-03"}, "id0")]
        if does == "wrong" and turns == 1:
            return [one]
        if turns or does == "none":
            return []
        return {
            "once": [one],
            "chain": [one],
            "twice": [call("add", {"a": 1}), call("weekday", {"day": "2026-02-02"})],
            "wrong": [call("add", {"a": "one", "c": 2}, "id0")],
            "broken": [call("add", '{"a": 2', "id0")],
            "unknown": [call("launch_rocket", {}, "id0")],
            "raises": [call("boom", {}, "id0")],
            "slow": [call("nap", {}, "id0")],
        }[does]


def refusal(said: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": {"message": said}}))


def call(name: str, arguments: Any, identity: str | None = None) -> dict[str, Any]:
    """A call as a server writes it."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    said = {"type": "function", "function": {"name": name, "arguments": text}}
    return {"id": identity, **said} if identity else said
