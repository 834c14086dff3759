"""The fenced blocks of code in a text, and what stands outside of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

_FENCE = re.compile(
    # In a quotation, or indented, or both; or on the line of a list's item, if one word follows.
    r"(?P<before>[ \t]*+(?:>[ \t]?)*+)(?P<item>[ \t]*+(?:[-*+•]|\d{1,3}[.)])[ \t]++)?"
    r"[ \t]*+(?P<fence>`{3,}+|~{3,}+)[ \t]*+(?P<info>(?(item)[^\s`]*+[ \t]*+|[^`]*+))\Z"
)
_QUOTE = re.compile(r"^(?:[ \t]*>[ \t]?)+")
_NAME = re.compile(r"[{.\s]*(?:language-)?([\w#+.-]*)")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of code. language: the first word after the fence, in lower case, or empty.
    line: of its first line of code in the whole text, from 1. closed: whether its end is there."""

    language: str
    line: int
    text: str
    closed: bool


def fences(text: str) -> list[Fence]:
    """The blocks between lines of three or more backticks or tildes, in order; the last one may
    lack its end."""
    if "```" not in text and "~~~" not in text:
        return []
    return [part for part in parts(text) if isinstance(part, Fence)]


def parts(text: str) -> Iterator[str | Fence]:
    """Lines outside of blocks, and blocks, in order; `\\n` for every line end."""
    opened: tuple[str, str, int] | None = None
    quoted = False
    inside: list[str] = []
    for number, line in enumerate(one_line_end(text).split("\n"), 1):
        fence = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if opened is None:
            if fence:
                opened, inside = (fence["fence"], _name(fence["info"]), number + 1), []
                quoted = ">" in fence["before"]
            else:
                yield line
        elif fence and _closes(fence, opened[0]):
            yield Fence(opened[1], opened[2], _block(inside), True)
            opened = None
        else:
            inside.append(_QUOTE.sub("", line) if quoted else line)
    if opened is not None:
        yield Fence(opened[1], opened[2], _block(inside), False)


def one_line_end(text: str) -> str:
    """The text with `\\n` for every line end: which one a system writes says nothing."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _closes(fence: re.Match[str], opened: str) -> bool:
    return not fence["item"] and not fence["info"].strip() and fence["fence"].startswith(opened)


def _name(info: str) -> str:
    found = _NAME.match(info)
    return found[1].lower() if found else ""


def _block(lines: list[str]) -> str:
    return dedent("\n".join(lines)) + "\n"
