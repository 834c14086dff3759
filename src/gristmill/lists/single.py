"""One text that a model was asked for, and what it wraps around a text or an item."""

from __future__ import annotations

import json
import re

from gristmill.lists.lines import fences_of, is_rule, spoken, trim
from gristmill.lists.words import ANNOUNCED, EAGER, FIELDS, HEADING, LABEL, field_name

_PAIRS = (
    ("“", "”"), ("„", "“"), ("„", "”"), ("«", "»"), ("»", "«"), ("‹", "›"),
    ("「", "」"), ("『", "』"), ("‘", "’"), ("《", "》"),
)  # fmt: skip
_EMPHASIS = ("***", "**", "*", "__", "_", "``", "`")
_TWO_SINGLES = re.compile(r"\w'\W(?:.*\W)?'\w", re.DOTALL)
_ELEMENT = re.compile(r"<(\w{1,40})>(.*)</\1>", re.DOTALL)
_OTHER = re.compile(
    r"[#*_\s]{0,8}(?:answer|solution|hint|explanation|context|options|input|output|example|note|"
    r"antwort|lösung|respuesta|réponse|答案|解答)s?[*_]{0,3}\s?\d{0,3}\s?[:：]",
    re.IGNORECASE,
)


def bare(text: str) -> str:
    """The one text that a model was asked for, such as a refined question.

    Taken off is what surrounds the whole of it: a thought; "Here is the refined question:"; a
    label ("Question:", "**Revised Task:**", "### Refined prompt"), unless another part with a
    label follows ("Answer:"); quotes, emphasis, a fence, a quotation (`>`), an element or a JSON
    object around it; horizontal rules above and below.
    Nothing else changes: not quotes around a part, nor what stands after the text.
    """
    text = trim(spoken(text))
    for _ in range(8):
        shorter = _barer(text)
        if not shorter or shorter == text:
            break
        text = shorter
    return text


def unwrap(text: str) -> str:
    """An item without quotes, emphasis or backticks around the whole of it, and without a comma
    after its quotes."""
    for _ in range(6):
        inner = _inner(text)
        if inner is None and text.endswith((",", "，", ";")):
            inner = _unquoted(text[:-1].rstrip())
        if inner is None or not (inner := trim(inner)):
            return text
        text = inner
    return text


def _barer(text: str) -> str:
    inner = _inner(text)
    if inner is not None:
        return trim(inner)
    if text.startswith(("```", "~~~")):
        lines = text.split("\n")
        if fences_of(lines).get(0, -1) == len(lines) - 1 and len(lines) > 2:
            return trim("\n".join(lines[1:-1]))
    if (found := ANNOUNCED.match(text)) is not None:
        return trim(text[found.end() :])
    quoted = text.split("\n") if text.startswith("> ") else ()
    if quoted and all(line == "" or line[:2] in ("> ", ">") for line in quoted):
        return trim("\n".join(line[2:] for line in quoted))
    first, _, rest = text.partition("\n")
    above, _, last = text.rpartition("\n")
    if above and (is_rule(first) or is_rule(last)):
        return trim(rest if is_rule(first) else above)
    if HEADING.match(first) or (EAGER.match(first) and rest.startswith("\n")):
        return trim(rest)
    if (found := LABEL.match(text)) is not None and found[0].count("*") % 2 == 0:
        rest = text[found.end() :]
        if not any(_OTHER.match(line) or LABEL.match(line) for line in rest.split("\n")[1:]):
            return trim(rest)
    return _inside_form(text)


def _inside_form(text: str) -> str:
    """The text within one element or one JSON object whose name says that it is the text."""
    if text.startswith("<") and (found := _ELEMENT.fullmatch(text)) is not None:
        if field_name(found[1]) in FIELDS and f"<{found[1]}>" not in found[2]:
            return trim(found[2])
    elif text.startswith("{") and text.endswith("}"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        if len(value) == 1:
            [(key, inner)] = value.items()
            if field_name(key) in FIELDS and isinstance(inner, str):
                return trim(inner)
    return text


def _inner(text: str) -> str | None:
    """What quotes or emphasis enclose, where they enclose all of it."""
    quoted = _unquoted(text)
    if quoted is not None:
        return quoted
    for mark in _EMPHASIS:
        if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
            inner = text[len(mark) : -len(mark)]
            if mark in inner or inner[0].isspace() or inner[-1].isspace():
                return None
            # `__init__` and `_private_` are names.
            if mark[0] == "_" and not (" " in inner or inner[0].isupper() or inner[0] > "\x7f"):
                return None
            return inner if inner[0] != mark[0] and inner[-1] != mark[0] else None
    return None


def _unquoted(text: str) -> str | None:
    if len(text) < 3:
        return None
    inner = text[1:-1]
    if text[0] == text[-1] == '"':
        plain = inner.replace('\\"', "")
        first = plain.find('"')
        # A first quote within that closes: there are two quoted parts.
        if first >= 0 and (first == 0 or not _opens(plain[first - 1])):
            return None
        return inner.replace('\\"', '"')
    if text[0] == text[-1] == "'":
        return None if _TWO_SINGLES.search(f"a{inner}a") else inner
    for left, right in _PAIRS:
        if text[0] == left and text[-1] == right and _is_one(inner, left, right):
            return inner
    return None


def _opens(before: str) -> bool:
    return before.isspace() or before in "([{—–-/=:*_"


def _is_one(inner: str, left: str, right: str) -> bool:
    """Whether the first of the pair is open up to the end."""
    depth = 1
    for sign in inner:
        depth += (sign == left) - (sign == right)
        if depth == 0 and right != "’":
            return False
    return True
