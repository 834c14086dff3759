"""Prompts and responses cut into turns, as the page shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gristmill.foreign import read_json
from gristmill.intake.calls import calls_of
from gristmill.intake.cells import Unusable
from gristmill.page.text import LONGEST, label, visible
from gristmill.records import ToolCall, arguments_of

_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant|Tool)\n")

MOST_STEPS = 40
"""Turns with tools that are shown of one response."""


@dataclass(frozen=True)
class Said:
    """A text as it is shown. `cut` is how many characters were left out."""

    text: str
    cut: int = 0


@dataclass(frozen=True)
class Call:
    """A tool call as it is shown."""

    name: str
    arguments: Said


@dataclass(frozen=True)
class Turn:
    """One turn as it is shown. thought: what came before the words, None where nothing did. steps:
    the turns with tools that led to it, the first `MOST_STEPS`; of `stepped` in all."""

    role: str
    said: Said
    thought: Said | None = None
    calls: tuple[Call, ...] = ()
    steps: tuple[Turn, ...] = ()
    stepped: int = 0

    @property
    def text(self) -> str:
        """The words alone."""
        return self.said.text

    @property
    def gist(self) -> str:
        """What there is to show in one line."""
        return self.text or " ".join(f"{c.name}({c.arguments.text})" for c in self.calls)


def said(text: str | None) -> Said:
    """A text, cut to what a page can carry."""
    text = text or ""
    return Said(visible(text[:LONGEST]), max(0, len(text) - LONGEST))


def turn(
    role: str,
    text: str | None,
    thought: str | None = None,
    calls: Any = None,
    steps: str | None = None,
) -> Turn:
    """One message. calls: as a message list has them, or the JSON of that. steps: the JSON of a
    message list."""
    found = Turn(role, said(text), said(thought) if thought else None, _calls(calls))
    return folded([*messages(read_json(steps)), found])[-1] if steps else found


def folded(found: list[Turn]) -> list[Turn]:
    """The turns of an answer as its last one, with the steps that led there."""
    *before, last = found or [turn("assistant", "")]
    return [replace(last, steps=tuple(before[:MOST_STEPS]), stepped=len(before))]


def _calls(given: Any) -> tuple[Call, ...]:
    try:
        return tuple(_call(one) for one in calls_of(given, "tool_calls"))
    except Unusable:
        # Another tool's file: whatever stands there is shown as it is.
        return (Call("?", said(str(given))),)


def _call(call: ToolCall) -> Call:
    arguments = arguments_of(call)
    if not isinstance(arguments, str):
        arguments = orjson.dumps(arguments, option=orjson.OPT_INDENT_2).decode()
    return Call(label(call.name), said(arguments))


def turns(prompt: str | None) -> list[Turn]:
    """The turns of a prompt, which may hold several in HelpSteer2's embedded form."""
    parts = _TURN.split(prompt or "")
    found = [turn("user", parts[0])]
    for role, text in zip(parts[1::2], parts[2::2], strict=True):
        found.append(turn(role.lower(), text))
    return found


def messages(value: Any) -> list[Turn]:
    """The turns of a message list as the Parquet files hold it."""
    return [
        turn(
            str(m.get("role") or "?"),
            m.get("content"),
            m.get("reasoning_content"),
            m.get("tool_calls"),
        )
        for m in value or ()
        if m
    ]
