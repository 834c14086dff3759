"""Lines, paragraphs and words of an answer, counted alike by every constraint."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_MARKDOWN, _UNNAMED = ("markdown", "md"), ("", "text", "txt", "plain", "plaintext")
_CODE = re.compile(r"[{}=;\\|$^&\u2500-\u257f]|<[/\w]|_+|\w\(|::|->|--\w")
_SENTENCE = re.compile(r"^(?![ \t]*#).*[.!?…。！？।؟۔][\"'”’»」』)*_]*[ \t]*$", re.MULTILINE)
HEADING = re.compile(r" {0,3}#{1,6}\s+\S")
TITLE = re.compile(r"<<([^<>\n]+)>>")
_DOTS = "•‣◦⁃∙▪▫▸▹・･·‧"
_BULLET = rf"(?:[-*+–－＊●○►▶➢➤✓✔](?=\s)|[{_DOTS}](?![{_DOTS}]))"
BULLET = re.compile(rf"\s*{_BULLET}\s*(.*)")
"""A bullet point. A dot needs no space behind it, `・茶`; what also begins words (`-x`) or stands
for names (`○○さん`) does. Squares and stars are none: they head or rate more than they list."""
ITEM = re.compile(rf"\s*(?:{_BULLET}|\d{{1,3}}[.)、．]\s)\s*")
"""How an item of a list begins."""
LEAD = " \t\u00a0\u3000\u200e\u200f#>*_-–+~" + _DOTS + "\"'“”„‟‘’‚«»‹›「『《〈【（([<¿¡"
"""What may stand before the first word of a line and be none of it: marks of headings, lists,
quotations and emphasis."""

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
    the line that closes it among these. A block of prose is outside, without its fences."""
    lines = text.split("\n")
    fence, start, first = "", 0, True
    for place, line in enumerate(lines):
        found = FENCE.match(line) if "```" in line or "~~~" in line else None
        if not fence:
            if found:
                fence, start = found[1], place
            else:
                first = first and not _filled(line)
                yield line, "outside"
        elif found and found[1].startswith(fence) and not line.strip("`~ \t"):
            alone = first and not any(map(_filled, lines[place + 1 :]))
            yield from _placed(lines[start : place + 1], alone)
            fence, first = "", False
    if fence:
        yield from _placed([*lines[start:], ""], first)


def _placed(block: list[str], alone: bool) -> Iterator[tuple[str, str]]:
    """The lines of a fenced block, of which the first and the last are its fences; `alone` if
    nothing else is in the answer."""
    if _is_prose(block, alone):
        yield from ((line, "outside") for line in ["", *block[1:-1], ""])
        return
    yield block[0], "opening"
    yield from ((line, "inside") for line in block[1:])


def _is_prose(block: list[str], alone: bool) -> bool:
    """Whether a fenced block is for people to read: it says that it is Markdown; or it names no
    language, has hardly a sign of code, and sentences of some length. Where it is the whole answer
    a short one will do, or a bullet point."""
    name = block[0].strip(" \t`~").lower()
    if name not in _UNNAMED:
        return name in _MARKDOWN
    inside = "\n".join(block[1:-1])
    letters = sum(map(str.isalnum, inside))
    if 50 * len(_CODE.findall(TITLE.sub("", inside))) > letters:
        return False
    if letters >= 40 and _SENTENCE.search(inside):
        return True
    return alone and any(_SENTENCE.match(line) or BULLET.match(line) for line in block[1:-1])


def _filled(line: str) -> bool:
    return bool(line.strip())


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
    return re.compile(before + r"\s+".join(parts) + word_end(last), re.IGNORECASE)


def word_end(word: str) -> str:
    """A pattern: the word ends here, where its script puts a space between words."""
    return rf"(?!{_LETTER})" if _bounded(word[-1:]) else ""


def _bounded(char: str) -> bool:
    return bool(re.match(_LETTER, char)) and not _UNSPACED.match(char)


def squeezed(text: str) -> str:
    """NFC, case-folded, white space squeezed: for comparing texts word for word."""
    return " ".join(composed(text).casefold().split())
