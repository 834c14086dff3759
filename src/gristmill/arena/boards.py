"""The boards of an arena: all battles, and those of one category or language."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from gristmill.arena.battles import Battles
from gristmill.errors import ConfigError

OVERALL = "overall"
TITLES = {
    OVERALL: "Overall",
    "long_query": "Long query",
    "hard_prompt": "Hard prompts",
    "coding": "Coding",
    "math": "Math",
    "creative_writing": "Creative writing",
    "instruction_following": "Instruction following",
    "multi_turn": "Multi-turn",
    "exclude_short": "Short prompts left out",
}
"""The boards that gristmill knows, in the order of a page; others follow by their names."""
LEAST = 30
"""Votes in one language from which on it has a board."""


def there(battles: Battles) -> dict[str, np.ndarray]:
    """The boards that have battles: for each a bool for every battle."""
    found = {OVERALL: np.ones(len(battles), dtype=bool), **battles.tags}
    if battles.turns is not None and (battles.turns >= 2).any():
        found["multi_turn"] = found.get("multi_turn", False) | (battles.turns >= 2)
    # Where nothing is short, that board would be the whole once more.
    short = found.pop("short_query", None)
    found.pop("exclude_short", None)
    if short is not None and short.any():
        found["exclude_short"] = ~short
    languages = battles.names.get("language")
    if languages is not None:
        counts = np.bincount(languages.codes[languages.codes >= 0], minlength=len(languages.names))
        for code in np.argsort(-counts, kind="stable"):
            if counts[code] >= LEAST:
                found.setdefault(languages.names[code], languages.codes == code)
    known = {name: found.pop(name) for name in TITLES if name in found}
    return {name: rows for name, rows in {**known, **found}.items() if rows.any()}


def of_category(battles: Battles, name: str) -> Battles:
    """The battles of one board. Raises ConfigError, naming those there are, where it has none."""
    if name == OVERALL:
        return battles
    boards = there(battles)
    if name not in boards:
        near = get_close_matches(name, boards, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(boards)}"
        raise ConfigError(f"--category: no battles of '{name}'; {hint}")
    return battles.take(boards[name])


def title(name: str) -> str:
    """What a page calls a board."""
    return TITLES.get(name, name)
