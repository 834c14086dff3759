"""A training's figures looked up safely, and what each kind of training makes.

`metrics.json` may come from an older or a partial run: whatever is missing, or is not what it
should be, is read as None or as empty, and shown as a dash.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from gristmill.page.text import one_line

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


def text(value: Any) -> str:
    """A name out of the metrics in one line, empty for what is no text."""
    return one_line(value) if isinstance(value, str) else ""
