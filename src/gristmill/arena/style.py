"""Style of an answer: what makes it look better without being better.

Four features are counted in all answers of a side, in Markdown outside of code: its length in
tokens (UTF-8 bytes / 4), headers, list items, and passages in bold. A battle's covariate is
(a - b) / (a + b + 1), from -1 to 1, so that ten against five headers weighs as twenty against ten,
nearly (Li et al., "Does Style Matter?", LMSYS blog, August 2024; there without the 1, and with its
own guard against 0). Each is brought to a root mean square of 1 where ratings are fitted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gristmill.records import Message

FEATURES = ("length", "headers", "lists", "bold")
BYTES_PER_TOKEN = 4

_CODE = re.compile(r"^(```|~~~).*?(?:^\1|\Z)", re.DOTALL | re.MULTILINE)
_HEADER = re.compile(r"^ {0,3}#{1,6}[ \t]+\S", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*(?=\S)[^*\n]+?(?<=\S)\*\*|__(?=\S)[^_\n]+?(?<=\S)__")


def features(conversation: Sequence[Message]) -> tuple[float, float, float, float]:
    """The four counts in all answers of one side."""
    answers = [m.content for m in conversation if m.role == "assistant"]
    length = sum(len(text.encode("utf-8", "replace")) for text in answers) / BYTES_PER_TOKEN
    plain = [_CODE.sub("", text) for text in answers]
    headers, items, bold = (
        float(sum(len(pattern.findall(text)) for text in plain))
        for pattern in (_HEADER, _ITEM, _BOLD)
    )
    return length, headers, items, bold


def excess(
    conversation_a: Sequence[Message], conversation_b: Sequence[Message]
) -> tuple[float, ...] | None:
    """(a - b) / (a + b + 1) of each feature; None where the answers are not known."""
    if not conversation_a or not conversation_b:
        return None
    sides = zip(features(conversation_a), features(conversation_b), strict=True)
    return tuple((a - b) / (a + b + 1) for a, b in sides)
