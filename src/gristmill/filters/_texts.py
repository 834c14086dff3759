"""The texts that a filter looks at: of prompt and response, fenced code, and what is not code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

from gristmill.records import Prompt, Sample

_FENCE = re.compile(r"([ \t]*(?:>[ \t]?)*)(`{3,}|~{3,})[ \t]*([^`]*)\Z")
_QUOTE = re.compile(r"^(?:[ \t]*>[ \t]?)+")
_NAME = re.compile(r"[{.\s]*(?:language-)?([\w#+.-]*)")
_INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)[^`]+\1(?!`)")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of code. language: the first word after the fence, in lower case, or empty.
    line: of its first line of code in the whole text, from 1. closed: whether its end is there."""

    language: str
    line: int
    text: str
    closed: bool


def response_of(sample: Sample) -> str:
    """The text of a response that is known to be there."""
    assert sample.response is not None
    return sample.response.text


def texts_of(of: str, prompt: Prompt, sample: Sample) -> Iterator[tuple[str, str]]:
    """`prompt` with each message of it but the system's, `response` with that, by `of`, which is
    one of the two or `both`."""
    if of != "response":
        for message in prompt.messages:
            if message.role != "system":
                yield "prompt", message.content
    if of != "prompt":
        yield "response", response_of(sample)


def fences(text: str) -> list[Fence]:
    """The blocks between lines of three or more backticks or tildes, in order; the last one may
    lack its end."""
    return [part for part in _parts(text) if isinstance(part, Fence)]


def prose(text: str) -> str:
    """The text without fenced blocks and code within lines."""
    if "`" not in text and "~~~" not in text:
        return text
    outside = "\n".join(part for part in _parts(text) if isinstance(part, str))
    return _INLINE.sub(" ", outside)


def shown(text: str, most: int = 80) -> str:
    """Text as evidence shows it: on one line, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _parts(text: str) -> Iterator[str | Fence]:
    """Lines outside of blocks, and blocks."""
    opened: tuple[str, str, int] | None = None
    quoted = False
    inside: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        fence = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if opened is None:
            if fence:
                opened, inside = (fence[2], _name(fence[3]), number + 1), []
                quoted = ">" in fence[1]
            else:
                yield line
        elif fence and not fence[3].strip() and fence[2].startswith(opened[0]):
            yield Fence(opened[1], opened[2], _block(inside), True)
            opened = None
        else:
            inside.append(_QUOTE.sub("", line) if quoted else line)
    if opened is not None:
        yield Fence(opened[1], opened[2], _block(inside), False)


def _name(info: str) -> str:
    found = _NAME.match(info)
    return found[1].lower() if found else ""


def _block(lines: list[str]) -> str:
    return dedent("\n".join(lines)) + "\n"
