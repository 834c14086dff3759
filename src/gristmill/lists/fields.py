"""The items that a JSON value holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gristmill.lists.words import FIELDS, field_name

_LISTS = frozenset((*FIELDS, "items", "list", "results", "result", "data", "output", "entries"))
_COUNTED = re.compile(r"[\w -]{0,40}?\d{1,4}\.?")


class Literal(str):
    """A number, null or boolean, as the model wrote it."""

    __slots__ = ()


def items_in(values: Sequence[Any]) -> list[str]:
    """The items of one value, or of several that stand one below the other."""
    if len(values) == 1 and isinstance(values[0], dict):
        return _items_of_object(values[0])
    if len(values) == 1 and _are_pairs(values[0]):
        return [f"{key}: {text}" for pair in values[0] for key, text in pair.items()]
    return [text for value in values for text in _texts(value)]


def _are_pairs(values: Any) -> bool:
    """Whether these are objects of one field each, all with other names: names and what they
    are."""
    if not isinstance(values, list) or len(values) < 2:
        return False
    if not all(isinstance(each, dict) and len(each) == 1 for each in values):
        return False
    keys = {field_name(key) for each in values for key in each}
    return len(keys) == len(values) and not keys & {*FIELDS, ""} and _all_texts(values)


def _all_texts(values: list[dict[str, Any]]) -> bool:
    return all(isinstance(text, str) for each in values for text in each.values())


def _items_of_object(value: dict[str, Any]) -> list[str]:
    lists = {key: each for key, each in value.items() if isinstance(each, list)}
    named = {key: each for key, each in lists.items() if field_name(key) in _LISTS}
    if lists:
        return [text for each in (named or lists).values() for text in _texts(each)]
    inner = [each for each in value.values() if isinstance(each, dict)]
    if len(inner) == 1 and not any(_is_text(each) for each in value.values()):
        return _items_of_object(inner[0])
    if value and all(_COUNTED.fullmatch(key) for key in value):
        return [text for each in value.values() for text in _texts(each)]
    if len(value) > 1 and not any(field_name(key) in FIELDS for key in value):
        return [f"{key}: {text}" for key, each in value.items() for text in _texts(each)]
    return list(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        yield from _main_field(value)


def _main_field(value: dict[str, Any]) -> Iterator[str]:
    """The field with the best name, or the first text, or the first of whatever there is."""
    named = {field_name(key): each for key, each in reversed(value.items())}
    for name in FIELDS:
        if isinstance(named.get(name), str):
            yield named[name]
            return
    texts = [each for each in value.values() if _is_text(each)]
    for each in (texts or list(value.values()))[:1]:
        yield from _texts(each)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Literal)
