"""Markdown tables: the items are the cells of the first column that does not only count."""

from __future__ import annotations

import re
from itertools import pairwise

from gristmill.lists.lines import trim
from gristmill.lists.single import unwrap
from gristmill.lists.words import COUNTS

_BAR = re.compile(r"(?<!\\)\|")
_DASHES = re.compile(r":?-+:?")
_NUMBER = re.compile(r"[#(]?(\d{1,4})[.)]?")


def begins_table(lines: list[str], place: int) -> bool:
    """Whether a line is a table's head: the next one is all dashes and bars."""
    if "|" not in lines[place] or place + 1 >= len(lines) or "-" not in lines[place + 1]:
        return False
    dashes = lines[place + 1]
    return "|" in dashes and all(_DASHES.fullmatch(cell) for cell in _cells(dashes))


def read_table(lines: list[str], place: int) -> tuple[str, ...]:
    """The items of the table whose head is at that line."""
    head = _cells(lines[place])
    rows = []
    for line in lines[place + 2 :]:
        if "|" not in line:
            break
        rows.append(_cells(line))
    width = max([len(head), *map(len, rows)])
    columns = ([row[n] for row in rows if n < len(row) and row[n]] for n in range(width))
    filled = [(head[n] if n < len(head) else "", cells) for n, cells in enumerate(columns) if cells]
    chosen = next((cells for name, cells in filled if not _counts(name, cells)), None)
    if chosen is None:
        chosen = filled[0][1] if filled else []
    return tuple(text for cell in chosen if (text := unwrap(cell)))


def _cells(line: str) -> list[str]:
    body = line.strip().removeprefix("|")
    cells = [trim(cell).replace("\\|", "|") for cell in _BAR.split(body)]
    return cells[:-1] if len(cells) > 1 and not cells[-1] else cells


def _counts(name: str, cells: list[str]) -> bool:
    """Whether a column only counts: its name says so, or its cells are numbers one after the
    other. So 1984 and 2001 are items."""
    numbers = [_NUMBER.fullmatch(cell) for cell in cells]
    if not all(numbers):
        return False
    if unwrap(name).casefold().rstrip(". ") in COUNTS:
        return True
    values = [int(found[1]) for found in numbers if found is not None]
    return all(b == a + 1 for a, b in pairwise(values)) and values[0] < 1000
