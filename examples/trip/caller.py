"""Plays a model that calls tools, rightly and wrongly, so that the example runs without one."""

from __future__ import annotations

import json
import re
from typing import Any

Call = dict[str, Any]


def answer(messages: list[dict[str, Any]], index: int, seed: int) -> dict[str, Any]:
    """What the model says to a conversation; its second response of a prompt is the worse one."""
    asked = next(m["content"] for m in messages if m["role"] == "user")
    told = [m["content"] for m in messages if m["role"] == "tool"]
    if told and not told[-1].startswith("Error"):
        return {"content": "; ".join(text for text in told if not text.startswith("Error"))}
    if "bed" in asked and told and not index:
        return {"content": "I cannot book anything here."}
    return {"content": None, "tool_calls": list(calls(asked, bool(index), len(told)))}


def calls(asked: str, worse: bool, told: int) -> list[Call]:
    if "bed" in asked:
        return [call("book_hotel", city="Lund")]
    made = []
    if day := re.search(r"\d{4}-\d\d-\d\d", asked):
        made.append(call("weekday", day=day[0]))
    if found := re.search(r"([\d.]+) km", asked):
        # Its worse self takes the unit's name from nowhere, and reads the error.
        unit = "kilometres" if worse and not told else "km"
        made.append(call("convert", amount=float(found[1]), unit=unit))
    return made


def call(name: str, **arguments: Any) -> Call:
    return {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
