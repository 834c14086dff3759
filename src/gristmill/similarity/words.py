"""A text as words and shingles: what is compared when texts are compared.

Case, punctuation, white space and the width of characters do not count. In scripts that put no
space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan) every letter is a word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_ASCII = re.compile(r"[a-z0-9]+")

_EUROPEAN = re.compile(r"[^\W_]+")
_OTHER = re.compile("[^\x00-\u02ff\u0370-\u0482\u048a-\u052f\u1e00-\u2bff]")
"""What is neither Latin, Greek nor Cyrillic without combining marks: texts that have none of it, by
far the most, need the simpler of two patterns, which is five times as fast."""

_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)


def plain(text: str) -> str:
    """NFKC and case-folded; half a surrogate pair, which is no text, becomes `?`."""
    if text.isascii():
        return text.lower()
    whole = text.encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", whole).casefold())


def words(text: str) -> list[str]:
    """The runs of letters, digits and marks of a text, in order, as `plain` writes them."""
    text = plain(text)
    if text.isascii():
        return _ASCII.findall(text)
    return (_any_script() if _OTHER.search(text) else _EUROPEAN).findall(text)


def shingles(found: list[str], size: int) -> list[str]:
    """Every run of `size` words, joined by spaces, in order and as often as it is there; fewer
    words are one shingle, and none has none."""
    if len(found) <= size:
        return [" ".join(found)] if found else []
    return list(map(" ".join, zip(*(found[i:] for i in range(size)), strict=False)))


@cache
def _any_script() -> re.Pattern[str]:
    # Python's \w leaves out combining marks, without which the words of most Indic scripts break.
    marks = _ranges(
        [c for c in map(chr, range(0x300, 0x1F000)) if unicodedata.category(c)[0] == "M"]
    )
    unspaced = rf"(?=\w)[{_UNSPACED}][{marks}]*"
    return re.compile(rf"{unspaced}|[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{marks}])*")


def _ranges(characters: list[str]) -> str:
    found: list[list[str]] = []
    for character in characters:
        if found and ord(character) == ord(found[-1][1]) + 1:
            found[-1][1] = character
        else:
            found.append([character, character])
    return "".join(f"{first}-{last}" for first, last in found)
