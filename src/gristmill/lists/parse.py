"""The list in a reply: what is tried, in which order, in one place."""

from __future__ import annotations

from gristmill.lists.json_like import opening, read_json
from gristmill.lists.lines import language_of, trim
from gristmill.lists.marked import read_marked
from gristmill.lists.markers import without_counts
from gristmill.lists.plain import read_plain
from gristmill.lists.reply import Reply, ends_in_colon
from gristmill.lists.single import unwrap
from gristmill.lists.tables import begins_table, read_table
from gristmill.lists.tags import begins_tag, read_tags
from gristmill.lists.yaml_like import chosen_fields

_TRIES = 4
"""How often a reply is read as JSON or tags before it is taken for something else: what keeps
the time linear where every line looks like the beginning of a list that does not follow."""

_PLAIN = frozenset(("", "text", "txt", "plaintext", "plain", "markdown", "md", "list", "csv"))
_YAML = frozenset(("yaml", "yml"))
_DATA = frozenset(("json", "jsonl", "jsonc", "json5", "html", "xml", *_YAML, *_PLAIN))


def parse_list(text: str) -> tuple[str, ...]:
    """The items of the list in a model's reply, in order, as the model wrote them.

    Each is a stripped text that is not empty; its case, inner Markdown, colons, hashes, braces
    and numbers stay. Quotes, emphasis or backticks around a whole item go. Nothing is taken for
    a number, date or null, nothing is dropped as a duplicate, nothing is ever raised; the time
    is linear in the text.

    The list is the first of these that begins in the reply, from the top, after a thought: a
    fenced block (its content is read by these same rules), JSON or something like it (Python,
    cut off, JSON lines), HTML or other elements, a Markdown table, a marked list. Without any of
    them each line is an item, or each part of a single line that is clearly a list of short
    parts. What stands before the list leads up to it and is dropped.

    Marked lists (numbers in any script and dress, letters, bullets, labels such as "Question 1:"):

    - The first mark says what marks an item: numbers, or a bullet. The top level is the list.
    - A list directly below a title ("1. **Energy**", "- Energy:") explains it and is dropped;
      below a sentence ("Which one is a mammal?", "Write a program that does the following:") it
      is a part of the item and kept. A title is bold, or ends without punctuation, or in a colon
      after a word or two or after words with capitals.
    - Lines that go on, indented paragraphs, formulas and code belong to the item, with their line
      breaks. So do paragraphs without an indent between two items of a numbered list.
    - Lines over a section of the list (ending in a colon, bold, `#`, or a few words over bullets)
      are no items; horizontal rules neither.
    - What follows the last item after a blank line, without an indent, is a closing remark, unless
      items before it had as many such paragraphs; known remarks go in any case.
    - Where the first mark is a 2 below one line of text, that line is the first item: the prompt
      ended in "1.".
    - A second mark goes where every item has one ("- 1. x", "1. - x").
    - Letters, Roman numbers, `1:`, `1 -`, `(1)`, `#1` and labels must count on (1, 2); "1984",
      "12:30", "3 Idiots" and "24: Live" are texts.

    JSON: of an object among items the field is taken that is named like an item (question, topic,
    name, title, ...), else its first text; the arrays within an object are joined; numbers, null
    and booleans stay as they were written; of a list that was cut off the whole items are kept.
    YAML: as marked lists, and quoted, literal and folded texts are read as YAML means them;
    `- key: value` stays a text unless every item is a mapping of the same keys. Tables: the first
    column that does not only count. A reply that only refuses, or only announces, has no items.
    """
    return _read(Reply.of(text), "", 0)


def _read(reply: Reply, language: str, depth: int) -> tuple[str, ...]:
    """language: of the fence that the reply was in."""
    above = tries = place = 0
    lines = reply.lines
    while place < len(lines):
        line = lines[place]
        if place in reply.fences and reply.marks[place] is None:
            found = _fences(reply, place, above, depth)
            place = reply.fences[place]
        elif not line:
            found = None
        else:
            found, tried = _structure(reply, place, above, language, depth, tries < _TRIES)
            tries += tried
            above += 1
        if found is not None:
            return found
        place += 1
    return read_plain(reply)


def _structure(
    reply: Reply, place: int, above: int, language: str, depth: int, more: bool
) -> tuple[tuple[str, ...] | None, bool]:
    """The list that begins on a line, or None; and whether the rest of the text was looked at.

    above: lines with text above it. more: whether the rest may be looked at.
    """
    line = reply.lines[place]
    start = opening(line) if more else None
    first = start is not None and start == len(line) - len(line.lstrip())
    if first and (found := _json(reply, place, start)) is not None:
        return found, True
    if reply.begins_list(place, above):
        return _marked(reply, place, above, language), first
    if begins_table(reply.lines, place):
        return read_table(reply.lines, place), first
    if start is not None and not first:
        return _json(reply, place, start), True
    if more and begins_tag(line):
        return _tags(reply, place, depth), True
    return None, first


def _marked(reply: Reply, place: int, above: int, language: str) -> tuple[str, ...]:
    head = next((line for line in reply.lines[:place] if line and line != "---"), "")
    key = head.endswith(":") and head[:-1].isidentifier() and head.islower()
    yaml = language in _YAML or key
    items = read_marked(reply, place, yaml)
    mark = reply.marks[place]
    assert mark is not None
    if mark.kind == "-":
        return tuple(item for item in chosen_fields(items) if item)
    if mark.values == {2} and above == 1 and not ends_in_colon(head):
        # The prompt ended in "1.", and the reply goes on from there.
        return (unwrap(trim(head)), *items)
    return items


def _json(reply: Reply, place: int, start: int | None) -> tuple[str, ...] | None:
    text = "\n".join([reply.lines[place][start:], *reply.lines[place + 1 :]])
    items = read_json(text)
    if items is None:
        return None
    items = [item for each in items if (item := trim(each))]
    if len(items) == 1 and text[0] == "{" and "\n" in items[0]:
        within = Reply.of(items[0])
        if within.lines and within.begins_list(0, 0) and 0 in within.after:
            return read_marked(within, 0, False)
    return tuple(_without_dress(items))


def _without_dress(items: list[str]) -> list[str]:
    """Strings say themselves where they begin: only what all of them wear is taken off."""
    items = [item for item in without_counts(items) if item]
    bold = [item for item in items if len(item) > 4 and item[:2] == item[-2:] == "**"]
    return [unwrap(item) for item in items] if items and len(bold) == len(items) else items


def _tags(reply: Reply, place: int, depth: int) -> tuple[str, ...] | None:
    found = read_tags("\n".join(reply.lines[place:]))
    if not isinstance(found, str):
        return found
    inner = trim(found)
    return _read(Reply.of(inner), "", depth + 1) if depth < 2 else (unwrap(inner),)


def _fences(reply: Reply, place: int, above: int, depth: int) -> tuple[str, ...] | None:
    """The list in a fenced block and in those after it of the same language; None where it is
    code, or stands too deep in other text."""
    found = _fenced(reply, place, above, depth)
    if found is None:
        return None
    language = language_of(reply.lines[place])
    items = list(found)
    for other in sorted(n for n in reply.fences if n > place and reply.marks[n] is None):
        if language_of(reply.lines[other]) == language:
            items.extend(_fenced(reply, other, 0, depth) or ())
    return tuple(items)


def _fenced(reply: Reply, place: int, above: int, depth: int) -> tuple[str, ...] | None:
    language = language_of(reply.lines[place])
    rows = reply.lines[place + 1 : reply.fences[place]]
    if depth > 1 or (above > 3 and language in _PLAIN):
        return None
    if language not in _DATA:
        first = next((n for n, row in enumerate(rows) if row), None)
        start = None if first is None else opening(rows[first])
        return None if start is None else _json(Reply(rows), first or 0, start)
    if language in _YAML:
        rows = [row for row in rows if row != "..."]
    return _read(Reply(rows), language, depth + 1)
