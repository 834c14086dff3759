"""Prompts and responses cut into turns, as the page shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from gristmill.page.text import LONGEST, visible

_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


@dataclass(frozen=True)
class Turn:
    """One turn as it is shown. `cut` is how many characters were left out."""

    role: str
    text: str
    cut: int = 0


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
