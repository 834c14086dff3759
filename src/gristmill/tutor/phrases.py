"""How questions are phrased: one table used both to ask and to re-read.

Every template names its slots; the regular expression that re-reads a question
is made from the template itself, so the two cannot drift apart.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .world import DAYS, MONTHS, NAMES, OBJECTS, ORDINALS, UNITS, WORDS, Operand, Question, truth

# op -> kind -> templates. Slots: {a} {b} {k} numbers, {list} items, {big}/{small} units,
# {start} day or month, {ring} "day" or "month", {name} {obj}.
TEMPLATES: dict[str, dict[str, tuple[str, ...]]] = {
    "add": {
        "add": (
            "What is {a} plus {b}?",
            "Add {a} and {b}.",
            "Work out {a} plus {b}.",
            "How much is {a} and {b} together?",
            "{a} + {b} = ?",
        ),
        "story": (
            "{name} has {a} {obj} and gets {b} more. How many {obj} does {name} have now?",
            "There are {a} {obj} in a box and {b} {obj} in a bag. How many {obj} are there in all?",
            "{name} finds {a} {obj} today and {b} {obj} later. How many {obj} is that in all?",
        ),
    },
    "subtract": {
        "subtract": (
            "What is {a} minus {b}?",
            "Take {b} from {a}.",
            "Work out {a} minus {b}.",
            "Subtract {b} from {a}.",
            "{a} - {b} = ?",
        ),
        "story": (
            "{name} has {a} {obj} and gives away {b}. How many {obj} are left?",
            "A shop has {a} {obj} and sells {b} of them. How many {obj} are left?",
            "{name} had {a} {obj} but lost {b}. How many {obj} does {name} have now?",
        ),
    },
    "largest": {
        "compare": (
            "Which number is the largest: {list}?",
            "Find the largest of {list}.",
            "What is the largest of these numbers: {list}?",
        )
    },
    "smallest": {
        "compare": (
            "Which number is the smallest: {list}?",
            "Find the smallest of {list}.",
            "What is the smallest of these numbers: {list}?",
        )
    },
    "ascending": {
        "sort": (
            "Sort these numbers from smallest to largest: {list}.",
            "Put {list} in order, smallest first.",
        )
    },
    "descending": {
        "sort": (
            "Sort these numbers from largest to smallest: {list}.",
            "Put {list} in order, largest first.",
        )
    },
    "count": {
        "count": (
            "How many words are in this list: {list}?",
            "Count the words: {list}.",
            "How long is the list {list}?",
        )
    },
    "first": {
        "list": ("What is the first word in this list: {list}?", "Give the first of {list}.")
    },
    "second": {
        "list": ("What is the second word in this list: {list}?", "Give the second of {list}.")
    },
    "third": {
        "list": ("What is the third word in this list: {list}?", "Give the third of {list}.")
    },
    "last": {"list": ("What is the last word in this list: {list}?", "Give the last of {list}.")},
    "reverse": {"list": ("Reverse this list: {list}.", "Say these words backwards: {list}.")},
    "convert": {
        "convert": (
            "How many {small} are {a} {big} and {b} {smalls}?",
            "Turn {a} {big} and {b} {smalls} into {small}.",
            "What is {a} {big} and {b} {smalls} in {small}?",
        )
    },
    "after": {
        "calendar": (
            "What {ring} comes {k} after {start}?",
            "It is {start} now. What {ring} is it in {k}?",
        )
    },
    "before": {
        "calendar": (
            "What {ring} comes {k} before {start}?",
            "It is {start} now. What {ring} was it {k} ago?",
        )
    },
}


def counted(n: int, unit: str) -> str:
    """'1 hour', '3 hours'; `unit` is the plural."""
    return f"{n} {unit[:-1] if n == 1 else unit}"


def phrase(op: str, template: str, operands: tuple[Operand, ...], names: tuple[str, str]) -> str:
    """Fill a template. `names` is (a person's name, an object) and used by stories only."""
    slots: dict[str, str] = {"name": names[0], "obj": names[1]}
    if op in ("add", "subtract"):
        slots |= {"a": str(operands[0]), "b": str(operands[1])}
    elif op == "convert":
        unit = str(operands[2])
        small = UNITS[unit][0]
        text = template.replace("{a} {big}", counted(int(operands[0]), unit))
        text = text.replace("{b} {smalls}", counted(int(operands[1]), small))
        return text.replace("{small}", small).replace("{big}", unit)
    elif op in ("after", "before"):
        start, k = str(operands[0]), int(operands[1])
        ring = "day" if start in DAYS else "month"
        slots |= {"start": start, "k": counted(k, ring + "s"), "ring": ring}
    else:
        slots["list"] = ", ".join(str(x) for x in operands)
    return template.format(**slots)


def make(op: str, kind: str, template: str, operands: tuple[Operand, ...], names: tuple[str, str]):
    """A `Question` from its parts."""
    unit = ""
    if kind == "story":
        unit = names[1]
    elif op == "convert":
        unit = UNITS[str(operands[2])][0]
    text = phrase(op, template, operands, names)
    return Question(text, kind, truth(op, operands), op, operands, unit, names)


_SLOTS = {
    "a": r"(?P<a>\d{1,3})",
    "b": r"(?P<b>\d{1,3})",
    "list": r"(?P<list>\w+(?:, \w+)+)",
    "big": r"(?P<big>\w+)",
    "smalls": r"(?P<smalls>\w+)",
    "small": r"(?P<small>\w+)",
    "start": r"(?P<start>[A-Z]\w+)",
    "ring": r"(?P<ring>day|month)",
    "k": r"(?P<k>\d{1,2}) (?:days?|months?)",
    "name": r"(?P<name>[A-Z]\w+)",
    "obj": r"(?P<obj>\w+)",
}


@lru_cache(maxsize=1)
def _readers() -> list[tuple[re.Pattern[str], str, str, str]]:
    readers = []
    for op, by_kind in TEMPLATES.items():
        for kind, templates in by_kind.items():
            for template in templates:
                readers.append((_reader(template), op, kind, template))
    return readers


def _reader(template: str) -> re.Pattern[str]:
    parts, seen = re.split(r"\{(\w+)\}", template), set()
    pattern = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            pattern += re.escape(part)
        elif part in seen:
            pattern += f"(?P={part})"
        else:
            seen.add(part)
            pattern += _SLOTS[part]
    return re.compile(pattern)


def parse_question(text: str) -> Question | None:
    """The question this text asks, or None. Accepts only what the templates can produce."""
    text = text.strip()
    if len(text) > 300:
        return None
    for reader, op, kind, template in _readers():
        match = reader.fullmatch(text)
        if match is None:
            continue
        found = _operands(op, match.groupdict())
        if found is None:
            continue
        slots = match.groupdict()
        names = (slots.get("name") or NAMES[0], slots.get("obj") or OBJECTS[0])
        question = make(op, kind, template, found, names)
        # Rebuilding catches what the pattern lets through: "1 hours", a wrong unit, "two dayss".
        if question.text == text:
            return question
    return None


def _operands(op: str, slots: dict[str, str | None]) -> tuple[Operand, ...] | None:
    if op in ("add", "subtract"):
        a, b = int(slots["a"] or 0), int(slots["b"] or 0)
        return (a, b) if op == "add" or a >= b else None
    if op == "convert":
        big = (slots["big"] or "").rstrip("s") + "s"
        if big not in UNITS:
            return None
        return (int(slots["a"] or 0), int(slots["b"] or 0), big)
    if op in ("after", "before"):
        start = slots["start"] or ""
        return (start, int(slots["k"] or 0)) if start in DAYS or start in MONTHS else None
    items = (slots["list"] or "").split(", ")
    if op in ("largest", "smallest", "ascending", "descending"):
        if not all(x.isascii() and x.isdigit() and len(x) < 4 for x in items):
            return None
        return tuple(int(x) for x in items)
    if not all(x in WORDS for x in items) or len(items) < ORDINALS.get(op, 1):
        return None
    return tuple(items)
