"""The texts that a filter looks at: of prompt and response, and of these what is not code."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from gristmill.lists.fences import parts
from gristmill.records import Prompt, Sample, arguments_of

_INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)[^`]+\1(?!`)")


def response_of(sample: Sample) -> str:
    """The text of a response that is known to be there."""
    assert sample.response is not None
    return sample.response.text


def calls_of(sample: Sample) -> str:
    """The calls of tools in a response, a line each; not their ids, which are made up each time."""
    assert sample.response is not None
    if not sample.response.tool_calls:
        return ""
    return "\n".join(
        f"{call.name} {orjson.dumps(arguments_of(call), option=orjson.OPT_SORT_KEYS).decode()}"
        for call in sample.response.tool_calls
    )


def texts_of(of: str, prompt: Prompt, sample: Sample) -> Iterator[tuple[str, str]]:
    """`prompt` with each message of it but the system's, `response` with that, by `of`, which is
    one of the two or `both`."""
    if of != "response":
        for message in prompt.messages:
            if message.role != "system":
                yield "prompt", message.content
    if of != "prompt":
        yield "response", response_of(sample)


def beside_of(sample: Sample) -> Iterator[tuple[str, str]]:
    """What is exported beside the answer: `thought`, and the `call`s of tools."""
    assert sample.response is not None
    if sample.response.reasoning:
        yield "thought", sample.response.reasoning
    if calls := calls_of(sample):
        yield "call", calls


def prose(text: str) -> str:
    """The text without fenced blocks and code within lines."""
    if "`" not in text and "~~~" not in text:
        return text
    outside = "\n".join(part for part in parts(text) if isinstance(part, str))
    return _INLINE.sub(" ", outside)


def shown(text: str, most: int = 80) -> str:
    """Text as evidence shows it: on one line, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
