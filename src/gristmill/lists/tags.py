"""Lists in HTML (`<li>`) and in elements of any name (`<topic>...</topic>`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

from gristmill.lists.lines import trim
from gristmill.lists.single import unwrap
from gristmill.lists.words import FIELDS, field_name

_TAG = re.compile(r"<(?P<shut>/?)(?P<name>[A-Za-z][\w.:-]{0,60}+)(?P<rest>[^<>]*+)>")
_BREAK = re.compile(r"<br\s{0,3}/?>", re.IGNORECASE)
_INLINE = frozenset(
    ("a", "b", "i", "u", "em", "strong", "code", "span", "br", "hr", "sub", "sup", "small",
     "mark", "kbd", "img", "input", "think")
)  # fmt: skip
_LISTS = frozenset(("ul", "ol", "menu"))
_BLOCKS = frozenset((*_LISTS, "li", "html", "body", "div", "section", "p", "h1", "h2", "h3", "h4"))
_LEVELS = 3


@dataclass(slots=True)
class _Element:
    name: str
    start: int
    end: int = -1
    inner: list[_Element] = field(default_factory=list)


def begins_tag(line: str) -> bool:
    """Whether a line begins with a tag that may hold items."""
    found = _TAG.match(line.lstrip())
    return found is not None and not found["shut"] and found["name"].casefold() not in _INLINE


def read_tags(text: str) -> tuple[str, ...] | str | None:
    """The items of the elements with which a text begins; None where none is whole; the text
    within a single element without others in it, which may be a list in another form."""
    first = _TAG.match(text.lstrip())
    if first is not None and first["name"].casefold() in _BLOCKS and (items := _html_items(text)):
        return items
    root = _elements(text)
    whole = [each for each in root.inner if each.end >= 0]
    if not root.inner:
        return None
    if not whole or (len(whole) == 1 and whole[0].inner):
        inner = (whole or root.inner)[0].inner
        inner = [each for each in inner if each.end >= 0 and each.name not in _INLINE]
        if inner and all(each.name == inner[0].name for each in inner):
            whole = inner
        elif not whole:
            return None
    elif len(whole) == 1 and len(root.inner) == 1:
        return text[whole[0].start : whole[0].end]
    items = (_text(text, each) for each in whole if each.name == whole[0].name)
    return tuple(item for item in items if item)


def _text(text: str, element: _Element) -> str:
    """What an element says: its main field where it has fields, else all of it."""
    named = {field_name(each.name): each for each in reversed(element.inner) if each.end >= 0}
    chosen = next((named[name] for name in FIELDS if name in named), element)
    return _plain(text[chosen.start : chosen.end])


def _plain(text: str) -> str:
    text = trim(unescape(_BREAK.sub("\n", text)))
    found = _TAG.match(text)
    if found is not None and found["name"].casefold() in (*_INLINE, "p", "div"):
        shut = f"</{found['name']}>"
        if text.endswith(shut) and text.count(shut) == 1:
            text = trim(text[found.end() : -len(shut)])
    return unwrap(text)


def _elements(text: str) -> _Element:
    """The elements, three levels deep, as a tree; an end without a beginning is passed over."""
    root = _Element("", 0)
    stack, opened = [root], dict[str, int]()
    for found in _TAG.finditer(text):
        name = found["name"].casefold()
        if not found["shut"]:
            if found["rest"].endswith("/") or name in ("br", "hr", "img", "input"):
                continue
            element = _Element(name, found.end())
            if len(stack) <= _LEVELS:
                stack[-1].inner.append(element)
            stack.append(element)
            opened[name] = opened.get(name, 0) + 1
        elif opened.get(name):
            while True:
                element = stack.pop()
                opened[element.name] -= 1
                if element.name == name:
                    element.end = found.start()
                    break
    return root


def _html_items(text: str) -> tuple[str, ...]:
    """The `<li>` of the outermost list; one that is not closed ends where the next begins."""
    items: list[str] = []
    depth, start, base = 0, -1, None

    def end(place: int) -> int:
        if start >= 0 and (item := _plain(text[start:place])):
            items.append(item)
        return -1

    for found in _TAG.finditer(text):
        name = found["name"].casefold()
        if name in _LISTS:
            if not found["shut"]:
                if base is not None and depth >= base:
                    start = end(found.start())
                depth += 1
            else:
                if depth == base:
                    start = end(found.start())
                depth = max(0, depth - 1)
        elif name == "li":
            base = depth if base is None else base
            if depth == base:
                start = end(found.start())
                start = -1 if found["shut"] else found.end()
    return tuple(items)
