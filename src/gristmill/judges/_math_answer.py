"""The final answer of a solution, and what a plain quantity is worth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from gristmill.judges._math_spelling import LOWERED, RAISED, simple

_HASHES = re.compile(r"^[ \t]*####[ \t]*(.+)$", re.M)
_MARKER = re.compile(
    r"\banswer\b[*_`\s]*(?:(?:is|are|=|equals|would be)\b|:|=)[*_`\s:]*(?:is\b|=)?[ \t*_`:]*", re.I
)
_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\\w])\$([^$\n]+?)\$(?!\d)", re.S
)
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z*(\"']|\s*$)|\n")
_SPACE = "[ \u00a0\u2009\u202f]"
_LAST = re.compile(
    r"(?:(?<![\w.)])[-+\u2212])?[$\u20ac\u00a3]?(?<![\w.^\u221a])(?>"
    # Of what is more than a number all: a root, a number in another base, a time.
    rf"\d*\u221a(?:\d+|\([^()]*\))|\d+(?:_\{{?\d+\}}?|[{LOWERED}]+)|\d+(?::\d\d)+(?!\d)|"
    rf"[1-9]\d{{0,2}}(?:{_SPACE}\d{{3}})+(?![\d,/])(?:\.\d+)?|{_NUMBER})"
    rf"(?![_^\u221a{RAISED}{LOWERED}])(?: \d+/\d+|/\d+(?:\.\d+)?)?"
    r"(?:\s?(?:%|percent\b))?"
)
_OR = re.compile(r"\s*,?\s*(?:or|oder|ou|o|или)\s+", re.I)
_AND = re.compile(rf"\s*(?:,|;|&|,?\s*(?:and|und|et|y|e|и))\s*|{_OR.pattern}", re.I)
"""What stands between answers that are told together."""
_BASED = re.compile(r"\(?([0-9A-Za-z.]+)\)?\s*_\s*\{?\s*\(?(\w+)\)?\s*\}?")
_MOST = 400
"""Digits of a number that is compared as a number."""


_BASES = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "twelve": "12", "sixteen": "16",
}  # fmt: skip
_MORE = re.compile(
    r"\b(?:and|or|to|half|halves|thirds?|quarters?|fifths?|tenths?|dozens?|hundreds?|thousands?"
    r"|millions?|billions?|trillions?|pi|sqrt|times|plus|minus|over|mod|squared|cubed)\b",
    re.I,
)
"""Words behind a number that make it another one, so that they are no unit."""
_ORDINAL = ("st", "nd", "rd", "th", "am", "pm")


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
    if unit and not _is_unit(unit, text):
        return None
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
    return Quantity(value, unit_of(money or unit or ""), bool(percent))


def _is_unit(unit: str, text: str) -> bool:
    """Whether letters behind a number only say of what it is: 5 km, 5 apples; but neither 5x, which
    is another quantity, nor 5 million."""
    if unit_of(unit) or unit.strip(". ").lower() in _ORDINAL:
        return True
    alone = len(unit.strip(". ")) < 2 or text.removesuffix(unit)[-1:].isdigit()
    return not alone and not _MORE.search(unit)


def in_base(text: str) -> tuple[str, str] | None:
    """Digits and base of a number such as `101_2`, or None for anything else."""
    found = _BASED.fullmatch(simple(text))
    if found is None or not any(c.isdigit() for c in found[1]):
        return None
    base = found[2].lower()
    return found[1].lower(), _BASES.get(base, base)


def plain(text: str) -> str:
    """An answer in words, for comparing as text."""
    return re.sub(r"[\s.()*_`'\"]+", " ", simple(text)).strip().casefold()


_QUANTITY = re.compile(
    r"(?:[A-Za-z]\w*\s*=\s*)?([-+]?)\s*([$\u20ac\u00a3]?)\s*"
    rf"(?:({_NUMBER})(?!/))?(?:(?:(?<=\d)\s+|(?<!\d))(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?))?(?<=[\d.])"
    r"(?:(?:[eE]|\s*(?:\*|x|\u00d7)\s*10\^)\{?([-+]?\d+)\}?)?"
    r"\s*(%|percent\b)?\s*((?:[A-Za-z\u00b0\u20ac\u00a3$]++\.?(?:\^?\{?[23]\}?)?[ /-]?){0,4})"
)


def _boxed(text: str) -> str | None:
    """The content of the last \\boxed or \\fbox, to the brace that closes it."""
    starts = [m.end() for m in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)]
    ends: dict[int, int] = {}
    opened: list[int] = []
    for brace in re.finditer(r"(?<!\\)[{}]", text) if starts else ():
        if brace[0] == "{":
            opened.append(brace.end())
        elif opened:
            ends[opened.pop()] = brace.start()
    for start in reversed(starts):
        if content := text[start : ends.get(start, start)].strip():
            return content
    found = re.findall(r"\\boxed\s+(\S+)", text)
    return found[-1].strip("$.") if found else None


def _core(said: str) -> str:
    """The answer in a sentence's rest: all of it if it is a quantity, else the formula that it
    begins with, or its last one, else the number that it begins with, else all of it. Of several
    that are told as one answer, all."""
    if quantity(said) is not None:
        return said
    if formulas := list(_FORMULA.finditer(said)):
        first = formulas[0].start() == 0
        return _told(said, formulas, 0) if first else _told(said, formulas, -1)
    begins = _LAST.match(said)
    rest = said[begins.end() :] if begins else ""
    # "6 because ..." is 6; "6 or 7" and "6, 7" are what they are.
    more = re.match(r"\s*(?:,|\bor\b|\band\b)\s*[-$\\\d.]", rest)
    return begins[0] if begins and re.match(r"\s+[a-z]|,\s", rest) and not more else said


def _last(text: str) -> str | None:
    formulas = list(_FORMULA.finditer(text))
    numbers = list(_LAST.finditer(text))
    if formulas and (not numbers or formulas[-1].end() >= numbers[-1].end()):
        return _told(text, formulas, -1)
    if len(numbers) > 1 and _OR.fullmatch(text, numbers[-2].end(), numbers[-1].start()):
        before = text[: numbers[-2].start()].rstrip(" ")[-1:]
        # "1.2Y / 1.2 or 160 = Y" is one equation after another.
        if before not in ("/", "*", "+", "-", "=", "^") and not before.isdigit():
            return f"{numbers[-2][0]}, {numbers[-1][0]}"
    return numbers[-1][0] if numbers else None


def _told(text: str, formulas: list[re.Match[str]], place: int) -> str:
    """The first or the last formula of a text, with those that are told with it: "$5$ or $9$" is
    neither of them."""
    first = last = range(len(formulas))[place]
    while first and _AND.fullmatch(text, formulas[first - 1].end(), formulas[first].start()):
        first -= 1
    while last + 1 < len(formulas) and _AND.fullmatch(
        text, formulas[last].end(), formulas[last + 1].start()
    ):
        last += 1
    return ", ".join(next(filter(None, f.groups())).strip() for f in formulas[first : last + 1])


def _trimmed(text: str) -> str:
    return text.strip().strip("*_` ").removesuffix(".").strip()


_UNIT_TEXT = re.compile(
    r"(?<=\S)\s*\\(?:text|mbox|mathrm|textrm)\s*\{([^{}]*)\}\s*(\^\{?[23]\}?)?\s*\Z"
)


def without_unit(text: str) -> tuple[str, str]:
    """A formula without the text that ends it, and the unit that this is; empty where it is none
    that is known."""
    found = _UNIT_TEXT.search(text)
    if found is None:
        return text, ""
    return text[: found.start()], unit_of(found[1] + (found[2] or ""))


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


def unit_of(text: str) -> str:
    """The one name of a known unit, its power with it; of others nothing, as words around a number
    are seldom units."""
    words = re.findall(r"[a-z\u00b0$\u20ac\u00a3]+|[23]|/", text.lower())
    powers = {"square": "2", "sq": "2", "cubic": "3", "cu": "3", "2": "2", "3": "3"}
    power = "".join(powers[word] for word in words if word in powers)
    names = [word for word in words if word not in powers and word not in ("of", "a", "the")]
    if not names or names[0] not in _UNITS or "/" in names:
        return ""
    return _UNITS[names[0]] + power
