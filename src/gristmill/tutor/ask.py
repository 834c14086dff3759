"""Drawing questions: operands, then a phrasing, on the training or the held-out side."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

from .phrases import TEMPLATES, make
from .world import DAYS, KINDS, MONTHS, NAMES, OBJECTS, UNITS, WORDS, Operand, Question

OPS: dict[str, tuple[str, ...]] = {
    "add": ("add",),
    "subtract": ("subtract",),
    "compare": ("largest", "smallest"),
    "sort": ("ascending", "descending"),
    "count": ("count",),
    "list": ("first", "second", "third", "last", "reverse", "reverse"),
    "convert": ("convert",),
    "calendar": ("after", "before"),
    "story": ("add", "subtract"),
}
MOST = 100_000
# Unit pairs are drawn by how much there is to learn in them.
_UNIT_DRAW = ("hours", "hours", "minutes", "weeks", "metres", "dollars")


def _draw_operands(op: str, rng: random.Random) -> tuple[Operand, ...]:
    if op == "add":
        return (rng.randint(10, 99), rng.randint(10, 99))
    if op == "subtract":
        a, b = sorted(rng.sample(range(10, 100), 2))
        return (b, a)
    if op in ("largest", "smallest"):
        return tuple(rng.sample(range(10, 100), rng.choice((2, 3))))
    if op in ("ascending", "descending"):
        return tuple(rng.sample(range(10, 100), 3))
    if op == "convert":
        unit = rng.choice(_UNIT_DRAW)
        _, _, most_big, most_small = UNITS[unit]
        return (rng.randint(1, most_big), rng.randint(1, most_small), unit)
    if op in ("after", "before"):
        ring = rng.choice((DAYS, MONTHS))
        return (rng.choice(ring), rng.randint(1, 8))
    return tuple(
        rng.sample(WORDS, rng.randint(2 if op == "count" else 3, 7 if op == "count" else 5))
    )


def draw(rng: random.Random, *, held_out: bool, kind: str | None = None) -> Question:
    """One question, its kind drawn evenly unless given; loops until it is on the wanted side."""
    while True:
        chosen = kind or rng.choice(KINDS)
        op = rng.choice(OPS[chosen])
        names = (rng.choice(NAMES), rng.choice(OBJECTS))
        question = make(
            op, chosen, rng.choice(TEMPLATES[op][chosen]), _draw_operands(op, rng), names
        )
        if question.held_out if held_out else question.trainable:
            return question


def questions(n: int, seed: int, *, held_out: bool) -> list[Question]:
    """`n` questions with distinct texts, the same for the same arguments on every machine.

    `held_out=True` draws only operand combinations that no training text
    contains, `False` only the others. The two sides never share a combination,
    whatever the seeds. Raises ValueError when `n` is negative or above 100,000
    (the held-out side of the smaller kinds would repeat).
    """
    if not 0 <= n <= MOST:
        raise ValueError(f"n is {n}: ask for between 0 and {MOST} questions")
    return list(islice(stream(seed, held_out=held_out), n))


def stream(seed: int, *, held_out: bool) -> Iterator[Question]:
    """What `questions` gives the first `n` of, one at a time and without an end."""
    rng = random.Random(f"gristmill.tutor:{seed}:{held_out}")
    seen: set[str] = set()
    while True:
        question = draw(rng, held_out=held_out)
        if question.text not in seen:
            seen.add(question.text)
            yield question
