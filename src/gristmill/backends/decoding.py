"""JSON as servers write it: strict where it is strict, else read as far as it can be.

Some write half a surrogate pair (a model that ends within an emoji), NaN or -Infinity (logprobs),
a byte-order mark, or another encoding than UTF-8. Asked again they would write the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson

from gristmill.foreign import is_too_deep, read_json

MOST_COUNTED = 10**12
"""Tokens that one call can have used: sums of them are kept in 64 bits."""


class NotJson(ValueError):
    """Nothing that can be read as JSON."""


def decoded(raw: bytes, charset: Callable[[], str | None] = lambda: None) -> Any:
    """The value of a reply. charset: gives that of its Content-Type, which is asked for only where
    it matters. Half a surrogate pair becomes U+FFFD. Raises NotJson."""
    try:
        return read_json(raw)
    except orjson.JSONDecodeError:
        return whole(lenient(raw, charset()))


def lenient(raw: bytes, charset: str | None = None) -> Any:
    """The same for what orjson refuses; half a surrogate pair is left as it is, since the other
    half may come in the next event of a stream. Raises NotJson."""
    try:
        value = json.loads(_text(raw, charset), strict=False, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from None
    if is_too_deep(value):
        raise NotJson("nested too deeply")
    return value


def _whole(digits: str) -> int | float:
    """As orjson has it: what 64 bits do not hold is a float, and no number that overflows one."""
    return int(digits) if len(digits) < 19 else float(digits)


def sendable(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair that stands alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _text(raw: bytes, charset: str | None) -> str:
    for encoding in ("utf-8-sig", charset or ""):
        try:
            return raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    return raw.decode("utf-16" if wide else "utf-8", "replace")


def whole(value: Any) -> Any:
    """A value of JSON, each text in it `sendable`."""
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {sendable(key): whole(item) for key, item in value.items()}
    return value


def count(value: Any) -> int:
    """A token count as the server gave it, 0 where it gave none, or one that cannot be."""
    return value if type(value) is int and 0 < value <= MOST_COUNTED else 0
