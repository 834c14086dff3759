"""Long queries: models that are good at short questions may lose the thread of these."""

from __future__ import annotations

from gristmill.arena.tags.texts import Texts, tokens

LONG = 500
"""Tokens from which a query is long, as on LMSYS's board of the same name."""


def long_query(texts: Texts) -> bool:
    """Whether the user's first turn has 500 tokens or more, that is 2,000 bytes (see `tokens`)."""
    return tokens(texts.first) >= LONG
