"""Numbers and names beside letters of scripts that write no spaces between them.

A letter of a script with capitals makes a name of the digits behind it: `x5`, `T34`, `Т34`. One of
a script without does not: `答案是39。` says 39. (Latin, Greek, Cyrillic, Armenian and their like
have capitals; Chinese, Japanese, Korean, Thai, Arabic, Hebrew, the scripts of India have none.)
"""

from __future__ import annotations

import re
import unicodedata

SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0002fa1f"
)
"""Within a class of characters: letters of scripts that write no spaces between words."""
HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
_UNCASED = (
    "(?!\\d)[\u0590-\u074f\u0750-\u08ff\u0900-\u0dff\u0f00-\u0fff\u1200-\u137f\u1800-\u18af"
    f"\ufb1d-\ufdff\ufe70-\ufeff{SPACELESS}{HANGUL}]"
)
"""A letter, or a mark on one, of a script without capitals. Compiled when the first text needs it:
a class of so many letters takes a hundredth of a second."""
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_ARABIC = {0x066A: "%", 0x066B: ".", 0x066C: ","}
_TOUCHING = (
    rf"(?<={_UNCASED})(?=[\w.+\-$€£¥\\√@])(?!{_UNCASED})"
    rf"|(?<=[\w%)}}\]])(?<!{_UNCASED})(?={_UNCASED})"
)


def western(text: str) -> str:
    """The text with digits, signs and letters of every script's and width's digits as ASCII has
    them, place by place: ３９, ٣٩ and ३९ are 39. The length stays."""
    if text.isascii():
        return text
    text = text.translate(_WIDE).translate(_ARABIC)
    return re.sub(r"(?![0-9])\d", lambda m: str(unicodedata.decimal(m[0])), text)


def apart(text: str) -> str:
    """The text with a space between letters of scripts without capitals and what touches them."""
    return text if text.isascii() else re.sub(_TOUCHING, " ", text)


def blanked(text: str) -> str:
    """The text with `;` for each letter of a script without capitals, place by place: a pattern
    that must not begin within a word then finds what stands in or beside such letters."""
    return text if text.isascii() else re.sub(_UNCASED, ";", text)
