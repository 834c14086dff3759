"""The pieces of one streamed message: what they add up to, and what of them may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gristmill.backends.decoding import sendable
from gristmill.backends.secret import Secret
from gristmill.intake.message import DETAILS, THOUGHTS, thought_in
from gristmill.lists.thought import TAGS, split_thought

_OPENING = (*TAGS, "<|channel|>", "<|start|>assistant")


class Deltas:
    """A message that grows: its text, its thought under each of its names, its calls of tools."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._spoke = False
        self._thoughts: dict[str, list[str]] = {}
        self._calls: list[dict[str, Any]] = []
        self._places: dict[Any, dict[str, Any]] = {}

    def add(self, delta: Mapping[str, Any]) -> str:
        """Add what an event says; returns the text in it."""
        content = delta.get("content")
        parts = content if isinstance(content, list) else [content]
        said = "".join(self._part(part) for part in parts)
        if not said and isinstance(delta.get("refusal"), str):
            said = delta["refusal"]
        self._spoke |= content is not None
        self._said.append(said)
        for name in (*THOUGHTS, *DETAILS):
            self._think(name, delta.get(name))
        calls = delta.get("tool_calls") or delta.get("function_call")
        for call in calls if isinstance(calls, list) else [calls]:
            self._call(call)
        return said

    def message(self) -> dict[str, Any]:
        """The whole of it, as a reply that came at once has it."""
        text = "".join(self._said)
        message = {"role": "assistant", "content": text if text or self._spoke else None}
        thoughts = {name: "".join(said) for name, said in self._thoughts.items()}
        return {**message, **thoughts, "tool_calls": self._calls}

    def _part(self, part: Any) -> str:
        """The text of a content or of a part of one; a part that is a thought is put aside."""
        if not isinstance(part, dict):
            return part if isinstance(part, str) else ""
        if part.get("type") in THOUGHTS:
            self._think("thinking", part)
            return ""
        return part["text"] if isinstance(part.get("text"), str) else ""

    def _think(self, name: str, given: Any) -> None:
        if given and (thought := thought_in(given)):
            self._thoughts.setdefault(name, []).append(thought)

    def _call(self, given: Any) -> None:
        """Add to a call: the one of the same index, else a new one where it has a name."""
        if not isinstance(given, dict):
            return
        function = given.get("function", given)
        if not isinstance(function, dict):
            return
        index = place if isinstance(place := given.get("index"), int) else None
        said = (given.get("id"), function.get("name"))
        name, called = (text if isinstance(text, str) else "" for text in said)
        call = self._places.get(index) if index is not None else (self._calls or [None])[-1]
        # Some servers number all the calls 0; each has an id of its own.
        if call is None or (index is None and called) or (name and call["id"] not in ("", name)):
            call = {"id": "", "function": {"name": "", "arguments": ""}}
            self._calls.append(call)
            self._places[index] = call
        call["id"] = call["id"] or name
        call["function"]["name"] = call["function"]["name"] or called
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = orjson.dumps(arguments).decode()
        call["function"]["arguments"] += arguments or ""


class Shown:
    """What may be shown of a text that grows: not a thought that opens it, not the key, and no half
    of a surrogate pair. A thought that the chat template opened looks like an answer until it ends,
    and is shown."""

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._hidden = ""
        self._begun = False
        self._held = ""

    def more(self, text: str) -> str:
        """What can be shown now that `text` has come."""
        if not self._begun:
            self._hidden += text
            if (text := self._behind_thought(text)) == "":
                return ""
            self._begun = True
        text = self._key.redact(self._held + text)
        held = self._open_end(text)
        self._held = text[len(text) - held :]
        return sendable(text[: len(text) - held])

    def rest(self) -> str:
        """What was held back and is no secret after all, when nothing more comes."""
        hidden = "" if self._begun else split_thought(self._hidden).answer
        return sendable(self._key.redact(self._held + hidden))

    def _behind_thought(self, came: str) -> str:
        """The text that is known to be answer; empty while that cannot be told."""
        while begun := self._hidden.lstrip():
            if any(tag.startswith(begun) for tag in _OPENING):
                return ""
            opening = next((tag for tag in _OPENING if begun.startswith(tag)), None)
            if opening is None:
                return self._hidden
            closing = TAGS.get(opening)
            # Looked for in what is new alone, and where that begins.
            if closing is None or closing not in self._hidden[-len(came) - len(closing) :]:
                return ""
            self._hidden = begun.partition(closing)[2].lstrip()
            came = self._hidden
        return ""

    def _open_end(self, text: str) -> int:
        """How many characters at the end may be the beginning of the key or of a pair."""
        if "\ud800" <= text[-1:] <= "\udbff":
            return 1
        key = self._key.reveal()
        most = min(len(key) - 1, len(text))
        return next((n for n in range(most, 0, -1) if key.startswith(text[-n:])), 0)
