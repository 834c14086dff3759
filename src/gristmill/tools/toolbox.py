"""The tools of a run: what its config names, opened, and one answer to each call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from gristmill.backends.decoding import sendable
from gristmill.errors import BackendError, ConfigError, MissingExtra
from gristmill.page.text import one_line
from gristmill.parts import build, nearest
from gristmill.records import Message, Prompt, ToolCall
from gristmill.tools._function import why
from gristmill.tools.base import Asked, ToolError, ToolSource
from gristmill.tools.functions import Functions
from gristmill.tools.schema import Unreadable, arguments_in, schemas_of
from gristmill.tools.script import Script
from gristmill.tools.server import Server
from gristmill.tools.simulated import Playing, Simulated

AnySource = Functions | Script | Server | Simulated

KINDS: dict[str, type[AnySource]] = {
    "python": Functions,
    "mcp": Server,
    "simulate": Simulated,
    "file": Script,
}
"""The key that says what an entry of `tools` is; `simulate` may have a `file`, too."""


def open_source(entry: Any, where: str) -> AnySource:
    """A source of tools from its entry in a config. Raises ConfigError."""
    if isinstance(entry, AnySource):
        return entry
    kind = next((KINDS[key] for key in KINDS if isinstance(entry, dict) and key in entry), None)
    if kind is None:
        raise ConfigError(
            f"{where}: write {{python: my_pkg.tools}}, {{file: tools.py}}, {{mcp: {{command: "
            f"[...]}}}} or {{simulate: {{model: ...}}}} (got {entry!r:.60})"
        )
    return build(kind, entry, where)


class Listed:
    """What sources of tools offer. tools: the JSON of all of them in OpenAI's form, for prompts
    that bring none; plays_rows: whether a row may bring its own, for a model to play."""

    def __init__(self, sources: Sequence[AnySource]) -> None:
        if find_spec("jsonschema") is None:
            raise MissingExtra("`generate.tools` (jsonschema)", "curate")
        self.sources = sources
        self.owners: dict[str, int] = {}
        found = []
        for place, source in enumerate(sources):
            where, tools = f"generate.tools[{place}]", _listed(source)
            for tool in _chosen(source, tools, where):
                name = tool["function"]["name"]
                if (other := self.owners.setdefault(name, place)) != place:
                    raise ConfigError(
                        f"{where}: it has a tool '{one_line(name, 60)}', and so has "
                        f"generate.tools[{other}]; say with `only: [...]` which tools are meant"
                    )
                found.append(tool)
        self.tools = orjson.dumps(found).decode() if found else ""
        rows = [k for k, s in enumerate(sources) if isinstance(s, Simulated) and s.file is None]
        if len(rows) > 1:
            raise ConfigError(
                f"generate.tools[{rows[1]}]: two models to play the rows' own tools; leave one "
                "out, or give it a `file`"
            )
        self.plays_rows = rows[0] if rows else None
        try:
            schemas_of(self.tools)
        except Unreadable as error:
            raise ConfigError(f"generate.tools: the schema of {error}") from None

    def owner(self, name: str) -> int | None:
        """The source that answers for a tool of this name."""
        return self.owners.get(name, self.plays_rows)

    def simulated_by(self, steps: Sequence[Message]) -> str | None:
        """The models that played the tools in a response's steps; None where all were real."""
        by = (self.owner(step.name) for step in steps if step.role == "tool")
        names = dict.fromkeys(self.sources[k].simulated_by for k in by if k is not None)
        return ", ".join(name for name in names if name) or None


def _chosen(source: ToolSource, tools: list[Any], where: str) -> Iterator[dict[str, Any]]:
    names = [tool["function"]["name"] for tool in tools]
    for name in source.only:
        if name not in names:
            raise ConfigError(f"{where}.only: there is no tool '{name}'; {nearest(name, names)}")
    yield from (tool for tool, n in zip(tools, names, strict=True) if n in (source.only or names))


_LISTED: dict[str, list[dict[str, Any]]] = {}


def _listed(source: AnySource) -> list[dict[str, Any]]:
    """A source's tools, asked for once in a process: what they are must not change in a run."""
    file = getattr(source, "file", None)
    changed = Path(file).stat().st_mtime_ns if file and Path(file).is_file() else 0
    key = f"{type(source).__name__} {changed} {source.model_dump_json()}"
    if key not in _LISTED:
        _LISTED[key] = source.listed()
    return _LISTED[key]


class Toolbox:
    """The tools of a run while it goes on; see `Listed`."""

    def __init__(self, listed: Listed) -> None:
        self.listed = listed
        self.answers = [source.open() for source in listed.sources]
        self._stack = AsyncExitStack()
        self._gates = [asyncio.Semaphore(source.at_once) for source in listed.sources]

    @property
    def players(self) -> list[Playing]:
        """The models that play tools."""
        return [one for one in self.answers if isinstance(one, Playing)]

    async def __aenter__(self) -> Toolbox:
        async with AsyncExitStack() as stack:
            for one in self.answers:
                await stack.enter_async_context(one)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def check(self, prompt: Prompt) -> None:
        """Raises BackendError where nobody answers for a tool of a prompt's own, or its schema is
        none: nothing is asked of a model then."""
        try:
            names = list(schemas_of(prompt.tools) or ())
        except Unreadable as error:
            raise BackendError("bad_tools", f"the prompt's tools: {error}") from None
        for name in names:
            if self.listed.owner(name) is None:
                raise BackendError(
                    "bad_tools",
                    f"nobody answers for the prompt's tool '{name}'; add {{simulate: {{model: "
                    "...}} to generate.tools, whose model then plays it",
                )

    async def answer(self, call: ToolCall, prompt: Prompt, before: Sequence[Message]) -> Message:
        """The tool's turn that answers a call, whatever the call is. Raises BackendError where the
        answer is to be asked for again later."""
        try:
            text = await self._answer(call, prompt, before)
        except ToolError as error:
            text = str(error) if str(error).startswith("Error") else f"Error: {error}"
        return Message("tool", sendable(text), tool_call_id=call.id, name=call.name)

    async def _answer(self, call: ToolCall, prompt: Prompt, before: Sequence[Message]) -> str:
        tools = schemas_of(prompt.tools) or {}
        if (schema := tools.get(call.name)) is None:
            known = ", ".join(tools)
            raise ToolError(f"there is no tool '{call.name[:100]}'; there are: {known}")
        arguments = arguments_in(call)
        if isinstance(arguments, str):
            raise ToolError(arguments)
        arguments = schema.without_nulls(arguments)
        if wrong := schema.against(arguments):
            raise ToolError(wrong[:1000])
        place = self.listed.owner(call.name)
        assert place is not None  # `check` has looked at all of them
        source, asked = self.listed.sources[place], Asked(schema.tool, arguments, before)
        async with self._gates[place]:
            text = await self._in_time(place, source, asked)
        most = source.max_result_kib << 10
        data = text.encode("utf-8", "surrogatepass")
        if len(data) <= most:
            return text
        kept = data[:most].decode("utf-8", "ignore")
        return f"{kept}\n[cut off after {source.max_result_kib:,} KiB]"

    async def _in_time(self, place: int, source: ToolSource, asked: Asked) -> str:
        if source.simulated_by:
            return await self.answers[place].answer(asked)
        clock = asyncio.timeout(source.timeout)
        try:
            async with clock:
                return await self.answers[place].answer(asked)
        except (ToolError, BackendError):
            raise
        except TimeoutError as error:
            if not clock.expired():
                raise ToolError(why(error)) from None
            raise ToolError(f"no answer within {source.timeout:g} seconds") from None
        except Exception as error:  # whatever a tool of the user's raises
            raise ToolError(why(error)) from None
