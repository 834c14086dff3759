"""One item of a marked list, gathered line by line, and the text that it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from gristmill.lists.lines import trim
from gristmill.lists.single import unwrap
from gristmill.lists.words import REMARK
from gristmill.lists.yaml_like import scalar

_FORMULA = ("$$", "\\[", "\\begin", "\\]", "|")
_UNFINISHED = frozenset(
    ("that", "which", "to", "and", "or", "with", "the", "a", "where", "if", "when", "by", "for",
     "of", "as")
)  # fmt: skip
"""A text that ends in one of these goes on in the list below it."""

_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", "…")


@dataclass(slots=True)
class Line:
    """A line below an item's first. kind: `text`, `sub` (marked), `blank`, `fence` (then rows
    are all its lines, as they stand) or `loose` (begins a paragraph that is not indented)."""

    indent: int
    text: str
    kind: str
    rows: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Item:
    """own: the text after the mark. kind: the mark's. last: whether what follows it may be a
    closing remark. loose: how many of its paragraphs are not indented."""

    own: str
    kind: str
    lines: list[Line] = field(default_factory=list)
    last: bool = False
    loose: int = 0

    def add(self, line: Line, base: int) -> None:
        """Add a line of text or of a list below. base: the indent of the list's marks."""
        apart = bool(self.lines) and self.lines[-1].kind == "blank"
        if line.kind == "text" and apart and line.indent <= base:
            formula = line.text.startswith(_FORMULA) or line.text[:1].islower()
            if not formula and (self.own or len(self.lines) > 1):
                line.kind = "loose"
                self.loose += 1
        self.lines.append(line)

    def text(self, keep: int, yaml: bool) -> str:
        """The item. keep: how many paragraphs without an indent belong to it where it is the
        last one of a section. yaml: whether plain texts are folded as in YAML."""
        lines = self._without_remarks(keep) if self.last else self.lines
        if self.kind == "-":
            value = scalar("\n".join([self.own, *_rows(lines)]), yaml)
            if value is not None:
                return trim(value)
        own, lines = self._without_explanation(lines)
        return unwrap(trim("\n".join([own, *_rows(lines)])))

    def _without_remarks(self, keep: int) -> list[Line]:
        seen = 0
        for place, line in enumerate(self.lines):
            seen += line.kind == "loose"
            remark = line.kind in ("loose", "text") and REMARK.match(line.text)
            if seen > keep or (remark and (line.indent == 0 or line.kind == "loose")):
                return self.lines[:place]
        return self.lines

    def _without_explanation(self, lines: list[Line]) -> tuple[str, list[Line]]:
        """Without a list below a title, if nothing stands between; what a sentence leads up to is
        a part of the item."""
        sub = next((n for n, line in enumerate(lines) if line.kind == "sub"), None)
        if sub is None:
            return self.own, lines
        above = [text for text in (self.own, *(line.text for line in lines[:sub])) if text]
        code = any(line.kind == "fence" for line in lines[:sub])
        if code or len(above) != 1 or not _is_title(above[0]):
            return self.own, lines
        head = unwrap(above[0])
        return head.rstrip(":： ") or head, []


def _is_title(text: str) -> bool:
    """Whether a text names a thing: it is bold, or no sentence, or a word or two and a colon."""
    if text.startswith("**") and text.rstrip(":： ").endswith("**"):
        return True
    if text.endswith(_ENDS):
        return False
    if not text.endswith((":", "：")):
        return text.rpartition(" ")[2] not in _UNFINISHED
    words = text.split()
    return len(words) <= 2 or all(word[0].isupper() for word in words if len(word) > 3)


def _rows(lines: list[Line]) -> list[str]:
    """The lines, without the indent that they share as part of the item."""
    inner = [line.indent for line in lines if line.indent and line.kind != "blank"]
    shared = min(inner, default=0)
    rows: list[str] = []
    for line in lines:
        if line.kind == "fence":
            width = min(shared, line.indent)
            rows.extend(row[width:] if not row[:width].strip() else row for row in line.rows)
        else:
            rows.append(" " * max(0, line.indent - shared) + line.text)
    return rows
