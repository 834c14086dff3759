"""All queries but the short ones: the board that is less noisy than that of all battles."""

from __future__ import annotations

from gristmill.arena.tags.short_query import short_query
from gristmill.arena.tags.texts import Texts


def exclude_short(texts: Texts) -> bool:
    """Whether the user's first turn is known and not a short query."""
    return bool(texts.first) and not short_query(texts)
