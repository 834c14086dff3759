"""A training's figures made readable: looked up safely, written as words.

`metrics.json` may come from an older or a partial run: whatever is missing, or is not what it
should be, is read as None or as empty, and shown as a dash.
"""

from __future__ import annotations

import unicodedata
from math import isfinite
from typing import Any

NARROW = "\u202f"
KINDS = {
    "reward": "reward model",
    "sft": "fine-tuned model",
    "dpo": "preference-trained model (DPO)",
    "rpo": "preference-trained model (RPO)",
    "pretrain": "pretrained model",
}
"""What each kind of training makes."""


def find(found: Any, *keys: str) -> Any:
    """What the keys lead to in nested mappings, or None."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def number(found: Any, *keys: str) -> float | None:
    """A finite number, or None."""
    value = find(found, *keys)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # JSON knows no NaN, but Python's reader takes it, and integers of any length.
    return float(value) if abs(value) < 1e300 and isfinite(value) else None


def amount(found: Any, *keys: str) -> int | None:
    """A whole number from 0 up, or None."""
    value = number(found, *keys)
    return None if value is None or value < 0 else int(value)


def mapping(found: Any, *keys: str) -> dict[str, Any]:
    """A mapping, or an empty one."""
    value = find(found, *keys)
    return {str(k): v for k, v in value.items()} if isinstance(value, dict) else {}


def listed(found: Any, *keys: str) -> list[dict[str, Any]]:
    """The mappings of a list."""
    value = find(found, *keys)
    return [mapping(each) for each in value if isinstance(each, dict)] if _is_list(value) else []


def sentences(found: Any, *keys: str) -> list[str]:
    """The texts of a list."""
    value = find(found, *keys)
    return (
        [one_line(each, 400) for each in value if isinstance(each, str)] if _is_list(value) else []
    )


def counts(found: Any, *keys: str) -> dict[str, int]:
    """Names with how many of each, most first, then by name; none that is 0."""
    numbers = {name: amount(mapping(found, *keys), name) for name in mapping(found, *keys)}
    known = [(name, n) for name, n in numbers.items() if n]
    return dict(sorted(known, key=lambda item: (-item[1], item[0])))


def interval(found: dict[str, Any]) -> tuple[float, float] | None:
    """The ends of a share's 95 % interval."""
    low, high = number(found, "low"), number(found, "high")
    return None if low is None or high is None else (low, high)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def one_line(value: object, limit: int = 120) -> str:
    """Any text as one line of bounded length; controls and direction marks are spelled out."""
    line = " ".join(str(value)[: limit * 4].split())
    line = visible(line)
    return line if len(line) <= limit else line[:limit] + "…"


def visible(text: str) -> str:
    """The text, whose lines stay, with controls and direction marks spelled out."""
    return "".join(f"⟦U+{ord(c):04X}⟧" if _hidden(c) else c for c in text)


def _hidden(char: str) -> bool:
    """Direction marks make one text look like another; scripts and emoji need the joiners."""
    kind = unicodedata.category(char)
    return (kind in ("Cc", "Cs") and char not in "\n\t") or (
        kind == "Cf" and char not in "\u200c\u200d\u00ad"
    )


def text(value: Any) -> str:
    """A name out of the metrics in one line, empty for what is no text."""
    return one_line(value) if isinstance(value, str) else ""


def whole(value: float | None) -> str:
    """12,345; a dash for nothing."""
    return "–" if value is None else f"{int(value):,}"


def brief(value: float | None) -> str:
    """1,234, 45.6 k, 7.8 M, 9.1 B; a dash for nothing."""
    if value is None:
        return "–"
    for size, sign in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):.1f} {sign}"
    return f"{value:,.0f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """3.142 with a true minus sign; a dash for nothing."""
    if value is None:
        return "–"
    shown = f"{value:,.{digits}f}"
    # -0.00 says nothing that 0.00 does not.
    return shown.lstrip("-") if float(shown.replace(",", "")) == 0 else shown.replace("-", "−")


def percent(share: float | None) -> str:
    """62.4 %, held on one line; a dash for nothing."""
    return "–" if share is None else f"{100 * share:.1f}{NARROW}%"


def duration(seconds: float | None) -> str:
    """8.2 s, 2 min 14 s, 3 h 05 min; a dash for nothing."""
    if seconds is None or seconds < 0:
        return "–"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def plural(n: int | None, one: str, many: str | None = None) -> str:
    """1 pair, 2 pairs, no number of pairs known as –."""
    return f"{whole(n)} {one if n == 1 else many or one + 's'}"
