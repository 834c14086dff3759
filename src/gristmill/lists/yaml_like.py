"""The scalars of a YAML list: quoted, literal, folded. Nothing becomes a number, date or null."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gristmill.lists.escapes import unescape
from gristmill.lists.words import FIELDS, field_name

_BLOCK = re.compile(r"[|>][-+1-9]{0,2}(?:\s+#.*)?")
_KEY = re.compile(r"(?P<key>[^\W\d][\w -]{0,40}):(?:\s+(?P<value>.*)|\Z)")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_SINGLE = re.compile(r"'((?:[^']|'')*+)'")


def scalar(raw: str, plain: bool) -> str | None:
    """The text that a scalar stands for; None where it is a plain one, which is for the caller.

    raw: all its lines, without the indent that they share. plain: whether a plain scalar over
    several lines is folded into one line, as in YAML.
    """
    first, _, rest = raw.partition("\n")
    if _BLOCK.fullmatch(first) and rest:
        return rest if first[0] == "|" else _fold_block(rest.split("\n"))
    quoted = raw.rstrip("\n").removesuffix(",")
    if (found := _DOUBLE.fullmatch(quoted)) is not None:
        return unescape(_fold(found[1].split("\n"), True), "yaml")
    if (found := _SINGLE.fullmatch(quoted)) is not None:
        return _fold(found[1].replace("''", "'").split("\n"))
    if plain and rest and not _nested(rest):
        return _fold(raw.split("\n"))
    return None


def chosen_fields(items: Sequence[str]) -> list[str]:
    """The items, or of each its main field where all of them are mappings of the same keys."""
    split = [[_KEY.match(line) for line in item.split("\n")] for item in items]
    if not items or any(found[0] is None for found in split):
        return list(items)
    keys = [[found["key"] for found in each if found is not None] for each in split]
    if any(each != keys[0] for each in keys) or (len(keys[0]) < 2 and len(items) < 2):
        return list(items)
    if len(keys[0]) < 2 and not keys[0][0].islower():
        return list(items)
    named = {field_name(key): place for place, key in enumerate(keys[0])}
    for place in (named[name] for name in FIELDS if name in named):
        # A field without a text holds a list of its own.
        if all(values := [_value(item, keys[0], place) for item in items]):
            return values
    return list(items)


def _value(item: str, keys: list[str], place: int) -> str:
    lines = item.split("\n")
    starts = [n for n, line in enumerate(lines) if _KEY.match(line)]
    end = starts[place + 1] if place + 1 < len(keys) else len(lines)
    found = _KEY.match(lines[starts[place]])
    assert found is not None
    rest = lines[starts[place] + 1 : end]
    width = min((len(r) - len(r.lstrip()) for r in rest if r), default=0)
    raw = "\n".join([found["value"] or "", *(r[width:] for r in rest)]).strip()
    value = scalar(raw, True)
    return raw if value is None else value.strip()


def _nested(rest: str) -> bool:
    """Whether the lines below the first are a list or a mapping of their own."""
    return any(line.startswith(("- ", "* ")) or _KEY.match(line) for line in rest.split("\n"))


def _fold(lines: list[str], escapes: bool = False) -> str:
    """One line, but for blank ones, which are line breaks; an escaped break is nothing."""
    folded, blank = [lines[0].rstrip()], 0
    for line in lines[1:]:
        line = line.strip()
        if not line:
            blank += 1
            continue
        last = folded[-1]
        if escapes and (len(last) - len(last.rstrip("\\"))) % 2:
            folded[-1] = last[:-1]
        else:
            folded.append("\n" * blank or " ")
        folded.append(line)
        blank = 0
    return "".join(folded)


def _fold_block(lines: list[str]) -> str:
    """As `>` folds; lines that are indented further keep their breaks."""
    folded, blank, deep = [lines[0]], 0, lines[0].startswith(" ")
    for line in lines[1:]:
        if not line:
            blank += 1
            continue
        here = line.startswith(" ")
        if here or deep:
            folded.append("\n" * (blank + 1))
        else:
            folded.append("\n" * blank or " ")
        folded.append(line)
        blank, deep = 0, here
    return "".join(folded)
