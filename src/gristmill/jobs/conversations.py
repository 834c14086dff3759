"""Conversations to fine-tune on, as others read them: OpenAI's rows, and Hermes'.

openai   {"messages": [{"role", "content", "tool_calls"}], "tools"}, arguments as texts
hermes   {"conversations": [{"from": "system" | "human" | "gpt" | "tool", "value"}]}: tools are
         explained in the system's turn, calls and what tools answer stand in tags, and a thought in
         `<think>`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from gristmill.errors import DataError
from gristmill.intake.calls import identified, with_calls, written
from gristmill.intake.cells import Refused
from gristmill.intake.record import CONVERSATION
from gristmill.intake.source import Source
from gristmill.nemotron.chat import thought_first
from gristmill.records import Message
from gristmill.storage.tables import place_of

EXPLAINED = (
    "# Tools\n\nYou may call tools. They are described within <tools> and </tools>:\n"
    "<tools>\n{tools}\n</tools>\n\nTo call one, write a JSON object with its name and its "
    'arguments within these tags:\n<tool_call>\n{{"name": ..., "arguments": ...}}\n</tool_call>'
)
_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def conversations_in(source: str) -> Source:
    """The conversations of a run's folder, which are its `sft`, or of whatever else is named.
    Raises DataError."""
    folder = Path(source)
    if not (folder / "run.yaml").is_file():
        return Source(file=source)
    found = place_of(folder / "data" / "sft.parquet")
    if not found.exists():
        raise DataError(f"{source}: has no data set 'sft'; add it to `export`, and run again")
    return Source(file=str(found))


def lines_of(source: Source, form: str, refused: list[str]) -> Iterator[bytes]:
    """A line for each conversation. refused: is told the others. Raises DataError where there is
    none at all."""
    made = 0
    for found in source.records(CONVERSATION):
        if isinstance(found, Refused):
            refused.append(str(found))
            continue
        made += 1
        turns, tools = found.content.turns, found.prompt.tools
        yield orjson.dumps(FORMS[form](turns, tools), option=orjson.OPT_APPEND_NEWLINE)
    if not made:
        why = f": {refused[0]}" if refused else ""
        raise DataError(f"{source.file}: no row is a conversation{why}")


def _openai(turns: Sequence[Message], tools: str) -> dict[str, Any]:
    # https://platform.openai.com/docs/guides/supervised-fine-tuning: no thoughts.
    row: dict[str, Any] = {"messages": list(map(_message, identified(turns)))}
    return {**row, "tools": orjson.loads(tools)} if tools else row


def _message(turn: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": turn.role}
    if turn.content or not turn.tool_calls:
        said["content"] = turn.content
    if turn.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function",
             "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.tool_calls
        ]  # fmt: skip
    if turn.role == "tool":
        said["tool_call_id"] = turn.tool_call_id
    return said if turn.learned else {**said, "weight": 0}


def _hermes(turns: Sequence[Message], tools: str) -> dict[str, Any]:
    if tools:
        system = turns[0].content if turns[0].role == "system" else ""
        said = "\n\n".join(filter(None, (system, EXPLAINED.format(tools=tools))))
        turns = (Message("system", said), *turns[turns[0].role == "system" :])
    made: list[dict[str, Any]] = []
    for is_tool, group in groupby(turns, lambda turn: turn.role == "tool"):
        if is_tool:  # What several answer at once is one turn.
            made.append({"from": "tool", "value": written(group)})
            continue
        for turn in group:
            said = {"from": _SPEAKERS[turn.role], "value": _with_thought(turn)}
            made.append(said if turn.learned else {**said, "weight": 0})
    return {"conversations": made}


def _with_thought(turn: Message) -> str:
    text = with_calls(turn)
    return thought_first(turn.reasoning, text) if turn.reasoning else text


FORMS: dict[str, Callable[[Sequence[Message], str], dict[str, Any]]] = {
    "openai": _openai,
    "hermes": _hermes,
}
