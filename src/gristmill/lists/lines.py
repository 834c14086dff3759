"""A reply as lines: without the thought before it, line ends as one kind, and where code stands."""

from __future__ import annotations

import re

from gristmill.lists.thought import split_thought

# Not the joiners U+200C and U+200D: words of Hindi and Persian, and many emoji, need them.
INVISIBLE = "\ufeff\u200b\u2060\u200e\u200f"
"""Byte-order mark, zero-width space, word joiner, direction marks: nothing that is read."""

_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + INVISIBLE
_ENDS = re.compile(r"(?:<\|[a-z_]{1,30}\|>|</s>|<(?:end|start)_of_turn>)\s*\Z")
_FENCE = re.compile(
    r"(?P<marker>(?:[-*+•]|\d{1,3}[.)])\s{1,8})?(?P<fence>`{3,}+|~{3,}+)(?P<after>.*)"
)
_RULE = re.compile(r"(?:-{3,}+|\*{3,}+|_{3,}+|={3,}+|—{2,}+|(?:\* ){2,20}\*|(?:- ){2,20}-)\Z")


def trim(text: str) -> str:
    """Without white space and invisible characters at both ends."""
    return text.strip(_BLANK)


def spoken(text: str) -> str:
    """What the model said: no thought, no leaked special token, `\\n` for every line end."""
    text = trim_end(split_thought(text).answer)
    for _ in range(3):
        if (end := _ENDS.search(text, max(0, len(text) - 200))) is not None:
            text = trim_end(text[: end.start()])
    return text.replace("\r\n", "\n").replace("\r", "\n")


def trim_end(text: str) -> str:
    return text.rstrip(_BLANK)


def lines_of(text: str) -> list[str]:
    """The lines of what was said; their indent in spaces, a tab reaching to a multiple of 4."""
    lines = []
    for line in spoken(text).split("\n"):
        body = line.lstrip(_BLANK)
        space = line[: len(line) - len(body)]
        lines.append("".join(c for c in space if c not in INVISIBLE).expandtabs(4) + trim_end(body))
    quoted = [line for line in lines if line]
    if quoted and all(line.lstrip().startswith(">") for line in quoted):
        return [line.lstrip().removeprefix(">").removeprefix(" ") for line in lines]
    return lines


def indent_of(line: str) -> int:
    return len(line) - len(line.lstrip())


def is_rule(line: str) -> bool:
    """Whether the line is a horizontal rule."""
    body = line.strip()
    return len(body) <= 200 and bool(_RULE.match(body))


def fences_of(lines: list[str]) -> dict[int, int]:
    """The line that opens each fenced block, and the one that closes it; a block that is never
    closed ends after the last line."""
    fences: dict[int, int] = {}
    unclosed: dict[str, int] = {}
    place = 0
    while place < len(lines):
        opened = _FENCE.match(lines[place].lstrip())
        if opened is not None and opened["fence"][0] not in opened["after"]:
            sign, length = opened["fence"][0], len(opened["fence"])
            end = len(lines)
            if length < unclosed.get(sign, length + 1):
                end = _close(lines, place, sign, length)
                if end == len(lines):
                    unclosed[sign] = length
            # One that begins on an item's own line and never ends is a text about fences.
            if end < len(lines) or opened["marker"] is None:
                fences[place] = place = end
        place += 1
    return fences


def _close(lines: list[str], start: int, sign: str, length: int) -> int:
    for place in range(start + 1, len(lines)):
        body = lines[place].strip()
        if len(body) >= length and body.startswith(sign) and not body.strip(sign):
            return place
    return len(lines)


def language_of(line: str) -> str:
    """The language that an opening fence names, in small letters; empty where it names none."""
    return line.strip().lstrip("`~").strip().casefold().split(" ", 1)[0]
