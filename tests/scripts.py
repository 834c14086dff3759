"""Scripted models for tests, named in a config as `scripted:scripts:FUNCTION`."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from gristmill.errors import BackendError, BackendFatal
from gristmill.records import Response, ToolCall

asked: Counter[str] = Counter()
"""How often each answer was asked for, by prompt and index; tests clear it."""

graded: Counter[str] = Counter()
"""How often each response was graded."""

failing: set[str] = set()
"""Prompts, or `prompt/index`, whose answers fail."""

ungradable: set[str] = set()
"""Responses that get no grade."""

fatal: list[str] = []
"""Prompts at which the model is gone for good."""


def forget() -> None:
    for memory in (asked, graded, failing, ungradable, fatal, heard, judged):
        memory.clear()


def answer(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """`<prompt>/<index>`, unless the test asked for a failure or a blank."""
    text = messages[-1]["content"]
    name = f"{text}/{index}"
    asked[name] += 1
    if text in fatal:
        raise BackendFatal("the model is gone")
    if {text, name} & failing:
        raise BackendError("timeout", "no reply in time")
    if "blank" in text and index == 0:
        return "  "
    return name


heard: dict[str, list[dict[str, Any]]] = {}
"""What `other` was asked last, by its answer."""


def other(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """As `answer`, of a model that says so, and which is heard."""
    said = f"other {answer(messages, index, seed)}"
    heard[said] = messages
    return said


judged: dict[str, list[dict[str, Any]]] = {}
"""What `listen` was asked last, by the response."""


def listen(messages: list[dict[str, Any]]) -> float:
    """As `grade`, and what it hears is kept."""
    judged[messages[-1]["content"]] = messages
    return grade(messages)


def code(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """A program whose `f` gives the index; a comma in all but the first."""
    return f"Here{',' * index} it is:\n\n```python\ndef f():\n    return {index}\n```"


async def late(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Later prompts answer sooner, so that they finish out of order."""
    await asyncio.sleep((seed % 7) / 1000)
    return answer(messages, index, seed)


def grade(messages: list[dict[str, Any]]) -> float:
    """A reward that depends on the response: the sum of its digits, below 10."""
    said = messages[-1]["content"]
    graded[said] += 1
    if said in ungradable:
        raise BackendError("bad_reply", "no grade in it")
    return float(sum(int(c) for c in said if c.isdigit()) % 10)


def calls(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """Asks for the weather in Oslo, whatever it is asked."""
    made = ToolCall("weather", '{"city": "Oslo"}')
    return Response("", "scripted", finish_reason="tool_calls", tool_calls=(made,))
