"""What files, servers and models send that nobody meant to: near misses of what is right.

    raw = near({"choices": [{"message": {"content": "hi"}}]})

gives the bytes of that object with one or two of its values strange, gone, renamed or there twice,
and now and then with its bytes damaged too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

fuzzed = settings(max_examples=max(100, settings.default.max_examples))  # type: ignore[union-attr]
"""Of every test here: a hundred examples in the suite, and as many as a profile says in
`--hypothesis-profile=thorough`."""

DEEP = 2_000


@dataclass(frozen=True)
class Raw:
    """A piece of JSON that `json.dumps` would not write."""

    text: str


RAW = (
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "[" * 900 + "]" * 900,
    "[" * DEEP,
    "9" * 5_000,
    "1" + "0" * 400,
    "1e400",
    "-0",
    '{"a": 1, "a": 2}',
    '{"\\u0000": "\\u0000"}',
    '"\\ud83d"',
)
"""Nested, endless and doubled values."""

TEXTS = (
    "", " ", "\n", "²", "٣", "①", "0", "-1", "1e308", "1e999", "nan", "inf", "-inf", "null", "true",
    "9" * 5_000, "\ud800", "a\udfff", "\0", "\x1b[2J", "\u202egnp.exe", "\ufeffa", "\u2028",
    "e\u0301", "a" * 5_000, "[" * DEEP, "[1, 2]", '{"a": 1}', "<think>", "</think>", "<tool_call>",
    "{{x}}", "../../x", "=1+1", "\\", '"', "'", "%s%n", "日本語", "🏳️\u200d🌈",
)  # fmt: skip

NUMBERS = (
    0, 1, -1, -0.0, 0.5, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**23, 10**400, 1e308,
    -1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], [None], [{}], {"": None}, {"a": 1}, [1, "a"],
    ["\ud800"], {"\ud800": 1}, {"type": "text"}, {"text": None},
)  # fmt: skip

texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=40))
"""Any text, strange ones above all."""

plain = st.one_of(
    st.sampled_from(VALUES),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)
"""Any value that JSON has, as Python reads it."""

values = st.one_of(plain, st.sampled_from([Raw(text) for text in RAW]))
"""... and what Python would not write."""


def changed(*valid: Any, by: st.SearchStrategy[Any] = plain) -> st.SearchStrategy[Any]:
    """One of the valid objects, with one or two values in it replaced by what `by` gives, left out,
    or given another name."""
    return _changed(valid, by, False)


@st.composite
def _changed(
    draw: st.DrawFn, valid: tuple[Any, ...], by: st.SearchStrategy[Any], root: bool
) -> Any:
    value = [deepcopy(draw(st.sampled_from(valid)))]
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(value))[0 if root else 1 :]
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(("replace", "replace", "replace", "drop", "rename", "wrap"))):
            case "drop" if holder is not value:
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[draw(texts)] = holder.pop(key)
            case "wrap":
                holder[key] = draw(st.sampled_from([[holder[key]], {"a": holder[key]}, [[], {}]]))
            case _:
                holder[key] = deepcopy(draw(by))
    return value[0]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(inside):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def near(*valid: Any) -> st.SearchStrategy[bytes]:
    """The JSON of `changed` objects, one time in eight with damaged bytes."""
    return damaged(_changed(valid, values, True).map(written))


def written(value: Any) -> bytes:
    """JSON as `json.dumps` writes it, NaN and all, with every `Raw` as it is."""
    raws: list[str] = []

    def stand_in(one: Any) -> str:
        raws.append(one.text)
        return f"@raw-{len(raws) - 1}@"

    said = json.dumps(value, default=stand_in)
    for number, text in enumerate(raws):
        said = said.replace(f'"@raw-{number}@"', text)
    return said.encode()


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes as they are, or one time in eight cut off, or with others put into them."""
    raw = draw(whole)
    if draw(st.integers(0, 7)):
        return raw
    place = draw(st.integers(0, len(raw)))
    put = draw(st.one_of(st.binary(max_size=4), st.sampled_from((b"", b"\xff\xfe", b"\0"))))
    return raw[:place] + put + (b"" if draw(st.booleans()) else raw[place:])
