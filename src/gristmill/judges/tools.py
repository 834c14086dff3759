"""The judge of tool calls: against the schemas of the tools, and against the calls expected."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import orjson

from gristmill.backends.base import Backend
from gristmill.errors import BackendError, MissingExtra
from gristmill.foreign import read_json
from gristmill.judges._calls import difference, exact, unmatched
from gristmill.judges.base import GroundTruth
from gristmill.page.text import one_line, plural
from gristmill.records import Prompt, Response, ToolCall, Verdict

NAME = "tools"

_TYPES = {
    "dict": "object", "float": "number", "double": "number", "int": "integer", "long": "integer",
    "str": "string", "bool": "boolean", "list": "array", "tuple": "array",
}  # fmt: skip
"""What rows write for JSON Schema's types, in the words of a programming language."""
_KNOWN = {"object", "number", "integer", "string", "boolean", "array", "null"}
_LEFT = {"pattern", "patternProperties", "format"}
"""Not checked: an expression of somebody's row can take hours on a short text."""


class Tools(GroundTruth):
    """Checks the calls of a response: reward 1 or 0.

    Where the prompt has `calls`, the response must make just these, in any order (the rules are in
    `judges/_calls.py`), and none where the list is empty. Each call must name one of the prompt's
    `tools`, with arguments that its JSON Schema allows: every required one, none that it does not
    have, the right types and choices. `pattern` and `format` are not checked. Of a prompt without
    `calls`, a response that calls nothing has no reward.
    """

    @property
    def needs(self) -> str:
        return "tools"

    @property
    def facts(self) -> tuple[str, ...]:
        return ("calls",)

    @property
    def reads_calls(self) -> bool:
        return True

    def open(self) -> Backend:
        """Raises MissingExtra where jsonschema is not installed."""
        if find_spec("jsonschema") is None:
            raise MissingExtra("the judge 'tools' (jsonschema)", "curate")
        return super().open()

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        expected = None if prompt.calls is None else orjson.loads(prompt.calls)
        if expected is None and not (prompt.tools and response.tool_calls):
            return Verdict(NAME, "rules", None)
        try:
            tools = _tools(prompt.tools)
            wrong = _wrong(response.tool_calls, expected, tools)
        except _Unreadable as error:
            raise BackendError("bad_truth", f"the prompt's tools: {error}") from None
        right = "the tools have them" if expected is None else "expected"
        detail = wrong or f"{plural(len(response.tool_calls), 'call')}, as {right}"
        return Verdict(NAME, "rules", float(not wrong), detail=detail)


class _Unreadable(Exception):
    """A schema that is none."""


class _Tool(NamedTuple):
    """required: arguments. defaults: of its arguments, where its schema says one."""

    check: Any
    required: frozenset[str]
    defaults: Mapping[str, Any]

    def without_nulls(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The same without what is null and need not be there: many a model says so what it leaves
        out."""
        return {k: v for k, v in arguments.items() if v is not None or k in self.required}


def _wrong(
    calls: tuple[ToolCall, ...],
    expected: list[dict[str, Any]] | None,
    tools: Mapping[str, _Tool] | None,
) -> str:
    """What is wrong with the calls, in words; '' for nothing. tools: None where nobody says."""
    said: list[_Call] = []
    for call in calls:
        arguments = _arguments(call)
        if isinstance(arguments, str):
            return f"{call.name}: {arguments}"
        tool = (tools or {}).get(call.name)
        if tools is not None and tool is None:
            return f"there is no tool '{one_line(call.name, 60)}'"
        said.append(_Call(call.name, tool.without_nulls(arguments) if tool else arguments, tool))
    if expected is None:
        return next((why for call in said if (why := call.against_schema())), "")
    left = unmatched(said, expected, lambda call, wanted: not call.against(wanted))
    if left:
        return _nearest(said, expected[left[0]])
    if len(said) > len(expected):
        return f"{plural(len(said), 'call')}, and {len(expected) or 'none'} expected: {said[0]}"
    return ""


class _Call(NamedTuple):
    """A call that was made. tool: None where the prompt has none."""

    name: str
    arguments: dict[str, Any]
    tool: _Tool | None

    def __str__(self) -> str:
        return _shown(self.name, self.arguments)

    def against(self, wanted: dict[str, Any]) -> str:
        """What is wrong with it as an expected call; '' for nothing."""
        if self.name != wanted["name"]:
            return "another tool"
        defaults = self.tool.defaults if self.tool else {}
        why = difference(self.arguments, wanted, defaults)
        return why or self.against_schema(exact(self.arguments, wanted))

    def against_schema(self, but: frozenset[str] = frozenset()) -> str:
        """What its tool's schema has against it, leaving out some arguments. Raises _Unreadable."""
        if self.tool is None:
            return ""
        from jsonschema.exceptions import best_match
        from referencing.exceptions import Unresolvable

        try:
            found = self.tool.check.iter_errors(self.arguments)
            error = best_match(e for e in found if not but.intersection(list(e.absolute_path)[:1]))
        except (Unresolvable, RecursionError) as wrong:
            raise _Unreadable(one_line(wrong, 200)) from None
        if error is None:
            return ""
        place = ".".join(map(str, error.absolute_path))
        said = f"'{place}': {error.message}" if place else error.message
        return one_line(f"{self.name}: {said}", 200)


def _arguments(call: ToolCall) -> dict[str, Any] | str:
    """The arguments of a call, or what is wrong with them."""
    try:
        found = read_json(call.arguments) if call.arguments.strip() else {}
    except orjson.JSONDecodeError as error:
        return f"its arguments are not JSON: {error}"
    return found if isinstance(found, dict) else "its arguments are no object"


def _nearest(said: list[_Call], wanted: dict[str, Any]) -> str:
    """Why an expected call was not made, by one of the same tool where there is any."""
    expected = f"expected {_shown(wanted['name'], _expected(wanted))}"
    for call in said:
        if call.name == wanted["name"] and (why := call.against(wanted)):
            return f"{call.name}: {why.removeprefix(f'{call.name}: ')}; {expected}"
    made = f"called {', '.join(call.name for call in said)}" if said else "no call"
    return f"{one_line(made, 100)}; {expected}"


def _expected(wanted: dict[str, Any]) -> dict[str, Any]:
    return wanted["accepted" if "accepted" in wanted else "arguments"]


def _shown(name: str, arguments: dict[str, Any]) -> str:
    return one_line(f"{name}({orjson.dumps(arguments).decode()})", 200)


@lru_cache(maxsize=256)
def _tools(tools: str) -> dict[str, _Tool] | None:
    """The tools of a prompt by name; None where it has none. Raises _Unreadable."""
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    found = {}
    for tool in orjson.loads(tools) if tools else ():
        function = tool["function"]
        schema = _plain(function.get("parameters") or {})
        # What a tool does not have was made up, though JSON Schema lets it pass.
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        try:
            Draft202012Validator.check_schema(schema)
        except (SchemaError, RecursionError) as error:
            raise _Unreadable(f"{function['name']}: {one_line(error, 200)}") from None
        # A registry of its own: by the default one, what a `$ref` names would be fetched.
        check = Draft202012Validator(schema, registry=Registry())
        fields = schema.get("properties", {}).items()
        known = {n: f["default"] for n, f in fields if isinstance(f, dict) and "default" in f}
        required = frozenset(schema.get("required", ()))
        found[function["name"]] = _Tool(check, required, known)
    return found or None


def _plain(schema: Any) -> Any:
    """A schema in JSON Schema's own words, without what is not checked."""
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _LEFT:
            continue
        if key == "type" and isinstance(value, str):
            value = _TYPES.get(value.lower(), value.lower())
            if value not in _KNOWN:
                continue
        elif key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            value = {name: _plain(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties", "not", "if", "then", "else"):
            value = _plain(value)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            value = [_plain(one) for one in value]
        elif key == "required" and not isinstance(value, list):
            continue
        plain[key] = value
    return plain
