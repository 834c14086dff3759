"""What words do not say, or say in one place of many: operators, numbers and brackets of code and
formulas, where Python's blocks end, and C, C++ and C#; of short texts negation and every number.

Two programs with the same words may be a right one and a wrong one, and so may two short answers.
So texts are near duplicates only if these agree too.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from gristmill.lists.fences import parts
from gristmill.similarity.short import is_short, numbers, short_signs

_MATHS = "\u00d7\u00f7\u2212\u00b1\u2264\u2265\u2260\u221a\u2208\u2209\u222a\u2229"
_NUMBER = r"0[xXbBoO][\da-fA-F]+|\d+(?:[._,]\d+)*(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(
    rf"{_NUMBER}|\*\*|//|<<|>>|->|=>|&&|\|\||\+\+|--|[-+*/%@&|^=!<>:]="
    rf"|[-+*/%=<>!&|^~@?:()\[\]{{}}{_MATHS}]|\\[A-Za-z]+"
    r"|\b(?:and|or|not|is|in|xor|[tT]rue|[fF]alse)\b"  # `_IN_WORDS`
)
_COMMENT = re.compile(
    # In C-like languages // begins one, in Python it divides.
    r"(?<!\S)(?:#(?!\w|!)|//(?= {0,3}[A-Za-z]{1,30} [a-z])).*|\A\s*+(?:#(?!include|define)|//).*"
)
_FORMULA = re.compile(
    r"(`+[^`\n]+`+|\$\$.{1,2000}?\$\$|\\\[(?:(?!\\\[).){1,2000}?\\\]|\\\((?:(?!\\\().){1,2000}?\\\)"
    r"|(?<![\w\\])\$[^$\n]+\$(?!\d))",
    re.S,
)
_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|quad|text|mathrm)(?![A-Za-z])|[`$]|\\[()\[\],;:! ]"
)
_CODE = re.compile(
    # A line of it, without white space at its ends.
    r"(?:async )?def |return\b|import |from \S+ import |@\w|#include|[}\])]|.*[;{}]$"
    r"|(?:class|if|elif|else|for|while|with|try|except|finally|switch|case|catch)\b.*[:{]$"
    r"|(?:const|let|var|int|float|double|char|bool|void|public|private|static|fn|func|function) "
    r"|[\w.\[\]'\"]++(?:, ?\w++)*+ ?(?:[-+*/%&|^@]|\*\*|//|<<|>>)?=(?!=) ?\S"
    r"|[\w.]++\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)$"
)
_LETTER = r"(?<![A-Za-z0-9_])[A-Za-z]"
_OPERAND = rf"\d[\d.,]*+|[)\]}}]|{_LETTER}(?![A-Za-z0-9_])|[\\(\[{{\u221a]"
_LEFT = rf"(?P<left>(?<![\d.,])\d[\d.,]*+|[)\]}}]|{_LETTER})"
_RIGHT = rf"(?=(?P<right>-?(?:{_OPERAND})))"
_CLEAR = rf"\*\*|[<>!=]=|[+*=<>^{_MATHS}]"
_SUM = re.compile(
    # In prose a hyphen or a slash is a sign only with spaces around it: 24/7, 2024-05-01.
    rf"{_LEFT}(?:\s{{1,9}}(?P<spaced>[-/])\s{{1,9}}|\s{{0,9}}(?P<sign>{_CLEAR})\s{{0,9}}){_RIGHT}"
)
_SHORT_SUM = re.compile(rf"{_LEFT}\s{{0,9}}(?P<sign>{_CLEAR}|(?P<spaced>[-/]))\s{{0,9}}{_RIGHT}")
"""What "7-5" alone asks is a sum."""
_ANY = re.compile(rf"[-+*/%=<>!&|^~@$\\(\[{{{_MATHS}]|```|~~~")
_IN_WORDS = frozenset(("and", "or", "not", "is", "in", "xor", "true", "false"))


class Signs(NamedTuple):
    """The signs of each line of code, each formula and each sum of a text, in order and as a number
    each; how many words it has beside them; and what a short text says (`short_signs`)."""

    signs: array[int]
    words: int
    short: int | None

    def agree(self, other: Signs) -> bool:
        """Whether two texts may be near duplicates: their signs are the same, or the one with more
        words has all of the other's in order, and some more, as where another example follows. Two
        short ones must say the same beside."""
        if self.short != other.short and None not in (self.short, other.short):
            return False
        if self.signs == other.signs:
            return True
        short, long = sorted((self, other), key=lambda text: text.words)
        left = iter(long.signs)
        return short.words < long.words and all(sign in left for sign in short.signs)


def signs_of(text: str, words: Sequence[str]) -> Signs:
    """The signs of a text with these words."""
    short = short_signs(text, words) if is_short(text, words) else None
    if not _ANY.search(text):
        return Signs(_NONE, 0, short)
    said = _signs(text, _SUM if short is None else _SHORT_SUM)
    found = array("H", (crc32(sign.encode("utf-8", "replace")) & 0xFFFF for sign in said))
    if not found:
        return Signs(_NONE, 0, short)
    return Signs(found, sum(not (w.isdigit() or w in _IN_WORDS) for w in words), short)


_NONE = array("H")


def _signs(text: str, sums: re.Pattern[str]) -> Iterator[str]:
    prose: list[str] = []
    for part in parts(text):
        if isinstance(part, str):
            prose.append(part)
            continue
        yield from _of_prose(prose, sums)
        prose = []
        yield from _of_code(part.text.split("\n"))
    yield from _of_prose(prose, sums)


def _of_prose(lines: list[str], sums: re.Pattern[str]) -> Iterator[str]:
    """Lines that are code without a fence count as code, those between them for themselves."""
    code: list[str] = []
    other: list[str] = []
    for line in lines:
        if _CODE.match(" ".join(line.split())):
            yield from _of_sentences("\n".join(other), sums)
            other = []
            code.append(line)
        elif line.strip():
            yield from _of_code(code)
            code = []
            other.append(line)
    yield from _of_code(code)
    yield from _of_sentences("\n".join(other), sums)


def _of_sentences(text: str, sums: re.Pattern[str]) -> Iterator[str]:
    """Of formulas and sums; and where there are some, each number beside them: it is what is
    calculated with, and what comes out."""
    calculated = False
    for place, piece in enumerate(_FORMULA.split(text)):
        if place % 2:
            calculated = True
            yield " ".join(_TOKEN.findall(_LAYOUT.sub(" ", piece)))
            continue
        for found in sums.finditer(piece):
            calculated = True
            left, right = found["left"], found["right"]
            sign = found["spaced"] or found["sign"]
            yield f"{left if left[0].isdigit() else ''}{sign}{right if right[-1].isdigit() else ''}"
    if calculated:
        yield from numbers(text)


def _of_code(lines: list[str]) -> Iterator[str]:
    """With a sign where a block of lines begins and where it ends, unless brackets say it."""
    brackets = any(line.rstrip().endswith("{") for line in lines)
    depths = [0]
    for line in lines:
        line = _COMMENT.sub("", line.expandtabs(8)).rstrip()
        if not line:
            continue
        found = _TOKEN.findall(line)
        depth = len(line) - len(line.lstrip())
        if not brackets and depth > depths[-1]:
            depths.append(depth)
            found.append("indent")
        while not brackets and depth < depths[-1]:
            depths.pop()
            found.append("dedent")
        if found:
            yield " ".join(found)
