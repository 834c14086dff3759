"""A long text in parts: cut at the ends of paragraphs, and within those where that is too long."""

from __future__ import annotations

import re
from itertools import pairwise
from math import ceil

SCRAP = 8
"""A part of less than one such share of the limit is joined to its neighbour."""

_HEADLINE = re.compile(r"\A\s*#{1,6}[ \t]+(\S.*)")

# Where a text may be cut, best first. Each looks at a run of signs once, however long it is.
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<![.!?…।؟۔])[.!?…।؟۔]++[\"'”’»)\]]*+\s+|[。！？]++[”’」』）]*+\s*")
_LINE = re.compile(r"\n\s*")
_WORD = re.compile(r"\s+")
_CUTS = (_PARAGRAPH, _SENTENCE, _LINE, _WORD)


def headline(text: str) -> str:
    """The heading that a Markdown text begins with; empty where it begins otherwise."""
    found = _HEADLINE.match(text)
    return found[1].rstrip().rstrip("#").rstrip() if found else ""


def chunks(text: str, limit: int) -> list[str]:
    """The text in parts of at most `limit` characters, in order, without the space at their ends.

    Cut at the ends of paragraphs; a longer paragraph at ends of sentences, then of lines, then
    between words, then anywhere. Parts are about equally long.
    """
    text = text.strip()
    if len(text) <= limit:
        return [text] if text else []
    pieces = list(_pieces(text, limit, 0))
    # Parts of equal length rather than full ones and a rest.
    aim = ceil(len(text) / ceil(len(text) / limit))
    parts = _joined(_packed(pieces, limit, aim), limit)
    return [part for part in (p.strip() for p in parts) if part]


def _pieces(text: str, limit: int, level: int) -> list[str]:
    """The text cut at the best ends; joined again they are the text."""
    if len(text.strip()) <= limit:
        return [text]
    if level == len(_CUTS):
        return [text[at : at + limit] for at in range(0, len(text), limit)]
    ends = [0, *(m.end() for m in _CUTS[level].finditer(text)), len(text)]
    found = [text[a:b] for a, b in pairwise(ends) if a < b]
    if level == 0:
        found = _with_headings(found, limit)
    return [piece for part in found for piece in _pieces(part, limit, level + 1)]


def _with_headings(paragraphs: list[str], limit: int) -> list[str]:
    """A heading and the paragraph after it as one, where they fit."""
    found: list[str] = []
    for paragraph in paragraphs:
        if found and _is_heading(found[-1]) and len(found[-1] + paragraph.rstrip()) <= limit:
            found[-1] += paragraph
        else:
            found.append(paragraph)
    return found


def _is_heading(text: str) -> bool:
    last = text.strip().rpartition("\n")[2]
    return last.startswith("#") and _HEADLINE.match(last) is not None


def _packed(pieces: list[str], limit: int, aim: int) -> list[str]:
    """Pieces joined to parts of about `aim` characters and at most `limit`."""
    parts = [""]
    for piece in pieces:
        longer = len(parts[-1] + piece.rstrip())
        # Past the aim only where that is nearer to it than stopping here.
        over = longer > aim and longer - aim > aim - len(parts[-1])
        if parts[-1] and (longer > limit or over):
            parts.append("")
        parts[-1] += piece
    return parts


def _joined(parts: list[str], limit: int) -> list[str]:
    """Scraps with the neighbour that has more room for them."""
    found: list[str] = []
    for part in parts:
        small = found and min(len(found[-1].strip()), len(part.strip())) < limit // SCRAP
        if small and len((found[-1] + part).strip()) <= limit:
            found[-1] += part
        else:
            found.append(part)
    return found
