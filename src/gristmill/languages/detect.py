"""What language a text is in: lingua's word for it, and the script where lingua has none."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from gristmill.errors import MissingExtra
from gristmill.languages.telling import OF, without, worded, written

SAMPLE = 750
"""Characters of a text that are looked at: from its beginning, middle and end."""

_CODES = """
af ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gu he hi hr hu hy id is it ja ka
kk ko la lg lt lv mi mk mn mr ms nb nl nn pa pl pt ro ru sk sl sn so sq sr st sv sw ta te th tl tn
tr ts uk ur vi xh yo zh zu
"""
_SCRIPTS = {code: OF[code] for code in ["am", "kn", "km", "lo", "ml", "my", "or", "si"]}
"""Languages that lingua does not know, and that have a script nearly to themselves."""
_NEPALI = frozenset(["छ", "छन्", "छैन", "हो", "पनि", "लागि", "भएको", "गर्न", "गर्छ", "हुन्छ", "र", "यो"])
_HINDI = frozenset(["है", "हैं", "और", "का", "की", "के", "में", "से", "यह", "आहे", "आणि", "हा"])

DETECTED = frozenset([*_CODES.split(), *_SCRIPTS, "ne"])
"""Codes of the languages that can be told."""

_ALIKE = ({"bs", "hr"}, {"id", "ms"}, {"nb", "nn"})
"""Languages that lingua confuses in more than a tenth of sentences: one is as good as the other."""

_NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|<[^<>]{1,200}>|\$\$?[^$]{1,500}\$\$?|[\d_*#|]+")
_DENSE = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u9fff\uac00-\ud7af]"
"""Scripts of which few letters tell as much as a sentence of Latin ones."""
DENSE = frozenset(["ja", "km", "ko", "lo", "my", "th", "zh"])
"""The languages that are written in them."""

PLAIN = 0.8
"""Share of a text that is words, none of them names or code, from which on these decided."""

QUOTED = 1 / 3
"""Share of a text's letters in the script that was wanted, from which on it is a text in the right
language with names and terms of another, such as English ones in Thai."""


@lru_cache(maxsize=64)
def detect(text: str, min_letters: int = 1) -> tuple[str, float] | None:
    """The code of the language that a text is in, and how sure that is, 0 to 1.

    Addresses, numbers, tags and formulas are not looked at; code is for the caller to take out.
    None where there are fewer letters than `min_letters` (of Chinese, Japanese, Korean, Thai, Lao,
    Khmer or Burmese one counts for three), or none that a language has. Raises MissingExtra.
    """
    # Lingua takes no lone surrogates.
    text = _part(_NOISE.sub(" ", text)).encode("utf-8", "replace").decode()
    letters = sum(map(str.isalpha, text))
    if letters < min_letters and letters + 2 * len(re.findall(_DENSE, text)) < min_letters:
        return None
    for code, script in _SCRIPTS.items():
        if len(re.findall(f"[{script}]", text)) > 0.5 * letters > 0:
            return code, 1.0
    found = _detector().compute_language_confidence_values(text)
    if not found or not found[0].value:
        return None
    code = found[0].language.iso_code_639_1.name.lower()
    # Lingua takes Nepali for one of its neighbours, with whom it shares the script.
    return ("ne" if code in ("hi", "mr") and _is_nepali(text) else code), found[0].value


def check() -> None:
    """See that languages can be told here, before anything is spent. Raises MissingExtra."""
    _builder()


def alike(found: str, wanted: str) -> bool:
    """Whether what was found may be the language that was wanted."""
    if wanted == "sr" and found in ("bs", "hr"):
        # Serbian in Latin letters: lingua knows it in Cyrillic ones alone.
        return True
    return found == wanted or any({found, wanted} <= group for group in _ALIKE)


def elsewhere(
    text: str, wanted: Collection[str], min_letters: int, sure: float
) -> tuple[str, float] | None:
    """The language that a text surely is in where that is none of those wanted, and how sure it is;
    None where it is one of them, cannot be told, or only names, code and formulas speak for it.

    sure: 0 to 1, what lingua must say of the whole text and of its words without these.
    """
    found = detect(text, min_letters)
    if found is None or found[1] < sure or _fits(found[0], wanted):
        return None
    code, text = found[0], _NOISE.sub(" ", text)
    # Chinese letters are Japanese ones, too: only what the language found does not have speaks
    # for the one that was wanted.
    rest = without(text, code)
    there = max(_weighed(rest, other) for other in wanted)
    if there >= QUOTED * (there + _weighed(text, code)):
        return None
    words = worded(text, code)
    if len(words) >= PLAIN * len(text):
        return found
    again = detect(words, max(1, min_letters // 2))
    return found if again and again[1] >= sure and not _fits(again[0], wanted) else None


def _fits(found: str, wanted: Collection[str]) -> bool:
    # A language that cannot be told is taken for another one.
    return any(alike(found, code) or code not in DETECTED for code in wanted)


def _weighed(text: str, code: str) -> int:
    return written(text, code) + 2 * (len(re.findall(_DENSE, text)) if code in DENSE else 0)


def _is_nepali(text: str) -> bool:
    words = re.findall(r"[\u0900-\u0963\u0966-\u097f]+", text)
    return sum(w in _NEPALI for w in words) > sum(w in _HINDI for w in words)


def _part(text: str) -> str:
    """Beginning, middle and end of a long text: an answer may begin in the right language only."""
    text = " ".join(text.split())
    if len(text) <= SAMPLE:
        return text
    size, middle = SAMPLE // 3, len(text) // 2
    return f"{text[:size]} {text[middle - size // 2 : middle + size // 2]} {text[-size:]}"


def _builder() -> Any:
    try:
        from lingua import LanguageDetectorBuilder
    except ImportError:
        raise MissingExtra("telling languages apart", "curate") from None
    return LanguageDetectorBuilder


@lru_cache(maxsize=1)
def _detector() -> Any:
    # From 200 letters on as often right as the other mode, which takes 1.2 GB and loads for 6 s.
    return _builder().from_all_languages().with_low_accuracy_mode().build()
