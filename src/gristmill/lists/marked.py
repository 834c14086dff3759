"""Numbered and bulleted lists, nested ones and items of many lines among them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gristmill.lists.item import Item, Line
from gristmill.lists.lines import indent_of, is_rule
from gristmill.lists.markers import Mark, mark_of, without_counts, without_ends
from gristmill.lists.reply import Reply, ends_in_colon, is_bold

_SENTENCE = (".", "!", "?", "。", "！", "？", "।", "؟", "…", ";", ",")
_GAPS = ("...", "…", "……", "⋮")
"""What stands for items that the model left out."""


@dataclass(slots=True)
class _Walk:
    """Where the walk down the lines is.

    style: the first mark of the list, or of its latest section. last: the number that was counted
    last. sub: the mark of the latest line of a list below the current item, if any. shut: whether
    a rule or heading has ended the item, so that only a mark goes on.
    """

    style: Mark
    items: list[Item] = field(default_factory=list)
    last: frozenset[int] = frozenset()
    sub: Mark | None = None
    shut: bool = False
    fresh: bool = True


def read_marked(reply: Reply, start: int, yaml: bool) -> tuple[str, ...]:
    """The items of the list that begins at a line. yaml: whether it is known to be YAML."""
    first = reply.marks[start]
    assert first is not None
    walk = _Walk(first)
    place = start
    while place < len(reply.lines):
        place = _step(reply, walk, place)
    if walk.items:
        walk.items[-1].last = True
    inner = [item for item in walk.items if not item.last] or walk.items[:-1]
    keep = max((item.loose for item in inner), default=0)
    texts = _without_second_mark([item.own for item in walk.items])
    for item, text in zip(walk.items, texts, strict=True):
        item.own = text
    items = [text for item in walk.items if (text := item.text(keep, yaml))]
    return tuple(text for text in without_ends(items) if text)


def _step(reply: Reply, walk: _Walk, place: int) -> int:
    """Read one line, or one fenced block; where to go on."""
    line, mark = reply.lines[place], reply.marks[place]
    if mark is not None and _is_item(reply, walk, place, mark):
        _begin(walk, mark)
        if place in reply.fences:
            return _fenced(reply, walk, place)
        return place + 1
    if place in reply.fences:
        return _fenced(reply, walk, place)
    item = walk.items[-1]
    if not line or (line.strip() in _GAPS and indent_of(line) <= walk.style.indent):
        item.lines.append(Line(0, "", "blank"))
    elif is_rule(line) and indent_of(line) <= walk.style.indent:
        walk.shut = True
    elif mark is None and _is_heading(reply, walk, place):
        walk.shut = walk.fresh = item.last = True
    elif not walk.shut:
        kind = "text"
        if mark is not None and _is_sub(walk, mark):
            walk.sub, kind = mark, "sub"
        item.add(Line(indent_of(line), line.lstrip(), kind), walk.style.indent)
    return place + 1


def _begin(walk: _Walk, mark: Mark) -> None:
    if walk.fresh:
        walk.style, walk.fresh = mark, False
    base = min(walk.style.indent, mark.indent)
    walk.style = walk.style._replace(indent=base)
    walk.last, walk.sub, walk.shut = mark.values, None, False
    walk.items.append(Item(mark.text, mark.kind))


def _fenced(reply: Reply, walk: _Walk, place: int) -> int:
    end = min(reply.fences[place], len(reply.lines) - 1)
    item = walk.items[-1]
    own = reply.marks[place] is not None and not item.lines
    indent = indent_of(reply.lines[place])
    if not walk.shut:
        rows = reply.lines[place + own : end + 1]
        item.lines.append(Line(0 if own else indent, "", "fence", rows))
    return end + 1


def _is_item(reply: Reply, walk: _Walk, place: int, mark: Mark) -> bool:
    """Whether a marked line is an item of the list itself, not of one below an item."""
    style = walk.style
    if mark.bullet != style.bullet:
        return False
    if walk.fresh:
        return mark.sure or mark.kind == style.kind or mark.follows(walk.last)
    level = mark.indent <= style.indent + 1
    if mark.bullet:
        if mark.kind == style.kind:
            return level
        return level and mark.sure and walk.sub is None and not reply.lines[place - 1]
    below = walk.sub is not None and mark.follows(walk.sub.values)
    counted = mark.follows(walk.last)
    if mark.kind != style.kind:
        same = mark.kind.strip("([")[:1] == style.kind.strip("([")[:1] == "1"
        return same and level and counted and walk.sub is None
    if not level:
        return counted and not (below and walk.sub and walk.sub.kind == mark.kind)
    return (mark.sure and max(mark.values) < 1000) or counted or mark.values == walk.last


def _is_sub(walk: _Walk, mark: Mark) -> bool:
    if mark.bullet or mark.kind.startswith("dotted"):
        return True
    return 1 in mark.values or (walk.sub is not None and mark.follows(walk.sub.values))


def _is_heading(reply: Reply, walk: _Walk, place: int) -> bool:
    """Whether a line without a mark stands over the items that follow, or over other things."""
    line = reply.lines[place]
    if indent_of(line) > walk.style.indent:
        return False
    if re.match(r"#{1,6}\s", line.lstrip()):
        return True
    after = reply.mark_after(place)
    if after is None or after.indent > walk.style.indent + 1:
        return False
    alone = not reply.lines[place - 1]
    if after.bullet != walk.style.bullet or (after.values and after.kind != walk.style.kind):
        return False
    if ends_in_colon(line) or is_bold(line):
        return True
    again = bool(after.values) and not after.follows(walk.last)
    return not line.endswith(_SENTENCE) and (again or (after.bullet and alone))


def _without_second_mark(texts: list[str]) -> list[str]:
    """Without the marks after the marks (`- 1. x`, `1. - x`), where every item has one."""
    found = [mark for mark in map(mark_of, texts) if mark is not None]
    if len(found) == len(texts) and all(mark.bullet and mark.sure for mark in found):
        return [mark.text for mark in found]
    return without_counts(texts)
