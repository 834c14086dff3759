"""What a recipe makes of replies to it."""

from __future__ import annotations

import re
from functools import lru_cache

from gristmill.lists.parse import parse_list
from gristmill.lists.words import REFUSAL
from gristmill.records import Response

TRIES = 3
"""Calls for one list or text, before what is missing is given up."""

LONGEST_REFUSAL = 300
"""Characters. Someone who writes "I'm unable to ..." and goes on for longer has a question."""

LIST_SCHEMA = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"type": "string"}}},
    "required": ["items"],
    "additionalProperties": False,
}


_NUMBERED = re.compile(r"\s*(?:\(?\d{1,3}[.)、])\s+")
_SIGNS = re.compile(
    # Those that no formula, program or name needs: C, C++ and C# are three, 5 and -5, n and n!.
    '["“”„‟«»‹›「」『』《》…¿¡，。！？、；：。؟،؛।॥]'
    r"|(?<!\S)(?:\*\*|__|`)(?=\S)|(?<=[\w.?!])(?:\*\*|__|`)(?!\S)"
    r"|[.,;:?]+(?![^\s\"”»*_`'’])|(?<=[^\W\d]{2})!+(?!\S)"
)


_TAG = re.compile(r"</?[^\W\d][\w -]{0,40}/?>")
_MARK = re.compile(r"^\s*(?:[-*+•]|\(?\w[.)])(?=\s|$)", re.MULTILINE)


@lru_cache(maxsize=4096)
def squeezed(text: str) -> str:
    """What counts as the same item: aside from case, white space, a number before it, quotation
    marks, emphasis, and the signs that part and end sentences."""
    text = _SIGNS.sub("", _NUMBERED.sub("", text, count=1).replace("’", "'"))
    return " ".join(text.casefold().split())


def refuses(text: str) -> bool:
    """Whether a text that was to be a prompt is a refusal to write one: those are short."""
    return len(text) <= LONGEST_REFUSAL and REFUSAL.match(text) is not None


def says(text: str) -> bool:
    """Whether a text without its tags and marks has a word or a sum: weak models write `<draft>`,
    as the request has it, or `1. 2. 3.`"""
    rest = _MARK.sub("", _TAG.sub("", text))
    return any(c.isalpha() or c in "=+×÷^√?" for c in rest)


def whole_items(reply: Response) -> tuple[str, ...]:
    """The items of a reply that say anything. Of one that was cut off, the last is left out: it may
    be half."""
    found = parse_list(reply.text)
    return tuple(filter(says, found[:-1] if reply.finish_reason == "length" else found))
