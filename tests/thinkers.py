"""Scripted models that think and call tools, named in a config as `scripted:thinkers:FUNCTION`."""

from __future__ import annotations

from typing import Any

from gristmill.records import Response, ToolCall

CALL = ToolCall("add", '{"a": 2, "b": null}', "call_1")
BROKEN = ToolCall("add", '{"a": 2', "call_2")
THOUGHT = "Two and\ntwo."

graded: list[str] = []
"""What the judge was asked to grade; tests clear it."""


def answer(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """By index: plain, with a thought, calls alone, calls beside a text, a thought alone."""
    said = messages[-1]["content"]
    return (
        Response(f"{said} Plain.", "m", "stop", 1, 1),
        Response(f"{said} Four.", "m", "eos_of_mine", 1, 1, THOUGHT),
        Response("", "m", "tool_calls", 1, 1, THOUGHT, (CALL,)),
        Response(f"{said} One moment.", "m", "tool_calls", 1, 1, "", (BROKEN, CALL)),
        Response(" ", "m", "length", 1, 1, THOUGHT),
    )[index]


def plain(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """An answer and nothing else, but in question 4."""
    found = answer(messages, 0, seed)
    return answer(messages, 1, seed) if "Question 4?" in found.text and index else found


def grade(messages: list[dict[str, Any]]) -> float:
    """Later answers are better."""
    said = messages[-1]["content"]
    graded.append(said)
    texts = ("Plain.", "Four.", "One moment.", "<tool_call>")
    return (0.0, 1.0, 3.0, 2.0)[[text in said for text in texts].index(True)]
