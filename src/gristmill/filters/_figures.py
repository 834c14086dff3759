"""Figures of an answer that nobody gave, and that do not follow from those that somebody gave.

A figure is given where it stands in the prompt, in a call, or in what a tool answered, rounded or
not, be it the end of a longer number. It follows where it is one of those in another power of ten,
the sum or difference of two, or so many times one, up to twelve; the sum, mean or count of all
numbers under one key of a tool's answer; and where there are few, a product, a quotient, a
percentage, or a time or temperature in another unit. What follows counts as given for what comes
after it, so that a computation that is shown step by step is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from gristmill.filters._texts import prose
from gristmill.foreign import read_json
from gristmill.languages.numbers import written

MOST = 400
"""Given numbers, from which on nearly any figure follows from two of them: of those none is said to
be unfounded."""

LONGEST = 20
"""Characters of a number; what is longer is no figure that anybody works with."""

FEW = 12
"""Given numbers, up to which products, quotients and units are tried."""

_POWERS = np.array([1, 100, 0.01, 1000, 0.001, 1e6, 1e-6])
_TIMES = np.array([60.0, 3600, 86400, 24, 1440, 7, 12])
_COUNTS = np.arange(1, FEW + 1)
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:[eE][-+]?\d{1,2}(?!\d))?"
_ANY = re.compile(_NUMBER)
_TEN = re.compile(r"\s?(?:[×x*·]|\\times|\\cdot)\s?10\s?\^\s?\{?([-−+]?\d{1,2})(?!\d)\}?")
"""A power of ten behind a number: 6.7 × 10^-5 is 6.7e-5."""
_FIGURE = re.compile(
    # No part of a word, a date, a time, a path or a version.
    rf"(?<![\w.,:/#@^-])[-−+]?[$€£¥₹]?({_NUMBER})"
    r"(?![\w#@^]|[.,:/]\d|-\w|/\w|(?:st|nd|rd|th)\b)"
)
_LISTED = re.compile(r"(?m)^[ \t>*_#-]*\d{1,3}[.)][*_ \t]")
_YEARS = range(1900, 2101)


class Figure(NamedTuple):
    """A number as an answer has it. unit: of its last digit that is none of the zeros at its end,
    to which it may be rounded."""

    said: str
    value: float
    unit: float

    @property
    def digits(self) -> int:
        """How many digits it has that say anything."""
        return len(re.sub(r"[eE].*|\D", "", self.said).strip("0"))

    @property
    def telling(self) -> bool:
        """Whether it is one that hardly comes from general knowledge or by chance: of three digits
        that say anything, and no year."""
        return self.digits >= 3 and not (self.value in _YEARS and self.said.isdigit())

    def among(self, values: np.ndarray, exactly: bool = False) -> bool:
        """Whether it is one of several, rounded or exactly."""
        off = 0.0 if exactly else 0.5000001 * self.unit
        return bool(np.any(np.abs(np.abs(values) - self.value) <= off + 1e-9))

    def made_of(self, follows: np.ndarray) -> bool:
        """Whether it is one of what follows from others; one of few digits only exactly, for any
        such is near to some quotient."""
        return self.among(follows, exactly=self.digits < 3)


def figures(answer: str, language: str | None) -> list[Figure]:
    """The figures of an answer, in order, without those that number a list."""
    text = _LISTED.sub("\n", written(prose(answer), language))
    text = _TEN.sub(lambda power: f"e{power[1].replace('−', '-')}", text)
    return [_figure(found[1]) for found in _FIGURE.finditer(text) if len(found[1]) <= LONGEST]


def _figure(said: str) -> Figure:
    plain, _, power = said.replace(",", "").lower().partition("e")
    whole, _, after = plain.partition(".")
    zeros = 0 if after or not float(plain) else len(whole) - len(whole.rstrip("0"))
    return Figure(
        said, float(f"{plain}e{power or 0}"), 10.0 ** (zeros - len(after) + int(power or 0))
    )


def numbers(texts: Iterable[str], language: str | None) -> np.ndarray:
    """All numbers of texts, those within words and dates among them."""
    found: set[float] = set()
    for text in texts:
        for form in {written(text), written(text, language)}:
            found.update(float(n.replace(",", "")) for n in _ANY.findall(form) if len(n) <= LONGEST)
    return np.array(sorted(found))


def lone(text: str) -> float | None:
    """The number that is all a tool answered, such as a calculator; None where it said else, or
    gives what may be a moment in seconds."""
    try:
        said = read_json(text)
    except orjson.JSONDecodeError:
        return None
    if isinstance(said, dict) and list(said) == ["result"]:
        said = said["result"]
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return None if abs(said) >= 1e9 else float(said)


def contradicted(
    found: Sequence[Figure], results: Sequence[float], given: Sequence[str], language: str | None
) -> list[Figure]:
    """Figures that neither are given nor follow from one of the results, each a lone number; none
    where one of all the figures is a result."""
    made = np.array(results)
    if any(figure.among(_same(made)) for figure in found):
        return []
    known = numbers(given, language)
    follows = _follows(made, known[:MOST])
    return [f for f in found if not (f.among(known) or f.made_of(follows))]


def unfounded(
    found: Sequence[Figure], given: Sequence[str], results: Sequence[str], language: str | None
) -> list[Figure]:
    """Those that neither are given nor follow. results: of the given texts those of tools."""
    known, text = numbers(given, language), "\n".join(given)
    if len(known) > MOST:
        return []
    these = np.unique(
        [
            *(value for one in given for value in _values(one, language)),
            *(total for one in results for total in _totals(one)),
        ]
    )
    left, follows = list[Figure](), None
    for figure in found:
        end = rf"\d{re.escape(figure.said)}(?!\d)"
        if figure.among(known) or (figure.digits >= 3 and re.search(end, text)):
            continue
        if follows is None:
            follows = _follows(these, these)
        if figure.made_of(follows):
            these, follows = np.union1d(these, [figure.value]), None
        else:
            left.append(figure)
    return left


def _same(values: np.ndarray) -> np.ndarray:
    """Numbers in other powers of ten, units of time, and temperatures in the other unit."""
    times = [np.outer(values, _TIMES), values[:, None] / _TIMES[None, :]]
    degrees = [values * 9 / 5 + 32, (values - 32) * 5 / 9]
    return np.concatenate([m.ravel() for m in (np.outer(values, _POWERS), *times, *degrees)])


def _follows(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What one operation makes of numbers, with any of the others."""
    a, b = values[:, None], others[None, :]
    made = [np.outer(values, _POWERS), a + b, a - b, np.outer(values, _COUNTS)]
    if len(others) <= FEW:
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.nan_to_num(a / b, posinf=0.0, neginf=0.0)
        made += [a * b, shares, 100 * shares, a / _COUNTS[None, :], _same(values)]
        made += [a * b / 100, a + a * b / 100, a - a * b / 100]
    return np.concatenate([m.ravel() for m in made])


def _values(text: str, language: str | None) -> Iterator[float]:
    """The figures of a text, and of JSON its numbers and those of its texts."""
    for _, leaf in _leaves(text):
        if isinstance(leaf, str):
            yield from (figure.value for figure in figures(leaf, language))
        else:
            yield leaf


def _totals(text: str) -> list[float]:
    """Sums and means of the numbers under each key of a tool's answer, and how many there are."""
    under: dict[str, list[float]] = {}
    for key, leaf in _leaves(text):
        if not isinstance(leaf, str):
            under.setdefault(key, []).append(leaf)
    return [v for n in under.values() for v in (sum(n), sum(n) / len(n), float(len(n)))]


def _leaves(text: str) -> Iterator[tuple[str, str | float]]:
    """The texts and numbers of JSON, each with its key; what is no JSON is one text."""
    try:
        waiting: list[tuple[str, Any]] = [("", read_json(text))]
    except orjson.JSONDecodeError:
        waiting = [("", text)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((key, inner) for inner in value)
        elif isinstance(value, str):
            yield key, value
        elif type(value) in (int, float) and abs(value) < 10**LONGEST:
            yield key, float(value)
