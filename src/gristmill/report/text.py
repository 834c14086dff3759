"""Model text made safe to look at, and numbers made easy to read.

Escaping is the template's work (autoescape is on). What is left for here are characters that
are legal HTML text and still mislead or break: NUL and other controls, and the direction
marks with which one line of text can be made to look like another.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

LONGEST = 6_000
"""Characters of one text that the page carries; the rest is in the Parquet file."""

NARROW = "\u202f"
_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")
_KEEP = {"\n", "\t"}


@dataclass(frozen=True)
class Turn:
    """One turn as it is shown. `cut` is how many characters were left out."""

    role: str
    text: str
    cut: int = 0


def visible(text: str) -> str:
    """The text with every control, direction mark and lone surrogate spelled out.

    `\\0` becomes `⟦U+0000⟧`. Zero-width joiners stay, since scripts and emoji need them.
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


def label(value: object, limit: int = 120) -> str:
    """A name out of a config or a row, in one safe line of bounded length."""
    return snippet(visible(without_keys(str(value))), limit)


def without_keys(said: str) -> str:
    """The text without what someone may have put into an address by mistake."""
    return re.sub(r"(://)[^/\s@]+@", r"\1…@", said)


def turn(role: str, text: str | None) -> Turn:
    """One message, cut to what a page can carry."""
    text = text or ""
    return Turn(role, visible(text[:LONGEST]), max(0, len(text) - LONGEST))


def turns(prompt: str | None) -> list[Turn]:
    """The turns of a prompt, which may hold several in HelpSteer2's embedded form."""
    parts = _TURN.split(prompt or "")
    found = [turn("user", parts[0])]
    for role, text in zip(parts[1::2], parts[2::2], strict=True):
        found.append(turn(role.lower(), text))
    return found


def messages(value: Any) -> list[Turn]:
    """The turns of a message list as the Parquet files hold it."""
    return [turn(str(m.get("role") or "?"), m.get("content")) for m in value or () if m]


def snippet(text: str, limit: int = 140) -> str:
    """The text in one line, cut at a word where it can be."""
    line = " ".join(text[: limit * 4].split())
    if len(line) <= limit:
        return line
    head = line[:limit]
    return (head.rsplit(" ", 1)[0] if " " in head[limit // 2 :] else head) + "…"


def whole(value: float | None) -> str:
    """12,345; a dash for nothing."""
    return "–" if value is None else f"{int(value):,}"


def decimal(value: float | None, digits: int = 2) -> str:
    """3.14 with a true minus sign; a dash for nothing or for what is no number."""
    if value is None or not math.isfinite(value):
        return "–"
    shown = f"{value:,.{digits}f}"
    # -0.00 says nothing that 0.00 does not.
    return shown.lstrip("-") if float(shown.replace(",", "")) == 0 else shown.replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """62.4 %, held on one line; never 0.0 % for something nor 100.0 % for not quite all."""
    if share is None or not math.isfinite(share):
        return "–"
    least = 10.0**-digits
    if 0 < share * 100 < least / 2:
        return f"< {least:.{digits}f}{NARROW}%"
    if 100 - least / 2 <= share * 100 < 100:
        return f"> {100 - least:.{digits}f}{NARROW}%"
    return f"{share * 100:.{digits}f}{NARROW}%"


def duration(seconds: float | None) -> str:
    """8.2 s, 2 min 14 s, 3 h 05 min."""
    if seconds is None or seconds < 0:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def dollars(value: float | None) -> str:
    """$1,234.50, or four digits below ten cents; a dash where no price is known."""
    if value is None:
        return "–"
    return f"${value:,.4f}" if 0 < value < 0.1 else f"${value:,.2f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 pair, 2 pairs."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
