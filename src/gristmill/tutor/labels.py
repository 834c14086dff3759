"""HelpSteer2-format labels from stated rules.

Five integers from 0 (worst, least) to 4 (best, most), in HelpSteer2's order.
The rules, all computed from the exact grade:

- **helpfulness**: 4 right, with worked steps and at most one sentence of
  filler; 3 right, but bare (no step) or padded; 2 nothing false and at least
  one true step, but no answer given; 1 on the point (it works or answers in the
  question's terms) but wrong; 0 off the point, or not understandable.
- **correctness**: 4 right; 2 nothing false, but either no answer yet after at
  least one true step, or a true answer in text that is not understandable; 1
  some step true, but something false; 0 nothing true. (3 is not given: truth
  here is known, not guessed.)
- **coherence**: 4 where at least 95 % of the words lie in sentences that can be
  understood (a broken-off last one aside), 3 from 80 %, 2 from 50 %, 1 from
  25 %, else 0; minus 2 if it breaks off mid-sentence, minus 1 if a sentence is said twice.
- **complexity**: worked steps, true or false: 0, 1, 2, 3, and 4 for four or more.
- **verbosity**: words: up to 3 is 0, up to 14 is 1, up to 24 is 2, up to 36 is
  3, more is 4.

A question that nobody can answer is answered by saying so (`missing`): a refusal has helpfulness
and correctness 4, any other reply has 0 of both; the rest goes by the text.

With the model card's weights (0.3, 0.74, 0.46, 0.47, -0.33) a right answer
always outweighs a wrong one to the same question.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from gristmill.records import ATTRIBUTES

from .answers import QUALITIES, answer
from .ask import questions
from .grade import UNDERSTANDABLE, Grade, grade
from .missing import unanswerable
from .world import Question

_VERBOSITY = (3, 14, 24, 36)

MIX = dict.fromkeys(QUALITIES, 8) | {"right": 26, "wrong": 34}
"""Per cent of each quality among rated answers: careful mistakes are the hardest to see."""
GAPS, REFUSED = 0.1, 0.05
"""Of rated rows: the share of prompts that nobody can answer, and of answers that refuse one that
can be answered."""


class Labels(NamedTuple):
    """Five labels, 0-4 each, in HelpSteer2's order."""

    helpfulness: int
    correctness: int
    coherence: int
    complexity: int
    verbosity: int


def labels(question: Question, response: str) -> Labels:
    """The five labels of a response, by the rules in this module's docstring."""
    return labels_of(grade(question, response), response)


def labels_of(graded: Grade, response: str, *, answerable: bool = True) -> Labels:
    """The labels of a response that is graded already.

    answerable: False where the question left something out; `graded` is then by the whole one.
    """
    steps = sum(role == "step" for role in graded.roles)
    length = len(response.split())
    known = 4 * (not answerable and set(graded.roles) == {"refusal"})
    return Labels(
        _helpfulness(graded, steps) if answerable else known,
        _correctness(graded) if answerable else known,
        _coherence(graded, response),
        min(steps, 4),
        sum(length > limit for limit in _VERBOSITY),
    )


def _helpfulness(graded: Grade, steps: int) -> int:
    if graded.right:
        padding = sum(role in ("filler", "off", "unknown") for role in graded.roles)
        return 4 if steps and padding <= 1 else 3
    if graded.understood < UNDERSTANDABLE:
        return 0
    if graded.final is None and graded.true_steps and not graded.false:
        return 2
    on_point = graded.true_steps or any(
        truth is True and role == "lead"
        for (_, truth), role in zip(graded.statements, graded.roles, strict=True)
    )
    return 1 if on_point or graded.roles == ("final",) else 0


def _correctness(graded: Grade) -> int:
    if graded.right:
        return 4
    if graded.false:
        return 1 if graded.true_steps else 0
    return 2 if graded.true_steps or graded.final is not None else 0


def _coherence(graded: Grade, response: str) -> int:
    level = sum(graded.understood >= share for share in (0.25, 0.5, UNDERSTANDABLE, 0.95))
    said = [x.strip() for x in re.split(r"[.!?\n]+", response) if x.strip()]
    return max(0, level - 2 * graded.cut - (len(set(said)) < len(said)))


def helpsteer2_rows(
    n: int, seed: int, *, held_out: bool = False, responses: int = 2
) -> Iterator[dict[str, str | int]]:
    """`n` rows in HelpSteer2's format: prompt, response, and the five labels.

    Consecutive rows share a prompt, `responses` to each; qualities are drawn by `MIX`. One prompt
    in ten leaves something out. Deterministic in its arguments.
    """
    rng = random.Random(f"gristmill.helpsteer2:{seed}")
    made = 0
    for question in questions(-(-n // responses), seed, held_out=held_out):
        asked, answerable = question.text, rng.random() >= GAPS
        gap, refusal = unanswerable(question, rng)
        if not answerable:
            asked = gap
        refused = False
        for _ in range(min(responses, n - made)):
            # Once a prompt at most: a second refusal would be the same.
            refused = not refused and rng.random() < (REFUSED if answerable else 0.5)
            quality = rng.choices(list(MIX), list(MIX.values()))[0]
            text = refusal if refused else answer(question, quality, rng)
            five = labels_of(grade(question, text), text, answerable=answerable)
            yield {"prompt": asked, "response": text, **dict(zip(ATTRIBUTES, five, strict=True))}
            made += 1
