"""What a judge is asked about: a prompt, and answers of which some are known to be better."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from gristmill.records import Message, prompt_id

Turns = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a benchmark.

    answers: the turns of each after the prompt, the last the assistant's. The first `right` of
    them are better than all others: one of two in a pair, one of four in RewardBench 2, any number
    in its Ties.
    grid: RM-Bench's form, as many better answers as worse, each in several styles in the same
    order; every better one is compared with every worse one.
    subset: what it is counted under. where: `file:line`.
    """

    id: str
    subset: str
    prompt: Turns
    answers: tuple[Turns, ...]
    where: str
    right: int = 1
    grid: bool = False

    @property
    def key(self) -> str:
        """16 hex digits of what a judge sees: equal questions, equal key, wherever they stand."""
        digest = blake2b(f"{self.right}:{self.grid}".encode(), digest_size=8)
        for turns in (self.prompt, *self.answers):
            digest.update(prompt_id(turns).encode())
        return digest.hexdigest()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Characters of each answer."""
        return tuple(sum(len(turn.content) for turn in turns) for turns in self.answers)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that asks nothing: `reason` is one short word, `detail` says it in full."""

    where: str
    reason: str
    detail: str
    text: str
