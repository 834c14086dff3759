"""What a model or a visitor wrote, as Markdown that asks no server for anything.

The page's policy and Gradio's sanitising keep scripts and foreign requests out as well. This
shows what they would silently drop, so that a voter sees what the model wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gristmill.page.text import visible

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TICKS = re.compile(r"(?<!\\)`+")
_IMAGE = re.compile(r"!(?=\[)")
_TAG = re.compile(r"<(?=[A-Za-z][\w-]*[\s/>]|/[A-Za-z]|[!?])")
_MARKS = re.compile(r"[\\`*_{}\[\]()#+\-.!<>|~$&:]")


def whole(text: str) -> str:
    """The text without what UTF-8 cannot hold: half a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def markdown(text: str) -> str:
    """An answer with raw HTML and images shown as they were written; code stays as it is."""
    parts: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in visible(text).split("\n"):
        mark = _FENCE.match(line)
        if fence:
            parts.append(line)
            if mark and mark[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
        elif mark:
            parts += [*_prose(prose), line]
            prose, fence = [], mark[1]
        else:
            prose.append(line)
    parts += _prose(prose)
    if fence:  # of an answer that is still being written
        parts.append(fence)
    return "\n".join(parts)


def quoted(text: str) -> str:
    """A visitor's own words as they were typed: nothing in them is Markdown."""
    lines = []
    for line in visible(text).split("\n"):
        told = line.lstrip(" \t")
        indent = line[: len(line) - len(told)].replace("\t", "    ")
        kept = _MARKS.sub(_literal, told).replace("  ", "\u00a0 ")
        lines.append("\u00a0" * len(indent) + kept)
    return "\n".join(lines)


def _literal(mark: re.Match[str]) -> str:
    """A mark as an entity, since a backslash before `(` would begin a formula. What a formula
    begins with is in an element of its own: the page looks for formulas within texts alone."""
    entity = f"&#{ord(mark[0])};"
    return f"<span>{entity}</span>" if mark[0] in "\\$" else entity


def _prose(lines: list[str]) -> Iterator[str]:
    """Lines without fences, harmless outside of their code spans."""
    paragraph: list[str] = []
    for line in lines:
        if line.strip():
            paragraph.append(line)
            continue
        if paragraph:
            yield _paragraph("\n".join(paragraph))
            paragraph = []
        yield line
    if paragraph:
        yield _paragraph("\n".join(paragraph))


def _paragraph(text: str) -> str:
    made, end = [], 0
    for start, stop in _code(text):
        made += [_harmless(text[end:start]), text[start:stop]]
        end = stop
    return "".join([*made, _harmless(text[end:])])


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Where code spans are: from a run of backticks to the next run of the same length."""
    runs = [found.span() for found in _TICKS.finditer(text)]
    places: dict[int, list[int]] = {}
    for number, (start, stop) in reversed(list(enumerate(runs))):
        places.setdefault(stop - start, []).append(number)
    free = 0
    for number, (start, stop) in enumerate(runs):
        alike = places[stop - start]
        alike.pop()  # this one itself, the first that is left
        if number >= free and alike:
            free = alike[-1] + 1
            yield start, runs[alike[-1]][1]


def _harmless(prose: str) -> str:
    return _IMAGE.sub(r"\\!", _TAG.sub("&lt;", prose))
