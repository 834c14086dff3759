"""What one place of a short text says, and its words hardly show: each number, operators, names
that end or begin with a sign (C++, C#, A+, .NET), and how often it says no.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from zlib import crc32

from gristmill.languages.scripts import SPACELESS, western
from gristmill.similarity.negation import negations

SHORT = 100
"""Words of a text up to which it is short; in scripts without spaces two letters count as one."""

_NUMBER = re.compile(r"\d+(?:(?:, ?|[ '\u2019\u00a0\u2007\u2009\u202f])\d{3}(?!\d)|\.\d+)*")
_DIGITS = re.compile(r"\d+")
_ITEM = re.compile(r"^[^\S\n]*\d[\d.,]*[.)] ", re.M)
_DOTTED = re.compile(r"\.[A-Za-z]\w+")
_MONEY = "$\u00a2\u00a3\u00a5\u0e3f\u20a9\u20aa\u20ab\u20ac\u20b9\u20ba\u20bd"
_MINUS = "-\u2212\u2013"
_MATHS = "\u00ac\u00b1\u00d7\u00f7\u2190-\u21ff\u2200-\u22ff\u266d-\u266f"
_SIGN = re.compile(rf"[-+#*=<>!~&|\u2212\u2013{_MATHS}]+")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_OPERAND = re.compile(r"[ \t]?[\w(](?!\w)")
_WORD = re.compile("[A-Za-z0-9_\u00c0-\u058f]")
"""A letter of a script with capitals, or a digit: what stands right behind one belongs to it."""
_UNSPACED = re.compile(f"[{SPACELESS}]")
_BETWEEN = frozenset((
    "=", "<", ">", "+", "==", "!=", "<=", ">=", "=>", "->", "<-", "===", "!==", "<=>", "&&", "||",
))  # fmt: skip


def is_short(text: str, found: Sequence[str]) -> bool:
    """Whether a text with these `words` is short."""
    size = len(found)
    if SHORT < size <= 2 * SHORT and not text.isascii():
        size -= len(_UNSPACED.findall(text)) // 2
    return size <= SHORT


def digits(text: str) -> int:
    """The digits of a text as one number, but those before the items of a list: where they differ,
    so does `short_signs`, which takes ten times as long."""
    if not text.isascii():
        text = western(unicodedata.normalize("NFKC", text))
    said = "".join(_DIGITS.findall(_ITEM.sub("", text)))
    return crc32(said.encode("utf-8", "replace"))


def short_signs(text: str, found: Sequence[str]) -> int:
    """All of it as one number; `found` are the text's `words`."""
    no = negations(text, found)
    if not text.isascii():
        text = western(unicodedata.normalize("NFKC", text))
    said = " ".join((*numbers(text), *_operators(text), *_dotted(text)))
    return crc32(f"{no} {said}".encode("utf-8", "replace"))


def numbers(text: str) -> Iterator[str]:
    """Each number of a text in ASCII digits with its sign, currency and percent: `-$1,234.50` is
    `-$1234.50`. Those before the items of a list are none."""
    for found in _NUMBER.finditer(text):
        start, end = found.span()
        if _begins_item(text, start, end):
            continue
        number = found[0]
        if not number.isdigit():
            number = re.sub(r"[^\d.]", "", number)
        before = text[max(0, start - 3) : start]
        if before.endswith(tuple(_MONEY)):
            number, before = before[-1] + number, before[:-1]
        elif before.endswith(".") and not _joins(before[:-1]):
            number, before = "." + number, before[:-1]
        if before.endswith(tuple(_MINUS)) and not _joins(before[:-1]):
            number = "-" + number
        yield number + "%" if text[end : end + 2].lstrip().startswith("%") else number


def _begins_item(text: str, start: int, end: int) -> bool:
    marked = text[end : end + 2] in (". ", ") ")
    return marked and not text[text.rfind("\n", 0, start) + 1 : start].strip()


def _joins(before: str) -> bool:
    """Whether a hyphen behind it joins two things, or says "to"."""
    return before.endswith((")", "]", ".", "-")) or _WORD.match(before[-1:]) is not None


def _operators(text: str) -> Iterator[str]:
    """Signs between two things, whatever white space is around them, and those at a name's end."""
    if "<" in text:
        text = _TAG.sub(" ", text)
    for found in _SIGN.finditer(text):
        sign, (start, end) = found[0], found.span()
        left, right = text[max(0, start - 3) : start], text[end : end + 3]
        if sign[0] != "*":
            sign = sign.rstrip("*") or sign  # Emphasis ends here.
        if len(sign) > 1 and right[:1].isdigit():
            sign = sign.rstrip(_MINUS)
        if _ends_name(sign, left, right):
            yield left[-1].lower() + sign
        elif sign in _BETWEEN and (_is_side(left.rstrip(" \t")[-1:]) or right[:1].isdigit()):
            if _is_side(right.lstrip(" \t")[:1]):
                yield sign
        elif not sign.isascii() and sign not in _MINUS:
            yield sign


def _ends_name(sign: str, left: str, right: str) -> bool:
    """C++, F#, A+, Na+, O-, A*: no sign of punctuation, and no operator."""
    if not _WORD.match(left[-1:]) or _WORD.match(right):
        return False
    if sign in ("++", "#"):
        return True
    short = left[-1].isupper() and not _WORD.match(left[-2:-1])
    if sign == "+":
        return not _OPERAND.match(right)
    return short and (sign == "*" or sign in _MINUS) and not _OPERAND.match(right)


def _is_side(character: str) -> bool:
    """Whether an operator may have it beside it."""
    return character.isalnum() or (bool(character) and character in "()[]{}$%.\\-\u2212")


def _dotted(text: str) -> Iterator[str]:
    """.NET, .py: names that begin with a point."""
    for found in _DOTTED.finditer(text):
        before = text[max(0, found.start() - 1) : found.start()]
        if not before or before in " \t\n(" or (before.isalpha() and not _WORD.match(before)):
            yield found[0].lower()
