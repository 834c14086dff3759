"""What a category is found in: the words of a battle, and how long they are."""

from __future__ import annotations

from dataclasses import dataclass

from gristmill.arena.battles import Battle

BYTES_PER_TOKEN = 4
"""No tokenizer comes with gristmill, and no two models share one. English text has about four
bytes a token in all current ones; Chinese and Japanese have three bytes a character and between
one and two characters a token, so that four bytes a token is about right there too."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What was said. asked: the user's turns; answers: the assistant's, those of each side (one
    side or none where they are not known). turns: of the user, where texts are missing too."""

    asked: tuple[str, ...] = ()
    answers: tuple[tuple[str, ...], ...] = ()
    turns: int = 1

    @property
    def first(self) -> str:
        """The user's first turn; empty where it is not known."""
        return self.asked[0] if self.asked else ""


def texts_of(battle: Battle) -> Texts:
    """The texts of a battle.

    Where it has no conversation, its `prompt` is what was asked, unless that looks like a name:
    one word of ASCII, as in `17` or `mt-bench-81`.
    """
    sides = [s for s in (battle.conversation_a, battle.conversation_b) if s]
    if not sides:
        named = battle.prompt.isascii() and len(battle.prompt.split()) < 2
        return Texts(() if named else (battle.prompt,), (), battle.turns)
    return Texts(
        tuple(m.content for m in sides[0] if m.role == "user"),
        tuple(tuple(m.content for m in side if m.role == "assistant") for side in sides),
        battle.turns,
    )


def tokens(text: str) -> int:
    """About how many tokens a text has: its UTF-8 bytes over `BYTES_PER_TOKEN`, rounded down."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return size // BYTES_PER_TOKEN
