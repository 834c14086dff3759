"""The five attributes, read out of what a chat model says. Nothing is guessed.

What counts are the last five places at which an attribute is given a number. They must name the
five in the order that was asked for, so that a grade from the reasons cannot stand in for one that
the verdict lacks. A number must be one: `2-3`, `3/5`, `75 %`, `3 or 4` and `2 of the claims` are
none, and neither is one outside of 0 to 4.
"""

from __future__ import annotations

import re

from gristmill.judges._asking import final
from gristmill.records import ATTRIBUTES, Response

Five = tuple[float, float, float, float, float]

# Runs are bounded, here and below, so that no reply takes long to read.
_GRADE = re.compile(
    # The name, perhaps in bold, in quotes or in a cell; its scale; "score".
    rf"(?<![a-z])(?P<name>{'|'.join(ATTRIBUTES)})(?![a-z])[ \t\"'`*_|\])]{{0,8}}"
    r"(?:[(\[] ?0 ?(?:-|–|to) ?4 ?[)\]])?[ \t*_]{0,8}(?:score|rating|grade)?[ \t\"'`*_]{0,8}"
    r"(?:[:=|]|[–—-](?=[ \t]))[ \t\"'`*_|\[({]{0,16}"
    r"(?P<number>[+-]?\d[\d.,]{0,8})(?P<rest>[^\n]{0,80})",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d(?:\.\d{1,4})?\Z")
_NO_OTHER = r"(?![ \t]{0,8}(?:\d|(?:or|and|to|maybe|perhaps)\b))"
_REST = re.compile(
    # Of how many, where it says so: of any but 4, and it is another scale.
    r"(?:[ \t*_]{0,8}(?:/|out of|of)[ \t*_]{0,8}4(?![\d.,]*\d))?[ \t\"'`*_\])}]{0,16}"
    # Then nothing, or reasons behind a comma, a dash, a bracket; but no second number.
    rf"(?:\Z|[.,;|–—-]{_NO_OTHER}|\((?![^)]*\d))",
    re.IGNORECASE,
)


def grades_in(reply: Response) -> Five | None:
    """The attributes that a reply ends with, each from 0 to 4; None where one is missing, out of
    range, or not one number."""
    lines = final(reply).replace("\r", "\n")
    found: list[re.Match[str]] = []
    place = 0
    while grade := _GRADE.search(lines, place):
        found.append(grade)
        # What follows on the same line may be the next attribute.
        place = grade.end("number")
    last = found[-len(ATTRIBUTES) :]
    if tuple(grade["name"].lower() for grade in last) != ATTRIBUTES:
        return None
    values = [value for grade in last if (value := _value(grade)) is not None]
    if len(values) < len(ATTRIBUTES):
        return None
    helpfulness, correctness, coherence, complexity, verbosity = values
    return helpfulness, correctness, coherence, complexity, verbosity


def _value(grade: re.Match[str]) -> float | None:
    number, rest = grade["number"], grade["rest"]
    digits = number.rstrip(".,")
    if not _NUMBER.match(digits) or not _REST.match(number[len(digits) :] + rest):
        return None
    value = float(digits)
    return value if value <= 4 else None
