"""Short queries: "hi" and "test" tell little about a model."""

from __future__ import annotations

from gristmill.arena.tags.texts import Texts, tokens

SHORT = 5
"""Tokens below which a query is short, as on LMSYS's board that leaves such queries out."""


def short_query(texts: Texts) -> bool:
    """Whether the user's first turn is known and has fewer than 5 tokens, that is 20 bytes."""
    return bool(texts.first) and tokens(texts.first) < SHORT
