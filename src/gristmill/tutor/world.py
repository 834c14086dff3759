"""The tutor's world: its words, its questions, and which of them are held out.

A `Question` is a short English text whose truth the program knows. What it
asks is an operation on operands, kept beside the text, so that answers can be
built and graded without reading the text again.

Held out means: the *combination* of operands is never asked in training, and
(where a combination could appear as a step of another answer, as in sums) is
never written in a training answer either. A stable hash of the operation's
family and its sorted operands decides, so a word problem over 12 + 7 and a
plain 12 + 7 always fall on the same side.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations


def _words(text: str) -> list[str]:
    return text.split()


KINDS = (
    "add",
    "subtract",
    "compare",
    "sort",
    "count",
    "list",
    "convert",
    "calendar",
    "story",
)
NAMES = _words(
    "Tom Anna Ben Mia Sam Lily Max Nora Leo Ella Jack Ruth Omar Ines Paul Kate Hugo Vera Ivan Dora"
)
OBJECTS = _words(
    "apples books coins cards pens stamps shells stones plums eggs balls cups nuts cakes keys toys"
)
WORDS = _words(
    "cat dog sun cup tree fish milk door ball lamp rain bird book moon frog shoe bell cake star "
    "boat leaf road king hand snow nest coat drum gold farm wind ship rose desk salt bear corn "
    "ring wolf tent"
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words(
    "January February March April May June July August September October November December"
)
# big unit -> (small unit, how many small in one big, largest count of big, largest count of small)
UNITS: dict[str, tuple[str, int, int, int]] = {
    "hours": ("minutes", 60, 4, 59),
    "minutes": ("seconds", 60, 4, 59),
    "weeks": ("days", 7, 9, 6),
    "metres": ("centimetres", 100, 9, 99),
    "dollars": ("cents", 100, 9, 99),
}
ORDINALS = {"first": 1, "second": 2, "third": 3}

Operand = int | str
Combo = tuple[str, tuple[Operand, ...]]


@lru_cache(maxsize=1 << 20)
def is_held_out(combo: Combo) -> bool:
    """Whether this operand combination belongs to the held-out tenth.

    Sums and differences that every long answer uses as steps (a multiple of
    ten, single digits) can never be held out: they would leak by design.
    """
    family, operands = combo
    if family == "sum" and (
        any(int(x) % 10 == 0 for x in operands) or max(int(x) for x in operands) < 10
    ):
        return False
    if family == "difference" and (int(operands[1]) < 10 or int(operands[1]) % 10 == 0):
        return False
    key = f"{family}:{','.join(str(x) for x in operands)}".encode()
    return hashlib.blake2b(key, digest_size=4).digest()[0] < 26  # 26 of 256: about a tenth


def _sum(a: int, b: int) -> Combo:
    return ("sum", (min(a, b), max(a, b)))


def _orders(numbers: tuple[int, ...]) -> list[Combo]:
    """The whole set first, then each pair: a pair can be a step of a longer comparison."""
    ranked = tuple(sorted(numbers))
    pairs: list[Combo] = [("order", pair) for pair in combinations(ranked, 2)]
    return pairs if len(ranked) == 2 else [("order", ranked), *pairs]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the tutor world.

    `text` is what is asked; `kind` one of `KINDS`; `answer` the canonical final
    answer as a string; `op` the operation and `operands` what it works on;
    `unit` the word the answer may carry ("minutes", "apples") or "".
    """

    text: str
    kind: str
    answer: str
    op: str
    operands: tuple[Operand, ...]
    unit: str = ""
    names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def combos(self) -> list[Combo]:
        """Operand combinations this question touches, its own first."""
        return combos(self.op, self.operands)

    @property
    def held_out(self) -> bool:
        """True when what the question asks belongs to the held-out tenth."""
        return is_held_out(self.combos[0])

    @property
    def trainable(self) -> bool:
        """True when nothing in the question or its steps is held out."""
        return not any(is_held_out(combo) for combo in self.combos)


def combos(op: str, operands: tuple[Operand, ...]) -> list[Combo]:
    """The combinations behind an operation, the question's own first (see the module text)."""
    if op == "add":
        return [_sum(int(operands[0]), int(operands[1]))]
    if op == "subtract":
        return [("difference", operands)]
    if op in ("largest", "smallest", "ascending", "descending"):
        return _orders(tuple(int(x) for x in operands))
    if op == "convert":
        big, small, unit = int(operands[0]), int(operands[1]), str(operands[2])
        factor = UNITS[unit][1]
        return [(f"convert{factor}", (big, small)), _sum(big * factor, small)]
    if op in ("after", "before"):
        return [(op, operands)]
    return [("list", tuple(sorted(str(x) for x in operands)))]


_STEPS = re.compile(r"(\d{1,6}) (plus|minus|is more than|is less than) (\d{1,6})")


def mentions_held_out(text: str) -> bool:
    """Whether a text writes down a held-out sum, difference or comparison."""
    for first, word, second in _STEPS.findall(text):
        a, b = int(first), int(second)
        if word == "minus":
            combo: Combo = ("difference", (a, b))
        else:
            combo = ("sum" if word == "plus" else "order", (min(a, b), max(a, b)))
        if is_held_out(combo):
            return True
    return False


def truth(op: str, operands: tuple[Operand, ...]) -> str:
    """The canonical answer of an operation."""
    numbers = [x for x in operands if isinstance(x, int)]
    if op == "add":
        return str(numbers[0] + numbers[1])
    if op == "subtract":
        return str(numbers[0] - numbers[1])
    if op in ("largest", "smallest"):
        return str(max(numbers) if op == "largest" else min(numbers))
    if op in ("ascending", "descending"):
        return ", ".join(str(x) for x in sorted(numbers, reverse=op == "descending"))
    if op == "convert":
        return str(numbers[0] * UNITS[str(operands[2])][1] + numbers[1])
    if op in ("after", "before"):
        return step_calendar(str(operands[0]), numbers[0] if op == "after" else -numbers[0])
    words = [str(x) for x in operands]
    if op == "count":
        return str(len(words))
    if op == "reverse":
        return ", ".join(reversed(words))
    return words[-1] if op == "last" else words[ORDINALS[op] - 1]


def step_calendar(start: str, by: int) -> str:
    """The day or month `by` places after `start` (before, if negative)."""
    ring = DAYS if start in DAYS else MONTHS
    return ring[(ring.index(start) + by) % len(ring)]
