"""Lists without marks: one item a line, headings alone, or one line with commas."""

from __future__ import annotations

import re

from gristmill.lists.lines import is_rule, trim
from gristmill.lists.markers import without_counts, without_ends
from gristmill.lists.reply import Reply
from gristmill.lists.single import unwrap
from gristmill.lists.words import PREFACE, REFUSAL, REMARK

_SENTENCE = (".", "!", "?", "。", "！", "？", "।", "؟")
_COLON = (":", "：")
_HEADING = re.compile(r"(#{1,6})\s+(\S.*?)\s*#*\Z")
_NOTHING = re.compile(r"[-*_=.…•~`|\s]*+")
_INTRODUCED = re.compile(r"[^:：,，、،;\n]{1,80}[:：]\*{0,2}\s*(?=\S)")
_COUNTED = re.compile(r"(\d{1,3})\s+(?=\S)")
_AND = re.compile(r"(?:and|or|und|oder|et|ou|y|e|o)\s+|(?:以及|和|و)\s*", re.IGNORECASE)
_SEPARATORS = (", ", ",", "、", "، ", "，", "; ", "；", " | ")


def read_plain(reply: Reply) -> tuple[str, ...]:
    """The items of a reply in which nothing is marked as an item."""
    paragraphs = _paragraphs(reply)
    if not paragraphs or REFUSAL.match(paragraphs[0][0]):
        return ()
    headings = _headings(paragraphs)
    if headings:
        return headings
    paragraphs = _without_headings(paragraphs)
    paragraphs, introduced = _without_preface(_without_remarks(paragraphs))
    lines = [line for paragraph in paragraphs for line in paragraph]
    if len(lines) == 1:
        return _one_line(lines[0], introduced)
    if len(lines) > 2 and lines[0] in ("[", "(", "{") and lines[-1] in ("]", ")", "}"):
        lines = [line.removesuffix(",") for line in lines[1:-1]]
    items = without_counts([unwrap(trim(line)) for line in without_ends(lines)])
    numbers = [_COUNTED.match(item) for item in items]
    if len(items) > 2 and [n and int(n[1]) for n in numbers] == [*range(1, len(items) + 1)]:
        items = [item[found.end() :] for item, found in zip(items, numbers, strict=True) if found]
    return tuple(item for item in items if item)


def _paragraphs(reply: Reply) -> list[list[str]]:
    """The lines that say something, by paragraphs; a fenced block belongs to the line above."""
    paragraphs: list[list[str]] = [[]]
    place = 0
    while place < len(reply.lines):
        line = reply.lines[place].strip()
        if place in reply.fences:
            end = min(reply.fences[place], len(reply.lines) - 1)
            block = "\n".join(reply.lines[place : end + 1])
            above = next((p for p in reversed(paragraphs) if p), None)
            if above is not None:
                above[-1] += "\n" + block
            place = end
        elif not line or is_rule(line):
            paragraphs.append([])
        elif not _NOTHING.fullmatch(line):
            paragraphs[-1].append(line)
        place += 1
    return [paragraph for paragraph in paragraphs if paragraph]


def _headings(paragraphs: list[list[str]]) -> tuple[str, ...]:
    """The headings of a reply that consists of them, two or more of one level."""
    found = [_HEADING.match(line) for paragraph in paragraphs for line in paragraph]
    levels = [heading[1] for heading in found if heading is not None]
    if len(levels) < len(found):
        return ()
    if len(set(levels)) > 1 and levels.count(levels[0]) == 1:
        found, levels = found[1:], levels[1:]
    if len(levels) < 2 or len(set(levels)) > 1:
        return ()
    return tuple(unwrap(heading[2]) for heading in found if heading is not None)


def _without_headings(paragraphs: list[list[str]]) -> list[list[str]]:
    """A `#` within a paragraph is a text; one that begins a paragraph is a heading."""
    kept = [p[1:] if _HEADING.match(p[0]) else p for p in paragraphs]
    return [paragraph for paragraph in kept if paragraph]


def _without_remarks(paragraphs: list[list[str]]) -> list[list[str]]:
    while paragraphs and REMARK.match(paragraphs[-1][0]):
        paragraphs = paragraphs[:-1]
    if paragraphs and len(paragraphs[-1]) > 1 and REMARK.match(paragraphs[-1][-1]):
        paragraphs = [*paragraphs[:-1], paragraphs[-1][:-1]]
    if len(paragraphs) > 1 and _stands_out(paragraphs[-1], paragraphs[:-1]):
        paragraphs = paragraphs[:-1]
    return paragraphs


def _without_preface(paragraphs: list[list[str]]) -> tuple[list[list[str]], bool]:
    """Without the line that leads up to the list, and whether there was one."""
    if not paragraphs:
        return [], False
    first, rest = paragraphs[0], paragraphs[1:]
    colons = [line.rstrip("*_ ").endswith(_COLON) for p in paragraphs for line in p]
    if colons[0] and (len(colons) < 3 or not all(colons)):
        return [p for p in (first[1:], *rest) if p], True
    if rest and len(first) == 1:
        spoken = PREFACE.match(first[0]) and first[0].endswith(_SENTENCE)
        if spoken or _stands_out(first, rest):
            return rest, True
    if len(first) > 1 and PREFACE.match(first[0]) and first[0].endswith(_SENTENCE):
        return [first[1:], *rest], True
    return paragraphs, False


def _stands_out(one: list[str], others: list[list[str]]) -> bool:
    """Whether a paragraph is a sentence beside a list of lines that are none."""
    if len(one) > 1 or not one[0].endswith(_SENTENCE) or max(map(len, others)) < 2:
        return False
    return not any(line.endswith(_SENTENCE) for paragraph in others for line in paragraph)


def _one_line(line: str, introduced: bool) -> tuple[str, ...]:
    found = _INTRODUCED.match(line)
    if found is not None and (items := _listed(line[found.end() :], True)):
        return items
    item = unwrap(trim(line))
    return _listed(line, introduced) or ((item,) if item else ())


def _listed(line: str, introduced: bool) -> tuple[str, ...]:
    """The parts of a line that is clearly a list: three or more short ones, and no sentence."""
    bracketed = line.startswith("[") and line.endswith("]")
    if bracketed:
        line = line[1:-1]
    if introduced or bracketed:
        line = line.rstrip(".。")
    elif line.endswith(_SENTENCE):
        return ()
    for separator in _SEPARATORS:
        parts = [part.strip() for part in line.split(separator)]
        quoted = all(len(part) > 2 and unwrap(part) == part[1:-1] for part in parts)
        if len(parts) < (2 if bracketed or quoted else 3):
            continue
        last = _AND.match(parts[-1])
        if last is not None:
            if not introduced:
                return ()
            parts[-1] = parts[-1][last.end() :]
        if all(_is_short(part, 5 if introduced or bracketed else 3) for part in parts):
            whole = separator == "," and all(part.isdigit() for part in parts)
            return () if whole and not introduced else tuple(unwrap(part) for part in parts)
    return ()


def _is_short(part: str, words: int) -> bool:
    """Whether a part can be an item of a list on one line."""
    quoted = part[:1] in "\"'“«「" and part[-1:] in "\"'”»」"
    if not part or len(part) > 60 or (any(c in ".!?。！？:：" for c in part[:-1]) and not quoted):
        return False
    wide = sum(c > "\u2e80" for c in part)
    return len(part.split()) <= words and wide <= 14
