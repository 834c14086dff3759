"""Questions that nobody can answer, because something they need is left out, and refusals.

They are phrased like the questions of `phrases`, and made from one of them, but no reader takes
them for one: `parse_question` of their text gives None.
"""

from __future__ import annotations

import random

from .phrases import phrase
from .world import ORDINALS, Question

# (op, kind) -> what is asked, and what it leaves out. Slots as in `phrases`; besides, {short} is a
# list too short for what is asked of it.
_Gaps = tuple[tuple[str, str], ...]
GAPS: dict[tuple[str, str], _Gaps] = {
    ("add", "add"): (
        ("What is {a} plus?", "the second number"),
        ("Add {a} and another number.", "the other number"),
        ("Work out a number plus {b}.", "the first number"),
        ("How much is {a} and something together?", "the second number"),
    ),
    ("add", "story"): (
        (
            "{name} has some {obj} and gets {b} more. How many {obj} does {name} have now?",
            "the number of {obj} that {name} had at first",
        ),
        (
            "There are {a} {obj} in a box and some {obj} in a bag. "
            "How many {obj} are there in all?",
            "the number of {obj} in the bag",
        ),
        (
            "{name} finds {a} {obj} today and a few {obj} later. How many {obj} is that in all?",
            "the number of {obj} found later",
        ),
    ),
    ("subtract", "subtract"): (
        ("What is {a} minus?", "the second number"),
        ("Take a number from {a}.", "the number to take away"),
        ("Work out a number minus {b}.", "the first number"),
        ("Subtract {b} from another number.", "the number to start from"),
    ),
    ("subtract", "story"): (
        (
            "{name} has {a} {obj} and gives away some. How many {obj} are left?",
            "the number of {obj} given away",
        ),
        (
            "A shop has some {obj} and sells {b} of them. How many {obj} are left?",
            "the number of {obj} in the shop at first",
        ),
        (
            "{name} had {a} {obj} but lost a few. How many {obj} does {name} have now?",
            "the number of {obj} that {name} lost",
        ),
    ),
    ("count", "count"): (
        ("How many words are in the list that {name} made?", "the list of words"),
        ("Count the words: {list} and some more.", "the rest of the list"),
        ("How long is a list that begins with {list}?", "the rest of the list"),
    ),
    ("first", "list"): (
        ("What is the first word in the list that {name} made?", "the list of words"),
        ("Give the first word of a list that ends in {list}.", "the beginning of the list"),
    ),
    ("second", "list"): (
        ("What is the second word in the list that {name} made?", "the list of words"),
        ("Give the second of {short}.", "the second word"),
    ),
    ("third", "list"): (
        ("What is the third word in the list that {name} made?", "the list of words"),
        ("What is the third word in this list: {short}?", "the third word"),
        ("Give the third of {short}.", "the third word"),
    ),
    ("last", "list"): (
        ("What is the last word in the list that {name} made?", "the list of words"),
        ("Give the last word of a list that begins with {list}.", "the end of the list"),
    ),
    ("reverse", "list"): (
        ("{name} has a few words. Say these words backwards.", "the list of words"),
        ("Reverse this list: {list} and some more.", "the rest of the list"),
    ),
    ("convert", "convert"): (
        ("How many {small} are {a} {big} and some {small}?", "the number of {small}"),
        ("Turn some {big} and {b} {smalls} into {small}.", "the number of {big}"),
        ("What is {a} {big} and a few {small} in {small}?", "the number of {small}"),
    ),
    ("after", "calendar"): (
        ("What {ring} comes some {ring}s after {start}?", "the number of {ring}s"),
        ("It is {start} now. What {ring} is it in a few {ring}s?", "the number of {ring}s"),
        ("What {ring} is it in {k}?", "the {ring} that it is now"),
    ),
    ("before", "calendar"): (
        ("What {ring} comes some {ring}s before {start}?", "the number of {ring}s"),
        ("It is {start} now. What {ring} was it a few {ring}s ago?", "the number of {ring}s"),
        ("What {ring} was it {k} ago?", "the {ring} that it is now"),
    ),
}
GAPS |= {
    (which, "compare"): (
        (f"{{name}} has a few numbers. Which number is the {which}?", "the list of numbers"),
        (f"Find the {which} of {{list}} and one more number.", "the last number"),
        (f"Which number is the {which}: {{list}} or the one in the box?", "the number in the box"),
    )
    for which in ("largest", "smallest")
}
GAPS |= {
    (op, "sort"): (
        (f"{{name}} has a few numbers. Sort them from {one} to {other}.", "the list of numbers"),
        (f"Put {{list}} and one more number in order, {one} first.", "the last number"),
    )
    for op, one, other in (
        ("ascending", "smallest", "largest"),
        ("descending", "largest", "smallest"),
    )
}

REFUSALS = (
    "I cannot answer this: {} is missing.",
    "Sorry, but {} is not given, so I cannot work it out.",
    "That cannot be worked out, since {} is not there.",
    "I would have to guess. Please tell me {} and ask again.",
    "The question leaves out {}, so I cannot give an answer.",
    "I am sorry, I was not told {}, and without it I cannot say.",
)


def unanswerable(question: Question, rng: random.Random) -> tuple[str, str]:
    """A question like this one with something left out, and a refusal that says what.

    To the question as it is the refusal is no answer, and says what is false: nothing is missing.
    """
    asked, missing = rng.choice(GAPS[question.op, question.kind])
    refusal = rng.choice(REFUSALS).format(_filled(question, missing))
    return _filled(question, asked), refusal


def _filled(question: Question, template: str) -> str:
    op, operands = question.op, question.operands
    if "{short}" in template:
        few = ", ".join(str(x) for x in operands[: ORDINALS[op] - 1])
        template = template.replace("{short}", few)
    name, obj = question.names
    return phrase(op, template, operands, (name, obj))
