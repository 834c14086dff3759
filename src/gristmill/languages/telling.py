"""What of a text tells its language: no names, code, formulas, nor words of another script."""

from __future__ import annotations

import re

OF = {
    "am": "\u1200-\u137f", "bn": "\u0980-\u09ff", "el": "\u0370-\u03ff\u1f00-\u1fff",
    "gu": "\u0a80-\u0aff", "he": "\u0590-\u05ff\ufb1d-\ufb4f", "hy": "\u0530-\u058f",
    "ja": "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff",
    "ka": "\u10a0-\u10ff\u2d00-\u2d2f", "km": "\u1780-\u17ff", "kn": "\u0c80-\u0cff",
    "ko": "\u1100-\u11ff\u3130-\u318f\u4e00-\u9fff\uac00-\ud7af", "lo": "\u0e80-\u0eff",
    "ml": "\u0d00-\u0d7f", "my": "\u1000-\u109f", "or": "\u0b00-\u0b7f", "pa": "\u0a00-\u0a7f",
    "si": "\u0d80-\u0dff", "ta": "\u0b80-\u0bff", "te": "\u0c00-\u0c7f", "th": "\u0e00-\u0e7f",
    "zh": "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff",
    **dict.fromkeys(["ar", "fa", "ur"], "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff"),
    **dict.fromkeys(["be", "bg", "kk", "mk", "mn", "ru", "sr", "uk"], "\u0400-\u052f"),
    **dict.fromkeys(["hi", "mr", "ne"], "\u0900-\u097f"),
}  # fmt: skip
"""The letters of each language that can be told and is not written in Latin ones."""

LATIN = "A-Za-z\u00c0-\u024f\u1e00-\u1eff"

_CODE_LINE = re.compile(
    # Without white space at its ends. A full stop at the end of a sentence is in none of these.
    r"(?:async )?def \w|(?:import|package|using) [\w.*]+;?$|from \S+ import |@\w+(?:\(.*\))?$"
    r"|#include|#!|return\b[^.]*;?$|[}\])]+[;,]?$|.*[;{}]$|//|/\*|\*/|<\?|\$ \w"
    r"|(?:class|if|elif|else|for|while|with|try|except|finally|switch|case|catch)\b.*[:{]$"
    r"|(?:const|let|var|int|float|double|char|bool|void|public|private|static|fn|func) \w"
    r"|[\w.\[\]'\"]+(?:, ?\w+)* ?(?:[-+*/%&|^]|\*\*|//|<<|>>)?=(?!=) ?\S|[\w.]+\([^()]*\)[;,]?$"
    r"|[\"'][\w -]+[\"']\s?:"
)
_SIGNED = re.compile(r"\S*[\\{}=<>_^~|@+\[\]\d]\S*|\w+\(\S+|\w+[.:/]\w\S*")
"""A word with signs that prose puts into none: of a formula, a path, a call."""

MOST_CODE = 0.5
"""Share of lines that are code, from which on the others are comments and strings."""


def worded(text: str, code: str) -> str:
    """The words that tell whether a text is in a language: those of its script, in lower case where
    the script has one. Capitals are names or begin sentences. Empty where all is code."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    prose = [line for line in lines if not _CODE_LINE.match(line)]
    if len(lines) - len(prose) >= MOST_CODE * len(lines) > 1:
        return ""
    words = _SIGNED.sub(" ", "\n".join(prose)).split()
    letters = re.compile(f"[{OF.get(code, LATIN)}]")
    return " ".join(word for word in words if letters.search(word) and not _is_name(word))


def written(text: str, code: str) -> int:
    """The letters of a text that its language has."""
    return len(re.findall(f"[{OF.get(code, LATIN)}]", text))


def without(text: str, code: str) -> str:
    """The text without these."""
    return re.sub(f"[{OF.get(code, LATIN)}]+", " ", text)


def _is_name(word: str) -> bool:
    first = next((sign for sign in word if sign.isalpha()), "")
    return first.isupper()
