"""Categories of battles: what a prompt is about and how hard it is.

One file a category, each with one pure function of a battle's `Texts`; a board of the ratings
takes the battles that have it. What a model must be asked for (`hard_prompt`) is in `grade`.
"""

from __future__ import annotations

from gristmill.arena.battles import Battle
from gristmill.arena.tags.coding import coding
from gristmill.arena.tags.exclude_short import exclude_short
from gristmill.arena.tags.long_query import long_query
from gristmill.arena.tags.math import math
from gristmill.arena.tags.multi_turn import multi_turn
from gristmill.arena.tags.short_query import short_query
from gristmill.arena.tags.texts import texts_of

RULES = (coding, exclude_short, long_query, math, multi_turn, short_query)
"""The categories that are found by rules; each is called what its function is called."""


def derive(battle: Battle) -> tuple[str, ...]:
    """The categories that a battle's own texts put it in, sorted by name.

    A battle without texts has none but `multi_turn`.
    """
    texts = texts_of(battle)
    return tuple(rule.__name__ for rule in RULES if rule(texts))
