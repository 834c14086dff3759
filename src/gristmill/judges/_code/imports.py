"""Imports that an answer left out: what everybody writes at the top of a file, and the prompts of
benchmarks have there ready."""

from __future__ import annotations

from collections.abc import Iterable

_MODULES = (
    *("array", "bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions"),
    *("functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "os", "random"),
    *("re", "statistics", "string", "sys", "time"),
)
_FROM = {
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"),
    "dataclasses": ("dataclass",),
    "decimal": ("Decimal",),
    "enum": ("Enum",),
    "fractions": ("Fraction",),
    "functools": ("cache", "cmp_to_key", "lru_cache", "reduce"),
    "heapq": ("heapify", "heappop", "heappush"),
    "itertools": (
        *("accumulate", "chain", "combinations", "groupby", "permutations", "product"),
        "zip_longest",
    ),
    "math": ("ceil", "comb", "factorial", "floor", "gcd", "isqrt", "lcm", "sqrt"),
    "typing": (
        *("Any", "Callable", "Dict", "FrozenSet", "Generator", "Iterable", "Iterator", "List"),
        *("Mapping", "Optional", "Sequence", "Set", "Tuple", "Type", "Union"),
    ),
}
_GIVEN = {name: module for module, names in _FROM.items() for name in names}


def hints(lacking: Iterable[str]) -> list[str]:
    """The import of names of `typing`, which say what is meant and do nothing: LeetCode, and the
    prompts of HumanEval, have them ready."""
    names = sorted(set(_FROM["typing"]) & set(lacking))
    return [f"from typing import {', '.join(names)}"] if names else []


def missing(lacking: Iterable[str]) -> list[str]:
    """The imports that give those of the names that mean the same to everybody, one line each, the
    hints aside."""
    found: dict[str, list[str]] = {}
    lines = []
    for name in sorted(lacking):
        if name in _MODULES:
            lines.append(f"import {name}")
        elif _GIVEN.get(name, "typing") != "typing":
            found.setdefault(_GIVEN[name], []).append(name)
    return lines + [f"from {module} import {', '.join(names)}" for module, names in found.items()]
