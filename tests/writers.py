"""Scripted models that write what recipes ask for, named as `scripted:writers:FUNCTION`."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import Any

asked: Counter[str] = Counter()
"""How often each request was answered, by its messages, index and all; tests clear it."""

SYLLABLES = ("ba", "de", "fi", "gro", "hu", "ja", "kle", "mo", "na", "pi", "ru", "sta", "to", "vi")


def forget() -> None:
    asked.clear()


def words(random: Random, count: int) -> str:
    """So many made-up words."""
    return " ".join("".join(random.choices(SYLLABLES, k=3)) for _ in range(count))


def wanted(text: str) -> int:
    """The first number of a request: how many items it asks for."""
    return next((int(n) for n in re.findall(r"\b\d+\b", text)), 1)


def write(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """A numbered list of as many made-up items as are asked for, or one made-up text."""
    text = messages[-1]["content"]
    asked[f"{messages}/{index}"] += 1
    random = Random(f"{messages}/{index}/{seed}")
    if "numbered list" not in text:
        return words(random, 10)
    return "\n".join(f"{n}. {words(random, 6)}" for n in range(1, wanted(text) + 1))


def dull(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """The same few items, whatever is asked."""
    return "1. bread and butter\n2. salt and water" if "list" in messages[-1]["content"] else "Why?"


def mute(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Nothing that could be used."""
    return "I'm sorry, but I can't help with that."
