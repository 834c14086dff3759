"""Requests to an assistant that has tools: some need one call, some several, and some none at all.

The kinds are those that function-calling benchmarks tell apart, such as Berkeley's (Patil et al.
2025, gorilla.cs.berkeley.edu/leaderboard): a model that learns of calls alone calls whatever it is
asked, so that a part of the requests is to be answered, asked back or declined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import cached_property, partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, NamedTuple, Self

import orjson
from pydantic import Field, field_validator

from gristmill.backends.use import Asked, tokens_in
from gristmill.errors import ConfigError, DataError, MissingExtra
from gristmill.foreign import read_json
from gristmill.intake.calls import calls_of
from gristmill.intake.cells import Unusable
from gristmill.intake.tools import read_tools
from gristmill.page.text import one_line
from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._topics import Topics
from gristmill.records import Message, Response, ToolCall
from gristmill.tools.schema import Unreadable, arguments_in, schemas_of
from gristmill.tools.toolbox import Listed, open_source

Kind = Literal["one", "chain", "parallel", "unneeded", "missing", "impossible"]

CALLS: dict[str, tuple[int, int | None]] = {
    "one": (1, 1), "chain": (1, None), "parallel": (2, None),
    "unneeded": (0, 0), "missing": (0, 0), "impossible": (0, 0),
}  # fmt: skip
"""Fewest and most calls that a request of a kind takes at first; None is any number."""


class Batch(NamedTuple):
    """Requests to write. kind: their item, under that of the tools, under the subject."""

    kind: Item
    size: int


class ToolUse(Topics):
    """Requests to an assistant that has the tools of a file; each row has its `tools`."""

    templates_used: ClassVar = {
        "topics": frozenset({"tools", "known"}),
        "subtopics": frozenset({"tools", "topic", "known"}),
        "requests": frozenset({"tools", "topic", "kind", "known"}),
        "calls": frozenset({"tools", "request"}),
    }
    paths: ClassVar[tuple[str, ...]] = ("tools",)

    tools: str | dict[str, Any]
    """A file of tools, as JSON: a list, one a line, or as an MCP server lists them; each in
    OpenAI's, Anthropic's or MCP's form. Or where they are, as `generate.tools` names it:
    `{python: my_pkg.tools}`, `{file: tools.py}`, `{mcp: {command: [...]}}`."""
    tools_each: int | None = Field(default=None, ge=1)
    """Tools of one prompt at most, drawn for each subject, so that rows differ; by default all."""
    kinds: dict[Kind, float] = Field(
        default={"one": 3, "chain": 2, "parallel": 2, "unneeded": 1, "missing": 1, "impossible": 1},
        min_length=1,
    )
    """Shares of what requests need: `one` call, a `chain` of calls of which one needs what the
    last gave, calls in `parallel`; none (`unneeded`); something that the user has to say first
    (`missing`); a tool that is not there (`impossible`)."""
    subtopics: int = Field(default=0, ge=0, le=100)
    """Subtopics of each topic; by default requests are on the topics themselves."""
    requests: int = Field(default=3, ge=1, le=100)
    """Requests in one list: of one kind, on one topic."""
    expected: bool = False
    """Whether the model is also asked which calls a request takes. Requests that do not take what
    their kind says, or calls that no tool allows, are dropped; rows of `one` and `parallel` have
    the `calls`. One more call of the model for each request (extra `curate`)."""

    @field_validator("kinds")
    @classmethod
    def _some_of_each(cls, kinds: dict[Kind, float]) -> dict[Kind, float]:
        for kind, share in kinds.items():
            if share <= 0:
                raise ValueError(f"the share of '{kind}' is {share:g}; leave the kind out")
        return kinds

    @field_validator("tools")
    @classmethod
    def _opens(cls, given: str | dict[str, Any]) -> str | dict[str, Any]:
        try:
            if isinstance(given, str) and given.endswith(".py"):
                raise ConfigError(f"functions are {{file: {given}}}, or {{python: my_pkg.tools}}")
            if not isinstance(given, str):
                open_source(given, "tools")
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("tools: ")) from None
        return given

    @cached_property
    def _tools(self) -> tuple[str, ...]:
        if isinstance(self.tools, str):
            return read_tools(self.tools)
        found = Listed([open_source(self.tools, "tools")]).tools
        if not found:
            raise ConfigError("tools: there is none; name a `file` of them")
        return tuple(orjson.dumps(tool).decode() for tool in orjson.loads(found))

    def located(self, folder: Path) -> Self:
        moved = super().located(folder)
        if isinstance(self.tools, str):
            return moved
        source = open_source(self.tools, "tools").located(folder)
        return moved.model_copy(update={"tools": source.model_dump(exclude_unset=True)})

    def check(self) -> None:
        super().check()
        tools = self._tools
        if self.expected:
            if find_spec("jsonschema") is None:
                raise MissingExtra("`expected` of the recipe 'tool_use' (jsonschema)", "curate")
            try:
                schemas_of(_listed(tools))
            except Unreadable as error:
                raise DataError(f"tools: {self.tools}: {error}") from None

    @property
    def steps(self) -> float:
        lists = 1 + self.subject_steps / len(self.kinds)
        return lists / self.requests + self.expected

    @property
    def longest(self) -> Asked:
        return Asked(super().longest.tokens + tokens_in(_listed(self._tools)))

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        subjects = self.subjects(ask, len(self.kinds) * self.requests)
        batches = self._batches(ask, subjects)
        requests = ask.each(batches, partial(self._requests, ask), self.requests)
        new = ask.unique(requests, "request", again=True)
        return self._counted(ask, ask.each(new, partial(self._draft, ask)))

    async def _counted(
        self, ask: Ask, drafts: AsyncGenerator[Draft | str]
    ) -> AsyncGenerator[Draft]:
        """The drafts; why others are none is counted here, where they come in order."""
        async with aclosing(drafts) as found:
            async for draft in found:
                if isinstance(draft, Draft):
                    yield draft
                else:
                    ask.shared.report.dropped[draft] += 1

    async def _batches(self, ask: Ask, subjects: AsyncGenerator[Item]) -> AsyncGenerator[Batch]:
        each = len(self.kinds)
        kinds = islice(self._in_turn(), ask.turn * each, None)
        async with aclosing(subjects) as found:
            async for subject in found:
                names = (orjson.loads(t)["function"]["name"] for t in self._of(ask, subject))
                tools = Item("tools", ", ".join(names), subject)
                for kind, lists in Counter(islice(kinds, each)).items():
                    yield Batch(Item("kind", kind, tools), lists * self.requests)

    def _in_turn(self) -> Iterator[Kind]:
        """Kinds without end, whichever is furthest behind its share."""
        taken = dict.fromkeys(self.kinds, 0)
        while True:
            kind = min(taken, key=lambda k: (taken[k] + 1) / self.kinds[k])
            taken[kind] += 1
            yield kind

    def _of(self, ask: Ask, item: Item) -> tuple[str, ...]:
        """The tools that are drawn for an item's subject, in another order each time."""
        if self.tools_each is None:
            return self._tools
        under = item.nearest("tools")
        subject = under.parent if under else item
        assert subject is not None
        random = Random(f"{self.seed}:{ask.turn}:{subject.id}")
        return tuple(random.sample(self._tools, min(self.tools_each, len(self._tools))))

    def _told(self, item: Item | None) -> dict[str, Any]:
        return {"tools": "\n".join(map(_line, self._tools))}

    async def _requests(self, ask: Ask, batch: Batch) -> list[Item]:
        kind, subject = batch.kind, batch.kind.line()[-3]
        return await ask.items(
            *("request", "requests", batch.size, kind),
            again=True,
            tools=_shown(self._of(ask, kind)),
            topic=subject.text,
            kind=kind.text,
            persona=ask.persona(kind),
        )

    async def _draft(self, ask: Ask, request: Item) -> list[Draft | str]:
        kind, tools = request.line()[-2].text, self._of(ask, request)
        fewest, most = CALLS[kind]
        calls: list[dict[str, Any]] | None = None if fewest else []
        if self.expected:
            told = {"tools": _shown(tools), "request": request.text}
            made = await ask.read("calls", "calls", _calls_in, **told)
            if made is None:
                return ["calls:unreadable"]
            if len(made) < fewest or (most is not None and len(made) > most):
                return ["calls:another_kind"]
            named = [(call.name, arguments_in(call)) for call in made]
            if any(_against(name, given, tools) for name, given in named):
                return ["calls:not_in_schema"]
            # What a chain's later calls are to be told, nobody knows before the first one's answer.
            if kind != "chain":
                calls = [{"name": name, "arguments": given} for name, given in named]
        facts: dict[str, Any] = {
            "category": f"tool_use:{kind}",
            "tools": orjson.loads(_listed(tools)),
        }
        if calls is not None:
            facts["calls"] = calls
        return [Draft((Message("user", request.text),), request, facts)]


def _calls_in(reply: Response) -> tuple[ToolCall, ...] | None:
    """The calls that a reply lists as JSON, or makes; None where it is no such list."""
    text = reply.text
    starts = [place for sign in "[{" if (place := text.find(sign)) >= 0]
    if reply.tool_calls or not starts:
        return reply.tool_calls or None
    try:
        given = read_json(text[min(starts) : max(map(text.rfind, "]}")) + 1])
        return calls_of(given, "calls")
    except (orjson.JSONDecodeError, Unusable):
        return None


def _against(name: str, arguments: dict[str, Any] | str, tools: tuple[str, ...]) -> bool:
    """Whether no tool has such a call."""
    schema = (schemas_of(_listed(tools)) or {}).get(name)
    return schema is None or isinstance(arguments, str) or bool(schema.against(arguments))


def _listed(tools: tuple[str, ...]) -> str:
    """The JSON of a list of tools, as `Prompt.tools` has it."""
    return f"[{','.join(tools)}]"


def _shown(tools: tuple[str, ...]) -> str:
    """Tools as the model that writes is told them, one a line."""
    return "\n".join(orjson.dumps(orjson.loads(tool)["function"]).decode() for tool in tools)


def _line(tool: str) -> str:
    """What a tool is for."""
    function = orjson.loads(tool)["function"]
    return f"- {function['name']}: {one_line(function.get('description', ''), 200)}"
