"""Tools and calls of them, in the ways that people's files and servers write them.

OpenAI     {"type": "function", "function": {"name", "description", "parameters"}}
           {"id", "type": "function", "function": {"name", "arguments": JSON or an object}}
bare       {"name", "description", "parameters"}, {"name", "arguments"}
Anthropic  {"name", "description", "input_schema"}, {"type": "tool_use", "id", "name", "input"}
MCP        {"name", "description", "inputSchema"}
xLAM       {"name", "description", "parameters": {argument: {"type": "str, optional", ...}}}
Hermes     <tools>[...]</tools> in the system message, <tool_call>{...}</tool_call> in a text,
           <tool_response>...</tool_response> in the tool's
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from gristmill.foreign import read_json
from gristmill.intake.cells import Unusable, json_of
from gristmill.lists.thought import in_code
from gristmill.records import Message, ToolCall

# Blanks are stripped, not matched: a pattern that begins with them takes minutes for a long run.
_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_RESPONSE = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)
_TOOLS = re.compile(r"<tools>\s*([\[{].*?)\s*</tools>", re.DOTALL)
_HEADING = re.compile(r"^# Tools\s*$", re.MULTILINE)


_TYPES = {
    "dict": "object", "float": "number", "double": "number", "int": "integer", "long": "integer",
    "str": "string", "bool": "boolean", "list": "array", "tuple": "array", "set": "array",
}  # fmt: skip
"""What rows write for JSON Schema's types, in the words of a programming language."""
_KNOWN = {"object", "number", "integer", "string", "boolean", "array", "null"}
_SUBSCHEMAS = {"additionalProperties", "propertyNames"}
"""Words of JSON Schema that may stand alone before a schema, and are no arguments."""


def type_of(written: str) -> str:
    """JSON Schema's type for what a row calls one; empty where it has none."""
    kind = _TYPES.get(written.lower(), written.lower())
    return kind if kind in _KNOWN else ""


def tools_of(given: Any, field: str) -> str:
    """The JSON of a list of tools in OpenAI's form; empty where there are none. Raises Unusable."""
    given = _opened(given, field)
    if given in (None, []):
        return ""
    if not isinstance(given, list):
        raise Unusable("bad_tools", f"'{field}' is {type(given).__name__}, not a list of tools")
    found = [_tool(tool, f"{field}[{number}]") for number, tool in enumerate(given)]
    return json_of(found, field)


def calls_of(given: Any, place: str) -> tuple[ToolCall, ...]:
    """The calls in a message's `tool_calls`, or in its `function_call`. Raises Unusable."""
    given = _opened(given, place)
    if not given:
        return ()
    if not isinstance(given, list):
        raise Unusable("bad_calls", f"'{place}' is {type(given).__name__}, not a list of calls")
    return tuple(_call(call, f"{place}[{number}]") for number, call in enumerate(given))


def expected_of(given: Any, field: str) -> str | None:
    """The JSON of the calls that an answer should make, see `Prompt.calls`; None where nobody says.

    A list of calls, of objects with `accepted` values, or in the form of the Berkeley
    function-calling leaderboard, `{"name": {"argument": [values]}}`. Raises Unusable.
    """
    given = _opened(given, field)
    if given is None:
        return None
    if not isinstance(given, list):
        raise Unusable("bad_calls", f"'{field}' is {type(given).__name__}, not a list of calls")
    return json_of([_expected(one, f"{field}[{n}]") for n, one in enumerate(given)], field)


def _opened(given: Any, place: str) -> Any:
    """A list in any of its forms: as JSON in a text, or its only entry alone; None for no text."""
    if isinstance(given, str):
        given = _json(given, place) if given.strip() else None
    return [given] if isinstance(given, Mapping) else given


def _expected(given: Any, place: str) -> dict[str, Any]:
    given = _given(given)
    accepted = given.get("accepted") if isinstance(given, Mapping) else None
    name = given.get("name") if accepted is not None else None
    if isinstance(given, Mapping) and len(given) == 1 and "function" not in given:
        ((name, accepted),) = given.items()
    if accepted is None:
        call = _call(given, place)
        arguments = _json(call.arguments, place)
        if not isinstance(arguments, Mapping):
            raise Unusable("bad_calls", f"'{place}': its arguments are no object")
        return {"name": call.name, "arguments": arguments}
    if not isinstance(name, str) or not isinstance(accepted, Mapping):
        raise Unusable("bad_calls", f"'{place}' is no call with a name and accepted values")
    for argument, values in accepted.items():
        if not isinstance(values, list):
            raise Unusable("bad_calls", f"'{place}': '{argument}' has no list of accepted values")
    return {"name": name, "accepted": accepted}


def written(turns: Iterable[Message]) -> str:
    """Turns of the assistant and of tools as one text in Hermes' form."""
    return "\n".join(
        f"<tool_response>\n{turn.content}\n</tool_response>"
        if turn.role == "tool"
        else with_calls(turn)
        for turn in turns
    )


def with_calls(message: Message) -> str:
    """A message's text, and behind it its calls in Hermes' form."""
    if not message.tool_calls:
        return message.content
    calls = (
        f'<tool_call>\n{{"name": {orjson.dumps(c.name).decode()}, "arguments": '
        f"{arguments_json(c)}}}\n</tool_call>"
        for c in message.tool_calls
    )
    return "\n".join([*([message.content] if message.content else []), *calls])


def arguments_json(call: ToolCall) -> str:
    """A call's arguments as JSON: as the model wrote them, and what is no JSON as its string."""
    try:
        read_json(call.arguments)
    except orjson.JSONDecodeError:
        return orjson.dumps(call.arguments).decode()
    return call.arguments


def identified(turns: Sequence[Message], fits: Callable[[str], bool] = bool) -> Sequence[Message]:
    """The same with ids that fit, of nine letters and digits, where a call or what answers it has
    another: by default where one has none."""
    ids = {call.id for turn in turns for call in turn.tool_calls}
    ids |= {turn.tool_call_id for turn in turns if turn.role == "tool"}
    if all(map(fits, ids)):
        return turns
    made, names, order, number = list[Message](), dict[str, str](), list[str](), 0
    for turn in turns:
        if turn.tool_calls:
            order = [f"call{number + n:05d}" for n in range(len(turn.tool_calls))]
            number += len(order)
            # The same id may come again in a later turn.
            pairs = [*zip(turn.tool_calls, order, strict=True)]
            names = {call.id: name for call, name in pairs if call.id}
            calls = tuple(replace(call, id=name) for call, name in pairs)
            turn = replace(turn, tool_calls=calls)
        elif turn.role == "tool":
            name = names.get(turn.tool_call_id) or next(iter(order), f"call{number:05d}")
            order = [other for other in order if other != name]
            turn = replace(turn, tool_call_id=name)
        made.append(turn)
    return made


def written_calls(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    """A text in Hermes' form without its calls, and these; what is no call stays text, and so does
    one in a block of code, which only speaks of it."""
    place = text.find("<tool_call>")
    if place < 0 or in_code(text, place):
        return text, ()
    # Texts and calls by turns.
    parts = _CALL.split(text)
    try:
        calls = tuple(_call(_json(said, ""), "") for said in parts[1::2])
    except Unusable:
        return text, ()
    before, *between, after = parts[::2]
    rest = (before.rstrip(), *(part.strip() for part in between), after.lstrip())
    return "\n".join(rest).strip(), calls


def written_responses(text: str) -> list[str]:
    """What the tools answered in a turn in Hermes' form; the text itself in any other."""
    if "</tool_response>" not in text:
        return [text]
    return [said.strip() for said in _RESPONSE.findall(text)] or [text]


def written_tools(system: str) -> tuple[Any, str] | None:
    """(tools, what else it says) of a system message that explains them and how to call them, in
    Hermes' or Qwen's words; None where it is another. A chat template explains them in its own."""
    if "<tool_call>" not in system or (found := _TOOLS.search(system)) is None:
        return None
    try:
        tools = read_json(found[1])
    except orjson.JSONDecodeError:
        try:
            # One object a line, as some templates write them.
            tools = [read_json(line) for line in found[1].splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            return None
    heading = _HEADING.search(system)
    first = system.index("<tools>")
    # Without a heading the explanation begins with its paragraph.
    if heading is not None and heading.start() < first:
        start = heading.start()
    else:
        start = system.rfind("\n\n", 0, first) + 1
    end = max(found.end(), system.rfind("</tool_call>") + len("</tool_call>"))
    rest = (system[:start].strip(), system[end:].strip())
    return tools, "\n\n".join(part for part in rest if part)


def _tool(tool: Any, place: str) -> dict[str, Any]:
    if isinstance(tool, str):
        tool = _json(tool, place)
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise Unusable("bad_tools", f"'{place}' is no tool with a name")
    names = ("parameters", "input_schema", "inputSchema")
    schema = next((function[n] for n in names if function.get(n) is not None), None)
    if isinstance(schema, str):
        schema = _json(schema, place)
    known = {
        "name": function["name"],
        "description": function.get("description"),
        "parameters": _schema(_given(schema)),
        "strict": function.get("strict"),
    }
    return {
        "type": "function",
        "function": {name: value for name, value in known.items() if value is not None},
    }


def _schema(given: Any) -> Any:
    """xLAM's arguments, each with its type in Python's words, as the JSON Schema that servers and
    templates want; what is a schema as it is."""
    if not isinstance(given, Mapping) or not given or not _SUBSCHEMAS.isdisjoint(given):
        return given
    properties, required = {}, []
    for name, field in given.items():
        if not isinstance(field, Mapping) or not isinstance(written := field.get("type"), str):
            return given
        # `List[int], optional`
        kind = type_of(re.split(r"\W", written.strip(), maxsplit=1)[0])
        more = {key: value for key, value in field.items() if key != "type"}
        properties[name] = {**({"type": kind} if kind else {}), **more}
        if "default" not in field and "optional" not in written.lower():
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
    }


def _call(call: Any, place: str) -> ToolCall:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise Unusable("bad_calls", f"'{place}' is no call with a name")
    arguments = next(
        (function[n] for n in ("arguments", "parameters", "input") if function.get(n) is not None),
        None,
    )
    if not isinstance(arguments, str):
        arguments = json_of(_given(arguments) or {}, place)
    name = call.get("id")
    return ToolCall(function["name"], arguments or "{}", name if isinstance(name, str) else "")


def _given(value: Any) -> Any:
    """The same without what is null: a table fills in every column that some other row has."""
    if isinstance(value, Mapping):
        return {k: _given(v) for k, v in value.items() if v is not None}
    return [_given(v) for v in value] if isinstance(value, list) else value


def _json(text: str, place: str) -> Any:
    try:
        return read_json(text)
    except orjson.JSONDecodeError as error:
        raise Unusable("bad_json", f"'{place}' is not JSON: {error}") from None
