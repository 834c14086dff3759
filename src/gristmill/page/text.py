"""Text of models and files made safe to look at, and numbers made easy to read.

Escaping is the template's work (autoescape is on). What is left for here are characters that
are legal HTML text and still mislead or break: NUL and other controls, and the direction
marks with which one line of text can be made to look like another.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 6_000
"""Characters of one text that a page carries; the rest is in the files beside it."""

LARGEST = 1e30
"""From here on a number is none."""

NARROW = "\u202f"
"""The space between a number and its unit, at which no line breaks."""
_KEEP = {"\n", "\t"}


def visible(text: str) -> str:
    """The text with every control, direction mark and lone surrogate spelled out.

    `\\0` becomes `⟦U+0000⟧`. Lines stay; so do zero-width joiners, since scripts and emoji need
    them.
    """
    text = text.replace("\r\n", "\n")
    return "".join(map(_spell, text)) if any(map(_hidden, set(text))) else text


def _hidden(char: str) -> bool:
    kind = unicodedata.category(char)
    if kind in ("Cc", "Cs", "Zl", "Zp"):
        return char not in _KEEP
    return kind == "Cf" and char not in "\u200c\u200d\u00ad"


def _spell(char: str) -> str:
    return f"⟦U+{ord(char):04X}⟧" if _hidden(char) else char


def one_line(value: object, limit: int = 120) -> str:
    """Any text as one visible line of at most `limit` characters, cut at a word where it can be."""
    # Joining comes first: in one line, what separates lines and paragraphs is a space.
    line = visible(" ".join(str(value)[: limit * 4].split()))
    if len(line) <= limit:
        return line
    head = line[:limit]
    return (head.rsplit(" ", 1)[0] if " " in head[limit // 2 :] else head) + "…"


def label(value: object, limit: int = 120) -> str:
    """A name out of a config or a row, in one line and without keys."""
    return one_line(without_keys(str(value)), limit)


def without_keys(said: str) -> str:
    """The text without what someone may have put into an address by mistake."""
    return re.sub(r"(://)[^/\s@]+@", r"\1…@", said)


def _known(value: float | None) -> float | None:
    """The number; None for what is none, or so large that it cannot be meant."""
    return value if value is not None and abs(value) < LARGEST else None


def whole(value: float | None) -> str:
    """12,345; a dash for nothing, as everywhere here for what is no number."""
    value = _known(value)
    return "–" if value is None else f"{int(value):,}"


def brief(value: float | None) -> str:
    """1,234, 45.6 k, 7.8 M, 9.1 B; a dash for nothing."""
    if (value := _known(value)) is None:
        return "–"
    for size, sign in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):.1f} {sign}"
    return f"{value:,.0f}"


def decimal(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """3.14 with a true minus sign; a dash for nothing.

    signed: with a plus where there is no minus, for differences.
    """
    if (value := _known(value)) is None:
        return "–"
    shown = f"{abs(value):,.{digits}f}"
    # -0.00 says nothing that 0.00 does not.
    minus = value < 0 and float(shown.replace(",", "")) != 0
    return f"{'−' if minus else '+' if signed else ''}{shown}"


def percent(share: float | None, digits: int = 1) -> str:
    """62.4 %, held on one line; never 0.0 % for something nor 100.0 % for not quite all."""
    if (share := _known(share)) is None:
        return "–"
    least = 10.0**-digits
    if 0 < share * 100 < least / 2:
        return f"< {least:.{digits}f}{NARROW}%"
    if 100 - least / 2 <= share * 100 < 100:
        return f"> {100 - least:.{digits}f}{NARROW}%"
    return f"{decimal(share * 100, digits)}{NARROW}%"


def duration(seconds: float | None) -> str:
    """8.2 s, 2 min 14 s, 3 h 05 min; a dash for nothing."""
    if (seconds := _known(seconds)) is None or seconds < 0:
        return "–"
    # From here on it would round to 60 s.
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def dollars(value: float | None) -> str:
    """$1,234.50, or four digits below ten cents; a dash where no price is known."""
    if (value := _known(value)) is None:
        return "–"
    return f"${value:,.4f}" if 0 < value < 0.1 else f"${value:,.2f}"


def plural(count: int | None, one: str, many: str | None = None) -> str:
    """1 pair, 2 pairs; – pairs where their number is not known."""
    return f"{whole(count)} {one if count == 1 else many or one + 's'}"
