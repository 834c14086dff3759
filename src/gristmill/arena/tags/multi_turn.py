"""Conversations of several turns: a model must remember what was said before."""

from __future__ import annotations

from gristmill.arena.tags.texts import Texts


def multi_turn(texts: Texts) -> bool:
    """Whether the user spoke twice or more before the vote."""
    return texts.turns >= 2
