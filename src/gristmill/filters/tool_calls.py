"""Calls that no tool of the prompt allows, and answers that say other figures than the tools."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import orjson

from gristmill.errors import MissingExtra
from gristmill.filters._figures import contradicted, figures, lone, unfounded
from gristmill.filters._texts import response_of, shown
from gristmill.filters.base import Filter
from gristmill.records import Drop, Message, Prompt, Sample, ToolCall
from gristmill.tools.schema import Unreadable, arguments_in, schemas_of

Turns = tuple[Message, ...]

FAILED = 2
"""Digits of a figure that is telling where every call failed."""


class ToolCalls(Filter):
    """Drops a response with a call, in its steps or in the prompt's own turns, of a tool that the
    prompt does not have (`tool_calls:invented`), or with arguments that the tool's schema does not
    allow (`tool_calls:arguments`); and an answer whose figures are not those of the tools.

    Of figures there are two rules. Where all that the last call gave is one number, and the answer
    has figures, but neither this number nor another that a tool gave alone, and one that is neither
    given nor made of these, it is dropped as `tool_calls:contradicts`. Where a figure of three
    digits or more stands neither in prompt, calls nor results, and does not follow from those there
    by simple arithmetic, it is dropped as `tool_calls:unfounded`; where every call failed, one of
    two digits or more. Years are not looked at, nor is code. What such rules cannot see is the rest
    of what an answer says.
    """

    arguments: bool = True
    """Whether arguments are checked against the schemas (extra `curate`)."""
    figures: Literal["contradicts", "all", "ignore"] = "contradicts"
    """Which rules on figures hold. `all` is for answers that rest on tools alone: one that adds
    what the model knows, or works out at length, is unfounded, too."""

    def check(self) -> None:
        if self.arguments and find_spec("jsonschema") is None:
            raise MissingExtra(
                "the filter 'tool_calls' (jsonschema; without it set arguments: false)", "curate"
            )

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        assert sample.response is not None
        turns = (*prompt.messages, *sample.response.turns)
        # Of a prompt that does not say its tools, nobody knows what its own turns may have called.
        looked = turns if prompt.tools else sample.response.turns
        calls = [call for turn in looked if turn.learned for call in turn.tool_calls]
        return self._wrong_call(prompt, calls) or self._wrong_figure(prompt, sample, turns) or ""

    def _wrong_call(self, prompt: Prompt, calls: list[ToolCall]) -> Drop | None:
        if not calls:
            return None
        names = {tool["function"]["name"] for tool in orjson.loads(prompt.tools or "[]")}
        for call in calls:
            if call.name not in names:
                return Drop("tool_calls:invented", f"there is no tool '{shown(call.name, 60)}'")
        wrong = filter(None, (_against(prompt, call) for call in calls)) if self.arguments else ()
        return next((Drop("tool_calls:arguments", why) for why in wrong), None)

    def _wrong_figure(self, prompt: Prompt, sample: Sample, turns: Turns) -> Drop | None:
        since = max((n for n, turn in enumerate(turns) if turn.role == "user"), default=-1) + 1
        results = [turn.content for turn in turns[since:] if turn.role == "tool"]
        if self.figures == "ignore" or not results or turns[-1].tool_calls:
            return None
        found = figures(response_of(sample), prompt.language)
        # What the assistant said between calls nobody gave.
        told = [turn.content for turn in turns[:-1] if turn.role != "assistant"]
        told += [call.arguments for turn in turns for call in turn.tool_calls]
        told += [turn.content for turn in prompt.messages if turn.role == "assistant"]
        alone = [number for text in results if (number := lone(text)) is not None]
        if alone and lone(results[-1]) is not None:
            wrong = contradicted(found, alone, told, prompt.language)
            if wrong:
                says = ", ".join(dict.fromkeys(figure.said for figure in wrong))
                gave = ", ".join(f"{number:g}" for number in alone)
                return Drop(
                    "tool_calls:contradicts", shown(f"the tool gave {gave}; it says {says}", 200)
                )
        if self.figures == "contradicts":
            return None
        failed = all(text.lstrip().lower().startswith("error") for text in results)
        for figure in unfounded(found, [*told, prompt.tools], results, prompt.language):
            if figure.telling or (failed and figure.digits >= FAILED):
                what = "every call failed" if failed else "no tool gave it, nor did the prompt"
                return Drop("tool_calls:unfounded", f"it says {figure.said}; {what}")
        return None


def _against(prompt: Prompt, call: ToolCall) -> str:
    """What the schema of its tool has against a call; empty also where the schema is none."""
    arguments = arguments_in(call)
    if isinstance(arguments, str):
        return f"{shown(call.name, 60)}: {arguments}"
    try:
        schema = (schemas_of(prompt.tools) or {})[call.name]
        wrong = schema.against(schema.without_nulls(arguments))
    except Unreadable:
        return ""
    return shown(f"{call.name}: {wrong}", 200) if wrong else ""
