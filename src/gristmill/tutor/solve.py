"""Working an answer out in small steps, with a hook through which mistakes enter.

`solve` is the only place that knows how each operation is worked. Every value
it computes passes through `twist`; the identity gives the true working, a
`Twist` changes one value and the later steps follow from the changed one, as
they do when a person slips.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .world import DAYS, MONTHS, ORDINALS, UNITS, WORDS, Operand, step_calendar

Twist = Callable[[Operand], Operand]


@dataclass(frozen=True, slots=True)
class Working:
    """`lead` restates the operands ("47 plus 38"), `steps` are sentences, `final` the answer."""

    lead: str
    steps: list[str]
    final: str


def same(value: Operand) -> Operand:
    """The twist that changes nothing."""
    return value


class Slip:
    """Changes the value computed at place `at` (counted from 0) into a plausible wrong one."""

    def __init__(self, at: int, rng: random.Random) -> None:
        self.at, self.rng, self.count = at, rng, 0

    def __call__(self, value: Operand) -> Operand:
        place, self.count = self.count, self.count + 1
        return slipped(value, self.rng) if place == self.at else value


def slipped(value: Operand, rng: random.Random) -> Operand:
    """A wrong value near the right one: off by one or ten, digits swapped; another word or day."""
    if isinstance(value, int):
        near = [value + d for d in (-10, -2, -1, 1, 1, 2, 10)]
        if value > 9:
            near.append(int(str(value)[::-1]))
        return rng.choice([x for x in near if x >= 0 and x != value])
    for ring in (DAYS, MONTHS, WORDS):
        if value in ring:
            by = rng.choice((-1, 1, 2)) if ring is not WORDS else rng.randrange(1, len(ring))
            return ring[(ring.index(value) + by) % len(ring)]
    return value


def solve(op: str, operands: tuple[Operand, ...], twist: Twist = same) -> Working:
    """The working of an operation, each computed value passed through `twist`."""
    if op == "add":
        return _add(int(operands[0]), int(operands[1]), twist)
    if op == "subtract":
        return _subtract(int(operands[0]), int(operands[1]), twist)
    if op in ("largest", "smallest"):
        return _extreme(op, [int(x) for x in operands], twist)
    if op in ("ascending", "descending"):
        return _sort(op, [int(x) for x in operands], twist)
    if op == "convert":
        return _convert(int(operands[0]), int(operands[1]), str(operands[2]), twist)
    if op in ("after", "before"):
        return _calendar(op, str(operands[0]), int(operands[1]), twist)
    return _list(op, [str(x) for x in operands], twist)


def _add(a: int, b: int, twist: Twist) -> Working:
    steps = []
    if a < 10 and b < 10:
        total = twist(a + b)
        return Working(f"{a} plus {b}", [f"{a} plus {b} is {total}"], str(total))
    if a >= 10 and b >= 10:
        tens = twist(a // 10 * 10 + b // 10 * 10)
        steps.append(f"{a // 10 * 10} plus {b // 10 * 10} is {tens}")
    else:
        tens = max(a, b) // 10 * 10
    ones = twist(a % 10 + b % 10)
    steps.append(f"{a % 10} plus {b % 10} is {ones}")
    total = twist(int(tens) + int(ones))
    steps.append(f"{tens} plus {ones} is {total}")
    return Working(f"{a} plus {b}", steps, str(total))


def _subtract(a: int, b: int, twist: Twist) -> Working:
    steps, left = [], a
    if b >= 10:
        left = int(twist(a - b // 10 * 10))
        steps.append(f"{a} minus {b // 10 * 10} is {left}")
    rest = twist(max(left - b % 10, 0))
    steps.append(f"{left} minus {b % 10} is {rest}")
    return Working(f"{a} minus {b}", steps, str(rest))


def _extreme(op: str, numbers: list[int], twist: Twist) -> Working:
    word, steps, best = ("more" if op == "largest" else "less"), [], numbers[0]
    for other in numbers[1:]:
        winner = int(twist(max(best, other) if op == "largest" else min(best, other)))
        # A twisted winner that is neither number means the wrong one of the two was taken.
        if winner not in (best, other):
            winner = min(best, other) if op == "largest" else max(best, other)
        loser = other if winner == best else best
        steps.append(f"{winner} is {word} than {loser}")
        best = winner
    return Working(f"the {op} of {_comma(numbers)}", steps, str(best))


def _sort(op: str, numbers: list[int], twist: Twist) -> Working:
    ranked = [int(twist(x)) for x in sorted(numbers, reverse=op == "descending")]
    first = "smallest" if op == "ascending" else "largest"
    steps = [f"The {first} is {ranked[0]}", *(f"Then {x}" for x in ranked[1:])]
    return Working(f"the numbers are {_comma(numbers)}", steps, _comma(ranked))


def _convert(big: int, small: int, unit: str, twist: Twist) -> Working:
    name, factor = UNITS[unit][0], UNITS[unit][1]
    made = int(twist(big * factor))
    total = twist(made + small)
    one = unit[:-1] if big == 1 else unit
    steps = [f"{big} {one} is {made} {name}", f"{made} plus {small} is {total}"]
    return Working(
        f"{big} {one} and {small} {name[:-1] if small == 1 else name}", steps, str(total)
    )


def _calendar(op: str, start: str, k: int, twist: Twist) -> Working:
    at, places = start, []
    for i in range(1, k + 1):
        at = str(twist(step_calendar(at, 1 if op == "after" else -1)))
        places.append(f"{i} is {at}")
    return Working(f"{k} {op} {start}", [", ".join(places)], at)


def _list(op: str, words: list[str], twist: Twist) -> Working:
    lead = f"the list is {_comma(words)}"
    if op in ORDINALS:
        words = words[: ORDINALS[op]]
    shown = [str(twist(w)) for w in words]
    steps = [", ".join(f"{i} is {w}" for i, w in enumerate(shown, 1))]
    if op == "count":
        return Working(lead, steps, str(twist(len(shown))))
    if op != "reverse":
        return Working(lead, steps, str(twist(shown[-1])))
    back = [str(twist(w)) for w in reversed(shown)]
    places = [f"{len(back) - i} is {w}" for i, w in enumerate(back)]
    return Working(lead, [*steps, "Backwards, " + ", ".join(places)], _comma(back))


def _comma(items: list[int] | list[str]) -> str:
    return ", ".join(str(x) for x in items)
