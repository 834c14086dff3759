"""Numbers as people write them in many languages, in one spelling: `1234.5`.

The rules, for what a text does not say by itself:

- Digits of every script count: ３９, ٣٩ and ३९ are 39.
- Apostrophes, and spaces of every width, separate groups of three: `1'234.5`, `1 234 567`.
- Where points and commas stand in one number, the last one is the decimal sign: `1.234,5`,
  `1,234.5`. Several points are separators, `1.234.567`.
- Alone, a comma between groups of three separates, and a point is the decimal sign, as in English:
  `1,234`, `1.234`. In a language that writes a decimal comma it is the other way round.
- A number before a word or sign for a power of ten is as many times that: `5 million`, `3万`,
  `2 тысячи`.
"""

from __future__ import annotations

import re
from decimal import Decimal

from gristmill.languages.scripts import SPACELESS, apart, western

COMMA = frozenset((
    "af", "az", "be", "bg", "bs", "ca", "cs", "da", "de", "el", "es", "et", "eu", "fi", "fr",
    "gl", "hr", "hu", "hy", "id", "is", "it", "ka", "kk", "lt", "lv", "mk", "nb", "nl", "nn",
    "no", "pl", "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "tr", "uk", "vi",
))  # fmt: skip
"""Languages that write a decimal comma."""
INDIAN = frozenset((
    "as", "bn", "gu", "hi", "kn", "ml", "mr", "ne", "or", "pa", "sa", "ta", "te", "ur",
))  # fmt: skip
"""Languages that separate lakhs and crores: `12,34,567`."""

_SPACE = "[ \u00a0\u2007\u2009\u202f]"
_BEGINS = r"(?<![\w.,(\[{])"
_MIXED = re.compile(rf"{_BEGINS}\d{{1,3}}(?:\.\d{{3}})+,\d+(?!\d|[.,]\d)")
_SPACED = re.compile(rf"{_BEGINS}\d{{1,3}}(?:{_SPACE}\d{{3}})+,\d+(?!\d|[.,]\d)")
_MARKED = re.compile(r"(?<![\w.,])\d{1,3}(?:['\u2019]\d{3})+(?!\d)")
_POINTS = re.compile(rf"{_BEGINS}\d{{1,3}}(?:\.\d{{3}}){{2,}}(?![\d]|\.\d)")
_THOUSANDS = re.compile(rf"{_BEGINS}[1-9]\d{{0,2}}(?:\.\d{{3}})+(?![\d]|[.,]\d)")
_DECIMALS = re.compile(rf"{_BEGINS}\d+,\d+(?![\d]|[.,]\d)")
_LAKHS = re.compile(rf"{_BEGINS}\d{{1,2}}(?:,\d{{2}})+,\d{{3}}(?![\d]|,\d)")

_POWERS = {
    2: "hundred 百 백 ร้อย सौ",
    3: "thousand thousands tausend mille mila тысяча тысячи тысяч тыс 千 천 พัน हज़ार हजार ألف آلاف",
    4: "万 萬 만 หมื่น",
    5: "lakh lakhs लाख แสน",
    6: "million millions millionen mio millón millones milione milioni milhão milhões milyon "
    "миллион миллиона миллионов млн ล้าน مليون ملايين",
    7: "crore crores करोड़",
    8: "億 亿 억",
    9: "billion billions milliarde milliarden mrd milliard milliards miliardo miliardi bilhão "
    "bilhões milyar миллиард миллиарда миллиардов млрд مليار",
    12: "trillion trillions 兆 조",
}
_OF = {word: power for power, words in _POWERS.items() for word in words.split()}
_SIGNS = "".join(sorted(word for word in _OF if len(word) == 1 and not word.isascii()))
_METRIC = "米克瓦卡赫帕焦伏字分貨合"
"""What makes another word of 千 or 百 before it: 千米 is a kilometre, 百分 a percent."""
_WORDS = "|".join(sorted((re.escape(w) for w in _OF if len(w) > 1), key=len, reverse=True))
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_SIGNED = re.compile(rf"(?<![\w.])(?:{_NUMBER} ?[{_SIGNS}]+(?![{_METRIC}]) ?)+(?:\d+(?![\d.,]))?")
_WORDED = re.compile(
    rf"(?<![\w.])({_NUMBER})[ \u00a0]?({_WORDS})(?:\b|(?=[{SPACELESS}]))(?![-'])", re.I
)
_GROUPED = re.compile(rf"\d(?:\.\d{{3}}[.,]|{_SPACE}\d{{3}},|{_SPACE}\d{{3}}{_SPACE}|['\u2019])\d")
_POWERFUL = ("thousand", "hundred", "tausend", "mil", "illi", "mio", "mrd", "lakh", "crore")
"""What the patterns below, or above, may find something in, at the least."""
_MOST = 30
"""Digits of a number that is multiplied."""


def written(text: str, language: str | None = None, *, powers: bool = True) -> str:
    """The text with its numbers in one spelling, by the rules above. language: its code, where it
    is known. powers: whether "5 million" is 5000000."""
    text = apart(western(text))
    # Nearly every text has none of these, and to know that is quicker than to look for each.
    if _GROUPED.search(text):
        for pattern in (_MIXED, _SPACED):
            text = pattern.sub(lambda m: re.sub(r"[^\d,]", "", m[0]).replace(",", "."), text)
        for pattern in (_MARKED, _POINTS):
            text = pattern.sub(lambda m: re.sub(r"\D", "", m[0]), text)
    plain = (language or "").partition("-")[0].lower()
    if plain in COMMA:
        text = _THOUSANDS.sub(lambda m: m[0].replace(".", ""), text)
        text = _DECIMALS.sub(lambda m: m[0].replace(",", "."), text)
    elif plain in INDIAN:
        text = _LAKHS.sub(lambda m: m[0].replace(",", ""), text)
    if not powers:
        return text
    if not text.isascii():
        text = _SIGNED.sub(_counted, text)
    elif not any(map(text.lower().__contains__, _POWERFUL)):
        return text
    return _WORDED.sub(lambda m: _times(m[1], _OF[m[2].lower()]), text)


def _times(number: str, power: int) -> str:
    if len(number) > _MOST:
        return number
    return _plain(Decimal(number.replace(",", "")) * 10**power)


def _counted(match: re.Match[str]) -> str:
    """What Chinese, Japanese and Korean write with signs: 1億2345万, 3千万, 2万5千."""
    if len(match[0]) > _MOST:
        return match[0]
    total = section = Decimal(0)
    for number, signs in re.findall(rf"({_NUMBER})\s?([{_SIGNS}]*)", match[0]):
        value = Decimal(number.replace(",", ""))
        for sign in signs:
            power = _OF[sign]
            if power < 4:
                value *= 10**power
            else:
                total += (section + value) * 10**power
                section = value = Decimal(0)
        section += value
    end = " " if match[0].endswith(" ") else ""
    return _plain(total + section) + end


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
