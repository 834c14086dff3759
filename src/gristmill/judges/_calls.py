"""When a call of a tool is the one that was expected.

The rules are those of the Berkeley function-calling leaderboard's AST checker
(github.com/ShishirPatil/gorilla), and where they differ it is said:

- Calls come in any order; each expected one is matched by one of its own, and none is left over.
- An argument that is left out, or null where it may be left out, is as good as its default given,
  on both sides. (There a default must be marked.) `accepted` values, the leaderboard's form, name
  by "" what else may be left out.
- An expected value is right as it stands, whatever the tool's schema says of it.
- Numbers are equal as numbers, 5 and 5.0 and "5"; whether one may be a text is for the schema to
  say. (The leaderboard wants a whole number without a point.)
- Texts are equal but for case, blanks and `,/_*^-.`, quotes of both kinds; a point or a minus that
  belongs to a number counts. (There 1.5 and 15 are equal texts.)
- Lists are equal in order; objects key by key, at any depth. (There one level.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_NOT_SAID = re.compile(r"(?<!\d)\.|\.(?!\d)|-(?!\d)|(?<=\w)-|[\s,/_*^]")
MISSING = object()


def unmatched(said: Sequence[Any], expected: Sequence[Any], fits: Any) -> list[int]:
    """Places of the expected calls that no said one is left for, by a largest matching.

    fits(call, wanted): whether a call is a wanted one.
    """
    taken: dict[int, int] = {}

    def place(wanted: int, seen: set[int]) -> bool:
        for number, call in enumerate(said):
            if number not in seen and fits(call, expected[wanted]):
                seen.add(number)
                if number not in taken or place(taken[number], seen):
                    taken[number] = wanted
                    return True
        return False

    return [number for number in range(len(expected)) if not place(number, set())]


def difference(
    given: Mapping[str, Any], wanted: Mapping[str, Any], defaults: Mapping[str, Any]
) -> str:
    """How arguments differ from those of an expected call, in words; '' where they do not.

    wanted: `arguments`, each with its value, or `accepted`, each with a list of values. defaults:
    of the tool's arguments, as its schema has them.
    """
    several = "accepted" in wanted
    expected: Mapping[str, Any] = wanted["accepted" if several else "arguments"]
    for name in given:
        if name not in expected and not same(given[name], defaults.get(name, MISSING)):
            return f"'{name}' was not expected"
    for name in expected:
        options = expected[name] if several else [expected[name]]
        value = given.get(name, defaults.get(name, MISSING))
        optional = several and ("" in options or None in options)
        if not (optional and name not in given) and not any(
            same(value, option, several) for option in options
        ):
            return f"'{name}' is missing" if value is MISSING else f"'{name}' is {value!r:.60}"
    return ""


def exact(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> frozenset[str]:
    """The arguments that are to the letter what is expected."""
    options = wanted.get("accepted") or {k: [v] for k, v in wanted.get("arguments", {}).items()}
    return frozenset(name for name, value in given.items() if value in options.get(name, ()))


def same(value: Any, expected: Any, several: bool = False) -> bool:
    """Whether two values are equal by the rules of this module. several: whether objects in
    `expected` have a list of values for each key."""
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, list) and isinstance(expected, list):
        return len(value) == len(expected) and all(
            same(a, b, several) for a, b in zip(value, expected, strict=True)
        )
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        keys = value.keys() | expected.keys()
        return all(_same_key(value, expected, key, several) for key in keys)
    if isinstance(value, str) and isinstance(expected, str) and _plain(value) == _plain(expected):
        return True
    a, b = _number(value), _number(expected)
    return a == b if a is not None or b is not None else value is None and expected is None


def _same_key(value: Mapping[str, Any], expected: Mapping[str, Any], key: str, several: bool):
    if several and isinstance(options := expected.get(key), list):
        return any(same(value.get(key, ""), option, several) for option in options)
    return key in value and key in expected and same(value[key], expected[key], several)


def _plain(text: str) -> str:
    return _NOT_SAID.sub("", text.casefold().replace("'", '"'))


def _number(value: Any) -> float | None:
    if isinstance(value, int | float):
        return value
    try:
        return float(value) if isinstance(value, str) and "_" not in value else None
    except ValueError:
        return None
