"""A reply, looked at once: its lines, its fenced blocks, and what marks each line as an item."""

from __future__ import annotations

from dataclasses import dataclass, field

from gristmill.lists.lines import fences_of, is_rule, lines_of
from gristmill.lists.markers import Mark, mark_of

_FORMULA_LINES = 50
"""More than a displayed formula has: a bound, so that one that never ends costs little."""

_COLONS = (":", "：", ":**", "：**", ":*", "**:")


@dataclass(slots=True)
class Reply:
    """All that is found in one pass over the lines.

    fences: see `fences_of`. marks: the mark of each line, None inside fences and
    displayed formulas. after: for each
    line the place of the next one with a mark of the same kind, where there is one; as deep as
    itself, if there is such a one. following:
    for each line the place of the next line that is not blank; the count of lines where none is.
    """

    lines: list[str]
    fences: dict[int, int] = field(init=False)
    marks: list[Mark | None] = field(init=False)
    after: dict[int, int] = field(init=False)
    following: list[int] = field(init=False)

    def __post_init__(self) -> None:
        lines = self.lines
        self.fences = fences_of(lines)
        self.marks = [None] * len(lines)
        place = 0
        while place < len(lines):
            if place in self.fences and mark_of(lines[place]) is None:
                place = self.fences[place]
            elif (end := _formula_end(lines, place)) is not None:
                place = end
            else:
                self.marks[place] = mark_of(lines[place])
                place = self.fences.get(place, place)
            place += 1
        self.after, self.following = {}, [len(lines)] * len(lines)
        # The next one as deep, else the next one.
        seen: dict[str | tuple[str, int], int] = {}
        follow = len(lines)
        for place in range(len(lines) - 1, -1, -1):
            self.following[place] = follow
            if lines[place]:
                follow = place
            if (mark := self.marks[place]) is not None:
                level = (mark.kind, mark.indent)
                again = seen.get(level, seen.get(mark.kind))
                if again is not None:
                    self.after[place] = again
                seen[mark.kind] = seen[level] = place

    @classmethod
    def of(cls, text: str) -> Reply:
        return cls(lines_of(text))

    def mark_after(self, place: int) -> Mark | None:
        """The mark of the next line that is not blank."""
        after = self.following[place]
        return self.marks[after] if after < len(self.lines) else None

    def begins_list(self, place: int, before: int) -> bool:
        """Whether the line begins a marked list. before: how many lines that are not blank stand
        above it."""
        mark = self.marks[place]
        if mark is None:
            return False
        again = self.after.get(place)
        other = self.marks[again] if again is not None else None
        follows = other is not None and other.follows(mark.values)
        counted = follows or (other is not None and other.values == mark.values)
        if not mark.sure and mark.values:
            if mark.kind.strip("([（【")[:1] in "aA一" or mark.kind.startswith("dotted"):
                return follows and 1 in mark.values
            # 1984 and 1985 are years.
            first = min(mark.values)
            return (counted and first < 1000) or (first == 1 and before <= 2)
        if not mark.sure:
            return counted
        if counted or before == 0 or self._introduced(place):
            return True
        return before <= 2 and place > 0 and not self.lines[place - 1]

    def _introduced(self, place: int) -> bool:
        above = place - 1
        while above >= 0 and not self.lines[above]:
            above -= 1
        line = self.lines[above]
        return line.endswith(_COLONS) or line.startswith("#") or is_rule(line) or is_bold(line)


def _formula_end(lines: list[str], place: int) -> int | None:
    """Where a displayed formula over several lines ends that begins on this one: what looks like
    a mark within it is a plus or a minus."""
    line = lines[place].lstrip()
    if not line.startswith(("$$", "\\[", "\\begin{")):
        return None
    shut = "$$" if line[0] == "$" else "\\]" if line[1] == "[" else "\\end{"
    if shut in line[2:]:
        return None
    end = min(len(lines), place + _FORMULA_LINES)
    return next((n for n in range(place + 1, end) if shut in lines[n]), None)


def is_bold(line: str) -> bool:
    """Whether the whole line is bold: a heading, where it stands between items."""
    body = line.strip().rstrip(":：")
    inner = body[2:-2]
    return len(body) > 4 and body[:2] == body[-2:] == "**" and "**" not in inner


def ends_in_colon(line: str) -> bool:
    return line.rstrip("*_ ").endswith((":", "："))
