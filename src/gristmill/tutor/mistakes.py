"""Workings that go wrong on purpose, one mistake in each.

| mistake | what happens |
|---|---|
| slip | one computed value is wrong, and what follows goes on from it |
| copy | an operand is misread or passed over, and the rest is worked truly |
| operation | another operation is worked, truly |
| final | every step is true, the answer given is not |

A mistake may by chance leave the answer true (a slip in the number that loses a
comparison): who needs a false one looks at `Working.final`.
"""

from __future__ import annotations

import random
from dataclasses import replace

from .solve import Slip, Working, same, slipped, solve
from .world import Operand, Question

MISTAKES = ("slip", "copy", "operation", "final")
_SWAPPED = {
    "add": "subtract",
    "subtract": "add",
    "largest": "smallest",
    "smallest": "largest",
    "ascending": "descending",
    "descending": "ascending",
    "after": "before",
    "before": "after",
    "first": "last",
    "last": "first",
    "second": "third",
    "third": "second",
    "reverse": "last",
    "count": "last",
}


def mistaken(question: Question, mistake: str, rng: random.Random) -> Working | None:
    """The working with one of `MISTAKES`; None where the question has no room for it."""
    op, operands = question.op, question.operands
    if mistake == "slip":
        counter = Slip(-1, rng)
        solve(op, operands, counter)
        return solve(op, operands, Slip(rng.randrange(counter.count), rng))
    if mistake == "copy":
        changed = _miscopied(op, operands, rng)
        return None if changed is None else solve(op, changed, same)
    if mistake == "operation":
        # "5 minus 20" has no answer in this world.
        if op not in _SWAPPED or (op == "add" and int(operands[0]) < int(operands[1])):
            return None
        return solve(_SWAPPED[op], operands, same)
    return replace(solve(op, operands, same), final=wrong_final(question, rng))


def wrong_final(question: Question, rng: random.Random) -> str:
    """An answer near the true one: a number slipped, two words changed places."""
    items = question.answer.split(", ")
    place = rng.randrange(len(items))
    item: Operand = int(items[place]) if items[place].isdigit() else items[place]
    if len(items) > 1 and rng.random() < 0.5:
        other = (place + 1) % len(items)
        items[place], items[other] = items[other], items[place]
    else:
        items[place] = str(slipped(item, rng))
    return ", ".join(items)


def _miscopied(
    op: str, operands: tuple[Operand, ...], rng: random.Random
) -> tuple[Operand, ...] | None:
    """One operand misread; None where the change would make the question meaningless."""
    places = [0, 1] if op == "convert" else list(range(len(operands)))
    place = rng.choice(places)
    changed = list(operands)
    changed[place] = slipped(operands[place], rng)
    if len(operands) > 2 and op != "convert" and rng.random() < 0.3:
        del changed[place]
    if op == "subtract" and int(changed[0]) <= int(changed[1]):
        return None
    if op in ("convert", "after", "before") and 0 in changed:
        return None
    return tuple(changed) if len(changed) > 1 else None
