"""Pairs to measure a judge by, in RewardBench's columns and sections, with known truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from .answers import answer, prose, rambling
from .ask import MOST, stream
from .grade import grade
from .missing import unanswerable
from .mistakes import MISTAKES, mistaken
from .solve import Working, solve
from .world import Question

BENCH_SECTIONS: dict[str, tuple[str, ...]] = {
    "Chat": ("tutor-garbled", "tutor-off-point"),
    "Chat Hard": ("tutor-slip", "tutor-misread", "tutor-polish"),
    "Safety": ("tutor-should-refuse", "tutor-should-respond"),
    "Reasoning": ("tutor-steps", "tutor-final", "tutor-incomplete"),
}
"""RewardBench's four sections, in its order, and the tutor's subsets of each."""

_SUBSETS = tuple(name for subsets in BENCH_SECTIONS.values() for name in subsets)
_TRIES = 24
_Pair = tuple[str, str]


def bench_rows(n: int, seed: int) -> Iterator[dict[str, str]]:
    """`n` rows of prompt, chosen, rejected, subset and id ("tutor-slip:12" is row 12).

    Deterministic in its arguments; fewer rows are the beginning of more. The subsets take turns.
    All questions are held out, and distinct but for those of `tutor-should-refuse`. Where the
    question can be answered, `grade` says of every chosen that it is right and of every rejected
    that it is not. Raises ValueError when `n` is negative or above 100,000.

    | subset | rejected (chosen is a worked right answer unless said) | which is longer, in words |
    |---|---|---|
    | tutor-garbled | a right answer with its words damaged | neither; in letters rejected |
    | tutor-off-point | about something else | chosen, in two of three |
    | tutor-slip | one slip and what follows from it, else chosen word for word | neither, ever |
    | tutor-misread | fluent: an operand misread, or another operation worked | neither |
    | tutor-polish | long, worked, friendly, false; chosen is the bare answer | rejected, always |
    | tutor-should-refuse | an invented answer; chosen says what is missing | rejected, mostly |
    | tutor-should-respond | says as above what is missing, where nothing is | chosen, mostly |
    | tutor-steps | an early step is false, and carried through to a false answer | neither |
    | tutor-final | every step is true, the answer is not | neither |
    | tutor-incomplete | breaks off before the answer | chosen, nearly always |

    Who takes the shorter one without reading gets two thirds of Chat Hard (all of tutor-polish,
    and half of the others by chance) and half of Safety; the longer one, a third and half.
    """
    if not 0 <= n <= MOST:
        raise ValueError(f"n is {n}: ask for between 0 and {MOST} rows")
    return _rows(n, seed)


def _rows(n: int, seed: int) -> Iterator[dict[str, str]]:
    rng = random.Random(f"gristmill.bench:{seed}")
    asked = stream(seed, held_out=True)
    for i in range(n):
        subset = _SUBSETS[i % len(_SUBSETS)]
        found = None
        while found is None:  # some questions have no room for some mistakes
            found = _drawn(subset, next(asked), rng)
        prompt, chosen, rejected = found
        yield {
            "prompt": prompt,
            "chosen": chosen,
            "rejected": rejected,
            "subset": subset,
            "id": f"{subset}:{i}",
        }


def _drawn(subset: str, question: Question, rng: random.Random) -> tuple[str, str, str] | None:
    """Prompt, chosen and rejected; None where the question does not serve for the subset."""
    if subset == "tutor-should-refuse":
        text, refusal = unanswerable(question, rng)
        return text, refusal, prose(question, _true(question), rng)
    for _ in range(_TRIES):
        pair = _MAKERS[subset](question, rng)
        if pair is not None and grade(question, pair[0]).right:
            chosen, rejected = pair
            if chosen != rejected and not grade(question, rejected).right:
                return question.text, chosen, rejected
    return None


def _true(question: Question) -> Working:
    return solve(question.op, question.operands)


def _false(question: Question, rng: random.Random, *mistakes: str) -> Working | None:
    """A working with one of these mistakes, if the answer becomes false by it."""
    working = mistaken(question, rng.choice(mistakes), rng)
    return None if working is None or working.final == question.answer else working


def _steps(question: Question, text: str) -> list[bool | None]:
    """The truth of each step that a text works."""
    graded = grade(question, text)
    said = zip(graded.statements, graded.roles, strict=True)
    return [truth for (_, truth), role in said if role == "step"]


def _garbled(question: Question, rng: random.Random) -> _Pair:
    return answer(question, "right", rng), answer(question, "garbled", rng)


def _off_point(question: Question, rng: random.Random) -> _Pair:
    return answer(question, "right", rng), answer(question, "off_point", rng)


def _slip(question: Question, rng: random.Random) -> _Pair | None:
    working = _false(question, rng, "slip")
    if working is None:
        return None
    # Both are phrased by the same draws: nothing but what the slip changed tells them apart.
    phrasing = rng.getrandbits(64)
    chosen = prose(question, _true(question), random.Random(phrasing))
    rejected = prose(question, working, random.Random(phrasing))
    return (chosen, rejected) if False in _steps(question, rejected) else None


def _misread(question: Question, rng: random.Random) -> _Pair | None:
    working = _false(question, rng, "copy", "operation")
    if working is None:
        return None
    return answer(question, "right", rng), prose(question, working, rng)


def _polish(question: Question, rng: random.Random) -> _Pair | None:
    working = _false(question, rng, *MISTAKES)
    if working is None:
        return None
    return answer(question, "terse", rng), rambling(question, working, rng)


def _should_respond(question: Question, rng: random.Random) -> _Pair:
    _, refusal = unanswerable(question, rng)
    return answer(question, "right", rng), refusal


def _early_step(question: Question, rng: random.Random) -> _Pair | None:
    working = _false(question, rng, "slip")
    if working is None:
        return None
    rejected = prose(question, working, rng)
    if False not in _steps(question, rejected)[:-1]:
        return None
    return answer(question, "right", rng), rejected


def _final(question: Question, rng: random.Random) -> _Pair | None:
    working = _false(question, rng, "final")
    if working is None:
        return None
    return answer(question, "right", rng), prose(question, working, rng)


def _incomplete(question: Question, rng: random.Random) -> _Pair | None:
    rejected = answer(question, "incomplete", rng)
    if grade(question, rejected).final is not None:
        return None  # "3 weeks", cut off there, reads as an answer
    return answer(question, "right", rng), rejected


_MAKERS: dict[str, Callable[[Question, random.Random], _Pair | None]] = {
    "tutor-garbled": _garbled,
    "tutor-off-point": _off_point,
    "tutor-slip": _slip,
    "tutor-misread": _misread,
    "tutor-polish": _polish,
    "tutor-should-respond": _should_respond,
    "tutor-steps": _early_step,
    "tutor-final": _final,
    "tutor-incomplete": _incomplete,
}
