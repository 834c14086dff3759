"""Tools that a chat model plays, from their schemas and from what was called before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import Field

from gristmill.backends import ChatBackend, open_chat
from gristmill.backends.calling import Price, Sampled
from gristmill.intake.tools import read_tools
from gristmill.records import Message, Prompt, Sampling, ToolCall, prompt_id
from gristmill.tools.base import Answers, Asked, ToolError, ToolSource


class Simulator(Sampled):
    """The model that plays tools, and how it samples."""

    temperature: float = Field(default=0.0, ge=0, le=5)
    """0, greedy: a tool says the same to the same call."""
    max_tokens: int = Field(default=1024, ge=1)
    """Longest answer of a tool."""


class Simulated(ToolSource):
    """`{simulate: {model: ...}, file: schemas.json}`: the tools of a file, played by a chat model;
    without `file` those of each row's own `tools`."""

    simulate: Simulator
    """The model, with all that a model can be given. Its `timeout` and `retries` hold for a call,
    and not the entry's `timeout`."""
    file: str | None = None
    """A file of tools as JSON: a list, one a line, or as an MCP server lists them; each in OpenAI's
    form or a bare one."""

    @property
    def simulated_by(self) -> str:
        return self.simulate.model

    def located(self, folder: Path) -> Self:
        if self.file is None:
            return self
        return self.model_copy(update={"file": str(folder / Path(self.file).expanduser())})

    def listed(self) -> list[dict[str, Any]]:
        return [orjson.loads(tool) for tool in read_tools(self.file)] if self.file else []

    def open(self) -> Playing:
        return Playing(self.simulate)


class Playing(Answers):
    """The model at play. paid: told of each of its answers: the price, and the tokens of prompt and
    completion."""

    def __init__(self, simulator: Simulator) -> None:
        self.backend: ChatBackend = open_chat(simulator)
        self.paid: Callable[[Price, int, int], None] = lambda *_: None
        s = simulator
        self._price = s.paid
        self._sampling = Sampling(s.temperature, 1.0, s.max_tokens, stop=s.stop)

    async def __aenter__(self) -> Self:
        await self.backend.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.backend.__aexit__(*exc_info)

    async def answer(self, asked: Asked) -> str:
        called = {"name": asked.name, "arguments": asked.arguments}
        messages = (
            Message("system", _system(asked.tool, asked.before)),
            Message("user", orjson.dumps(called).decode()),
        )
        prompt = Prompt(prompt_id(messages), messages)
        # The same call is answered alike in every response, as a tool would.
        reply = await self.backend.sample(prompt, 0, self._sampling)
        self.paid(self._price, *reply.paid)
        if not reply.text.strip():
            raise ToolError("the tool answered nothing")
        return reply.text


def _system(tool: dict[str, Any], before: Sequence[Message]) -> str:
    template = files("gristmill.tools").joinpath("simulate.md").read_text(encoding="utf-8")
    shown = orjson.dumps(tool["function"], option=orjson.OPT_INDENT_2).decode()
    # Filled in at once, so that nothing that a model wrote is taken for a place in it.
    return template.format(tool=shown, before="\n".join(_history(before)) or "nothing")


def _history(before: Sequence[Message]) -> Iterator[str]:
    """Calls that were answered, each with its answer, a line of JSON for each."""
    called: dict[str, ToolCall] = {}
    for message in before:
        # Some servers give the calls of each turn the same ids.
        called |= {call.id: call for call in message.tool_calls}
        if message.role == "tool" and (call := called.get(message.tool_call_id)):
            said = {"called": call.name, "with": call.arguments, "answered": message.content}
            yield orjson.dumps(said).decode()
