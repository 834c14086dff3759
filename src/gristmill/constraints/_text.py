"""Lines, paragraphs and words of an answer, counted alike by every constraint."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

FENCE = re.compile(r"\s*(`{3,}|~{3,})")
HEADING = re.compile(r" {0,3}#{1,6}\s+\S")
TITLE = re.compile(r"<<([^<>\n]+)>>")
ITEM = re.compile(r"\s*(?:[-*+•‣◦]|\d{1,3}[.)、．])\s+")
"""How an item of a list begins."""

# Vowel signs and accents, which Python's \w leaves out, and joiners within words.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0900-\u0963\u0971-\u0df3"
    "\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u102b-\u103e\u17b4-\u17d3\u200c\u200d"
)
_LETTER = rf"(?:[^\W_]|[{_MARKS}])"
_JOINT = r"(?:['’ʼ·\-‐‑]|\.(?=[^\W\d_])|(?<=\d)[.,:/](?=\d))"
_WORD = re.compile(rf"{_LETTER}+(?:{_JOINT}{_LETTER}+)*")
# Scripts that put no space between words.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def composed(text: str) -> str:
    """NFC. A text with over 30 accents on one letter stays as it is: putting them in order takes
    time that grows with the square of their number (UAX #15 sets the limit for real texts)."""
    if text.isascii() or _crowded().search(text):
        return text
    return unicodedata.normalize("NFC", text)


@lru_cache(maxsize=1)
def _crowded() -> re.Pattern[str]:
    marks = "".join(c for c in map(chr, range(0x300, 0x1F000)) if unicodedata.combining(c))
    return re.compile(f"[{re.escape(marks)}]{{31}}")


def words_of(text: str) -> list[str]:
    """The words: letters, digits and marks, joined by apostrophes and hyphens (`don't`,
    `well-known`: one each), or by a point or comma within a number or an abbreviation (`3.14`,
    `e.g.`)."""
    return _WORD.findall(text)


def _around_code(text: str) -> Iterator[tuple[str, str]]:
    """Each line and where it is: `outside` of fenced blocks of code, `opening` one, or `inside`,
    the line that closes it among these."""
    fence = ""
    for line in text.split("\n"):
        found = FENCE.match(line)
        if fence:
            yield line, "inside"
            if found and found[1].startswith(fence) and not line.strip("`~ \t"):
                fence = ""
        else:
            fence = found[1] if found else ""
            yield line, "opening" if found else "outside"


def prose_lines(text: str) -> list[str]:
    """The lines outside fenced blocks of code; a block leaves one empty line."""
    lines = ((line, place) for line, place in _around_code(text) if place != "inside")
    return [line if place == "outside" else "" for line, place in lines]


def paragraphs_of(text: str) -> list[str]:
    """What blank lines divide. A heading or a title alone is none, nor is a divider or other
    block without a letter or digit; a block of code is part of the paragraph that it touches."""
    blocks: list[list[str]] = [[]]
    for line, place in _around_code(text):
        if place == "outside" and not line.strip():
            blocks.append([])
        else:
            blocks[-1].append(line)
    return ["\n".join(block).strip() for block in blocks if any(map(_says_something, block))]


def _says_something(line: str) -> bool:
    bare = TITLE.sub("", line)
    return not HEADING.match(line) and any(map(str.isalnum, bare))


@lru_cache(maxsize=512)
def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Finds a word or phrase in any case and with any white space, never within a longer word;
    in scripts without spaces, anywhere."""
    phrase = composed(phrase)
    parts = [re.escape(part) for part in phrase.split()]
    first, last = phrase.strip()[:1], phrase.strip()[-1:]
    before = rf"(?<!{_LETTER})" if _bounded(first) else ""
    after = rf"(?!{_LETTER})" if _bounded(last) else ""
    return re.compile(before + r"\s+".join(parts) + after, re.IGNORECASE)


def _bounded(char: str) -> bool:
    return bool(re.match(_LETTER, char)) and not _UNSPACED.match(char)


def squeezed(text: str) -> str:
    """NFC, case-folded, white space squeezed: for comparing texts word for word."""
    return " ".join(composed(text).casefold().split())
