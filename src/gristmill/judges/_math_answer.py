"""The final answer of a solution, and what a plain quantity is worth."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

_HASHES = re.compile(r"^[ \t]*####[ \t]*(.+)$", re.M)
_MARKER = re.compile(
    r"\banswer\b[*_`\s]*(?:(?:is|are|=|equals|would be)\b|:|=)[*_`\s:]*(?:is\b|=)?[ \t*_`:]*", re.I
)
_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\\w])\$([^$\n]+?)\$(?!\d)", re.S
)
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z*(\"']|\s*$)|\n")
_LAST = re.compile(
    rf"(?:(?<![\w.)])[-+\u2212])?[$\u20ac\u00a3]?(?<![\w.])(?:{_NUMBER})"
    r"(?: \d+/\d+|/\d+(?:\.\d+)?)?"
    r"(?:\s?(?:%|percent\b))?"
)
_MOST = 400
"""Digits of a number that is compared as a number."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, its unit where it is a known one, and whether it is a percentage."""

    value: Fraction
    unit: str = ""
    percent: bool = False

    def equals(self, other: Quantity) -> bool:
        """Equal in value. A unit counts if both have one. A percentage equals both its hundredth
        and, where the other has no sign, the number itself: 50% is 0.5, and the answer to "how many
        percent" is 50."""
        if self.unit and other.unit and self.unit != other.unit:
            return False
        if self.percent == other.percent:
            return self.value == other.value
        share, number = (self, other) if self.percent else (other, self)
        return number.value in (share.value, share.value / 100)


def final_answer(text: str) -> str | None:
    """What a solution gives as its answer, or None.

    The last `\\boxed{...}`; else what follows the last `####`; else what follows the last "answer
    is" or "answer:"; else the last formula or number of the text.
    """
    if (boxed := _boxed(text)) is not None:
        return boxed
    if hashes := _HASHES.findall(text):
        return _trimmed(hashes[-1])
    markers = list(_MARKER.finditer(text))
    if markers:
        rest = text[markers[-1].end() :].lstrip()
        end = _SENTENCE_END.search(rest)
        if said := _trimmed(rest[: end.start()] if end else rest):
            return _core(said)
    return _last(text)


def quantity(text: str) -> Quantity | None:
    """A number as people write it, or None for anything else: `1,234.50`, `-3`, `3/4`, `2 1/2`,
    `\\frac{3}{4}`, `$5`, `5 km`, `75\\%`, `1.5e3`, `x = 4`."""
    text = simple(text)
    match = _QUANTITY.fullmatch(text)
    if match is None or sum(c.isdigit() for c in text) > _MOST:
        return None
    sign, money, whole, upper, lower, exponent, percent, unit = match.groups()
    value = Fraction((whole or "0").replace(",", ""))
    if upper is not None:
        if float(lower) == 0:
            return None
        value += Fraction(upper) / Fraction(lower)
    if exponent:
        if abs(int(exponent)) > _MOST:
            return None
        value *= Fraction(10) ** int(exponent)
    value = -value if sign == "-" else value
    return Quantity(value, _unit(money or unit or ""), bool(percent))


def plain(text: str) -> str:
    """An answer in words, for comparing as text."""
    return re.sub(r"[\s.()*_`'\"]+", " ", simple(text)).strip().casefold()


_QUANTITY = re.compile(
    r"(?:[A-Za-z]\w*\s*=\s*)?([-+]?)\s*([$\u20ac\u00a3]?)\s*"
    rf"(?:({_NUMBER})(?!/))?(?:(?:(?<=\d)\s+|(?<!\d))(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?))?(?<=[\d.])"
    r"(?:(?:[eE]|\s*(?:\*|x|\u00d7)\s*10\^)\{?([-+]?\d+)\}?)?"
    r"\s*(%|percent\b)?\s*((?:[A-Za-z\u00b0\u20ac\u00a3$]+\.?(?:\^?\{?[23]\}?)?[ /-]?){0,4})"
)
_COMMANDS = (
    (re.compile(r"\\[dt]?frac\s*\{\s*(-?[\d.]+)\s*\}\s*\{\s*(-?[\d.]+)\s*\}"), r" \1/\2"),
    (re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)"), r" \1/\2"),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})"), "\u00b0 "),
    (re.compile(r"\\times|\\cdot"), "*"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:left|right|displaystyle|,|!|;|:| |quad)|[$]{2}|\\[()\[\]]|~"), " "),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\\$"), "$"),
    (re.compile(r"\s+"), " "),
)


def simple(text: str) -> str:
    """The text without what only sets it."""
    text = unicodedata.normalize("NFKC", text.strip()).replace("\u2212", "-").replace("\u2044", "/")
    if len(text) > 1 and text[0] == text[-1] == "$":
        text = text[1:-1]
    for pattern, new in _COMMANDS:
        text = pattern.sub(new, text)
    return text.strip(" *_`.").replace("- ", "-")


def _boxed(text: str) -> str | None:
    """The content of the last \\boxed or \\fbox, to the brace that closes it."""
    starts = [m.end() for m in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)]
    for start in reversed(starts):
        depth = 1
        for place in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0) if text[place - 1] != "\\" else 0
            if depth == 0:
                if content := text[start:place].strip():
                    return content
                break
    found = re.findall(r"\\boxed\s+(\S+)", text)
    return found[-1].strip("$.") if found else None


def _core(said: str) -> str:
    """The answer in a sentence's rest: all of it if it is a quantity, else a formula in it, else
    the number that it begins with, else all of it."""
    if quantity(said) is not None:
        return said
    if formulas := [next(filter(None, f)) for f in _FORMULA.findall(said)]:
        return formulas[-1].strip()
    begins = _LAST.match(said)
    rest = said[begins.end() :] if begins else ""
    # "6 because ..." is 6; "6 or 7" and "6, 7" are what they are.
    more = re.match(r"\s*(?:,|\bor\b|\band\b)\s*[-$\\\d.]", rest)
    return begins[0] if begins and re.match(r"\s+[a-z]|,\s", rest) and not more else said


def _last(text: str) -> str | None:
    formulas = list(_FORMULA.finditer(text))
    numbers = list(_LAST.finditer(text))
    if formulas and (not numbers or formulas[-1].end() >= numbers[-1].end()):
        return next(filter(None, formulas[-1].groups())).strip()
    return numbers[-1][0] if numbers else None


def _trimmed(text: str) -> str:
    return text.strip().strip("*_` ").removesuffix(".").strip()


_UNITS = {
    name: group.split()[0]
    for group in (
        "$ dollar dollars usd", "\u20ac euro euros eur", "\u00a3 pound_sterling", "cent cents",
        "\u00b0 degree degrees deg", "m meter meters metre metres", "ft foot feet",
        "km kilometer kilometers kilometre kilometres", "cm centimeter centimeters centimetre "
        "centimetres", "mm millimeter millimeters millimetre millimetres", "in inch inches",
        "yd yard yards", "mi mile miles", "g gram grams", "kg kilogram kilograms", "mg milligram "
        "milligrams", "lb lbs pound pounds", "oz ounce ounces", "s sec secs second seconds",
        "min mins minute minutes", "h hr hrs hour hours", "day days", "week weeks", "month months",
        "year years yr yrs", "l liter liters litre litres", "ml milliliter milliliters millilitre",
        "gal gallon gallons", "mph", "kmh",
    )
    for name in group.split()
}  # fmt: skip


def _unit(text: str) -> str:
    """The one name of a known unit, its power with it; of others nothing, as words around a number
    are seldom units."""
    words = re.findall(r"[a-z\u00b0$\u20ac\u00a3]+|[23]|/", text.lower())
    powers = {"square": "2", "sq": "2", "cubic": "3", "cu": "3", "2": "2", "3": "3"}
    power = "".join(powers[word] for word in words if word in powers)
    names = [word for word in words if word not in powers and word not in ("of", "a", "the")]
    if not names or names[0] not in _UNITS or "/" in names:
        return ""
    return _UNITS[names[0]] + power
