"""What pages of the documentation show: configs, commands, excerpts, and what stands where."""

from __future__ import annotations

import re

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\w+)\.yaml\n")
"""The first line of a config that has a name."""
CUT = "…"
"""Stands in an excerpt where something is left out."""
EXAMPLE_OF = {"A bottle of PVA": "open_qa"}
"""An excerpt that stands far from its config, by its first words."""


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page, each with its language."""
    return BLOCK.findall(page)


def squeezed(text: str) -> str:
    return "".join(text.split())


def holds(line: str, excerpt: str) -> bool:
    """Whether the parts of an excerpt stand in a line in their order, white space aside."""
    place, rest = 0, squeezed(line)
    for part in squeezed(excerpt).split(CUT):
        found = rest.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return True


def named(page: str) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """The configs with a name, each with the blocks that follow it until the next config."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    name = ""
    for kind, text in blocks(page):
        if title := NAMED.match(text):
            name = title[1]
            found[name] = (text, [])
        elif name:
            found[name][1].append((kind, text))
    return found


def excerpts(page: str) -> list[tuple[str, str]]:
    """Each JSON row that a page shows, with the name of the config that wrote it."""
    found, name = [], ""
    for kind, text in blocks(page):
        if title := NAMED.match(text):
            name = title[1]
        if kind == "json":
            rows = re.split(r"^(?=\{)", text, flags=re.MULTILINE)
            of = next((n for said, n in EXAMPLE_OF.items() if said in text), name)
            found += [(of, row) for row in rows if row.strip()]
    return found


def section(title: str, page: str) -> str:
    """What stands under a heading of the second or third level, to the next of such."""
    found = re.search(rf"^###? `?{title}`?\n(.*?)(?=^###? |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no heading '{title}'"
    return found[1]
