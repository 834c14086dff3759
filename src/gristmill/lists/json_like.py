"""JSON as models write it: Python's quotes, comments, trailing commas, an end that is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from gristmill.lists.escapes import repair, unescape
from gristmill.lists.fields import Literal, items_in

_DEPTH = 30
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "「": "」", "‘": "’"}
_CLOSING = {"[": "]", "{": "}", "(": ")"}
_OPEN = re.compile(
    r"(?P<at>[\[{]|\((?=\s{0,4}[\"'“]))|"
    r"(?:(?:(?:const|let|var) )?[\w.]{1,40}\s{0,4}[:=]\s{0,4}(?=\[)|return (?=[\[{])|"
    r"[^\[\]{}()\"'“]{1,200}?[:：]\s{1,4}(?=\[\s{0,4}[\"'“{]))"
)
_SKIP = re.compile(r"(?:[\s\ufeff\u200b]++|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/|(?<=\s)#[^\n]*+)*+")
_GAP = re.compile(r"\s*+")
_WORD = re.compile(r"-?(?:\d[\d.]*+(?:[eE][-+]?\d++)?|[A-Za-z_]\w*+)")
_LITERALS = frozenset(("null", "true", "false", "None", "True", "False", "NaN", "undefined"))
_AFTER = re.compile(r"[ \t]*+[,;]?[ \t]*+(?:`{1,3}[ \t]*+)?(?:\n|\Z|(?=\{))")


class _CutOff(Exception):
    """The text ended within a value. `value` is what was whole."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value


class _NotJson(Exception):
    """This is no value."""


def opening(line: str) -> int | None:
    """Where on a line a JSON or Python list or object may begin: first, or after a colon or an
    equals sign."""
    found = _OPEN.match(line.lstrip())
    if found is None:
        return None
    return len(line) - len(line.lstrip()) + (0 if found["at"] else found.end())


def read_json(text: str) -> list[str] | None:
    """The items of the values with which a text begins, or None where it begins with none."""
    values: list[Any] = []
    place, strict = 0, True
    while place < len(text) and text[place] in "[{(":
        # Once it was not strict JSON it is not tried again: each failure looks at all before it.
        value, end = _strict(text, place) if strict else (None, None)
        if end is None:
            strict = False
            value, end = _loose(text, place)
        if end is None or not _AFTER.match(text, end):
            break
        values.append(value)
        place = _GAP.match(text, end).end()  # type: ignore[union-attr]
        while text[place : place + 1] in (",", ";"):
            place = _GAP.match(text, place + 1).end()  # type: ignore[union-attr]
    if not values:
        return None
    return items_in(values)


_DECODER = json.JSONDecoder(
    parse_int=Literal, parse_float=Literal, parse_constant=Literal, strict=False
)


def _strict(text: str, place: int) -> tuple[Any, int | None]:
    """The value that begins there and where it ends; None for the end where it is no JSON."""
    try:
        value, end = _DECODER.raw_decode(text, place)
        return _as_texts(value, 0), end
    except (json.JSONDecodeError, RecursionError, _NotJson):
        return None, None


def _loose(text: str, place: int) -> tuple[Any, int | None]:
    """The same for what only resembles JSON, or is cut off."""
    try:
        return _read(text, place, 0)
    except _CutOff as cut:
        return cut.value, len(text)
    except _NotJson:
        return None, None


def _as_texts(value: Any, depth: int) -> Any:
    if depth > _DEPTH:
        raise _NotJson
    if isinstance(value, list):
        return [_as_texts(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {key: _as_texts(each, depth + 1) for key, each in value.items()}
    if isinstance(value, str):
        return value if isinstance(value, Literal) else repair(value)
    return Literal({None: "null", True: "true", False: "false"}[value])


def _read(text: str, place: int, depth: int) -> tuple[Any, int]:
    if place >= len(text):
        raise _CutOff
    sign = text[place]
    if sign in _CLOSING:
        if depth > _DEPTH:
            raise _NotJson
        read = _object if sign == "{" else _array
        return read(text, place, depth)
    if sign in _QUOTES:
        return _string(text, place)
    found = _WORD.match(text, place)
    if found is None or (not found[0].lstrip("-")[0].isdigit() and found[0] not in _LITERALS):
        raise _NotJson
    if found.end() == len(text):
        raise _CutOff
    return Literal(found[0]), found.end()


def _array(text: str, place: int, depth: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    shut = _CLOSING[text[place]]

    def one(place: int) -> int:
        value, end = _read(text, place, depth + 1)
        values.append(value)
        return end

    return values, _members(text, place, shut, one, values)


def _object(text: str, place: int, depth: int) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}

    def one(place: int) -> int:
        if text[place] in _QUOTES:
            key, end = _string(text, place)
        else:
            found = _WORD.match(text, place)
            if found is None:
                raise _NotJson
            key, end = found[0], found.end()
        end = _skip(text, end)
        if text[end : end + 1] not in (":", "："):
            raise _CutOff if end >= len(text) else _NotJson
        try:
            values[key], end = _read(text, _skip(text, end + 1), depth + 1)
        except _CutOff as cut:
            if cut.value:
                values[key] = cut.value
            raise
        return end

    try:
        return values, _members(text, place, "}", one, values)
    except _CutOff:
        # An object that was cut off is whole only in the lists that it holds.
        lists = {k: v for k, v in values.items() if isinstance(v, list)}
        raise _CutOff(values if depth == 0 and not lists else lists) from None


def _members(text: str, place: int, shut: str, one: Callable[[int], int], values: Any) -> int:
    """Read members up to the closing bracket; where it stands, plus one."""
    place = _skip(text, place + 1)
    while text[place : place + 1] != shut:
        if place >= len(text):
            raise _CutOff(values)
        if text[place] in ",;" and values:
            place = _skip(text, place + 1)
            continue
        try:
            place = _skip(text, one(place))
        except _CutOff as cut:
            if isinstance(values, list) and cut.value:
                values.append(cut.value)
            raise _CutOff(values) from None
        except _NotJson:
            # Another paragraph: the closing bracket was forgotten.
            if isinstance(values, list) and values and text[place - 2 : place] == "\n\n":
                raise _CutOff(values) from None
            raise
    return place + 1


def _skip(text: str, place: int) -> int:
    found = _SKIP.match(text, place)
    assert found is not None
    return found.end()


def _string(text: str, place: int) -> tuple[str, int]:
    """A string; a quote within it that nothing of JSON follows is part of it."""
    shut, start = _QUOTES[text[place]], place + 1
    end = start
    while True:
        end = text.find(shut, end)
        if end < 0:
            raise _CutOff
        before = end - 1
        while before >= start and text[before] == "\\":
            before -= 1
        if (end - before) % 2 and _is_closed(text, end + 1):
            return unescape(text[start:end]), end + 1
        end += 1


def _is_closed(text: str, place: int) -> bool:
    found = _GAP.match(text, place)
    assert found is not None
    after = text[found.end() : found.end() + 1]
    if after in ("", ",", ":", "]", "}", ")", "：", ";") or "\n\n" in found[0]:
        return True
    return after in ("/", *(("#", *_QUOTES) if "\n" in found[0] else ()))
