"""The judge of tool calls: against the schemas of the tools, and against the calls expected."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

import orjson

from gristmill.backends.base import Backend
from gristmill.errors import BackendError, MissingExtra
from gristmill.judges._calls import difference, exact, unmatched
from gristmill.judges.base import GroundTruth
from gristmill.page.text import one_line, plural
from gristmill.records import Prompt, Response, ToolCall, Verdict
from gristmill.tools.schema import Schema, Unreadable, arguments_in, schemas_of

NAME = "tools"


class Tools(GroundTruth):
    """Checks the calls of a response, of all its steps: reward 1 or 0.

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

    def shown(self, response: Response) -> Response | None:
        return response

    def open(self) -> Backend:
        """Raises MissingExtra where jsonschema is not installed."""
        if find_spec("jsonschema") is None:
            raise MissingExtra("the judge 'tools' (jsonschema)", "curate")
        return super().open()

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        expected = None if prompt.calls is None else orjson.loads(prompt.calls)
        calls = tuple(call for turn in response.turns for call in turn.tool_calls)
        if expected is None and not (prompt.tools and calls):
            return Verdict(NAME, "rules", None)
        try:
            tools = schemas_of(prompt.tools)
            wrong = _wrong(calls, expected, tools)
        except Unreadable as error:
            raise BackendError("bad_truth", f"the prompt's tools: {error}") from None
        right = "the tools have them" if expected is None else "expected"
        detail = wrong or f"{plural(len(calls), 'call')}, as {right}"
        return Verdict(NAME, "rules", float(not wrong), detail=detail)


def _wrong(
    calls: tuple[ToolCall, ...],
    expected: list[dict[str, Any]] | None,
    tools: Mapping[str, Schema] | None,
) -> str:
    """What is wrong with the calls, in words; '' for nothing. tools: None where nobody says."""
    said: list[_Call] = []
    for call in calls:
        arguments = arguments_in(call)
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
    tool: Schema | None

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
        """What its tool's schema has against it, leaving out some arguments. Raises Unreadable."""
        if self.tool is None:
            return ""
        wrong = self.tool.against(self.arguments, but)
        return one_line(f"{self.name}: {wrong}", 200) if wrong else ""


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
