"""Answers of every quality, made on purpose.

| quality | what it is |
|---|---|
| right | operands restated, small true steps, the true answer |
| terse | the true answer alone |
| rambling | right, with filler before, between and after |
| wrong | on the point and fluent, but false somewhere: see `mistakes` |
| off_point | fluent, about something else, or the answer to another question |
| garbled | words dropped, doubled, shuffled, letters damaged |
| incomplete | right so far, then cut off before the answer |
"""

from __future__ import annotations

import random
from dataclasses import replace

from .ask import draw
from .mistakes import MISTAKES, mistaken, wrong_final
from .solve import Working, same, solve
from .world import Question, mentions_held_out

QUALITIES = ("right", "terse", "rambling", "wrong", "off_point", "garbled", "incomplete")

FILLERS = (
    "Let me think about this.",
    "This is a nice question.",
    "We go step by step.",
    "I will take my time here.",
    "Let us be careful.",
    "That is easy to check.",
    "I hope this helps.",
    "Please ask me again any time.",
    "Questions like this come up a lot.",
    "It is good to practise.",
)
OFF_POINT = (
    "The sky is blue today.",
    "I like to walk by the river.",
    "My garden has many flowers.",
    "Birds sing in the morning.",
    "Music makes people happy.",
    "The train was late again.",
    "Bread and butter is a fine meal.",
    "It may rain in the evening.",
)
FINALS = ("The answer is {}.", "The answer is {}.", "So the answer is {}.", "Answer: {}.")


def answer(question: Question, quality: str, rng: random.Random) -> str:
    """A response of the wanted quality (one of `QUALITIES`), drawn with `rng`.

    `right`, `terse` and `rambling` are right, all others are not: what
    `tutor.grade` says about the text agrees. Raises ValueError on another
    quality name.
    """
    text = _answer(question, quality, rng)
    # A slip or a misread operand may land on a held-out combination: training must not see it.
    while question.trainable and mentions_held_out(text):
        text = _answer(question, quality, rng)
    return text


def _answer(question: Question, quality: str, rng: random.Random) -> str:
    if quality == "right":
        return prose(question, solve(question.op, question.operands, same), rng)
    if quality == "terse":
        return _final(question, question.answer, rng, terse=True)
    if quality == "rambling":
        return rambling(question, solve(question.op, question.operands, same), rng)
    if quality == "wrong":
        return _wrong(question, rng)
    if quality == "off_point":
        return _off_point(question, rng)
    if quality == "garbled":
        return _garbled(question, rng)
    if quality == "incomplete":
        return _incomplete(question, rng)
    raise ValueError(f"quality {quality!r} is not one of {', '.join(QUALITIES)}")


def _final(question: Question, value: str, rng: random.Random, *, terse: bool = False) -> str:
    # The unit is said half the time, and only where there is one.
    said = f"{value} {question.unit}" if question.unit and rng.random() < 0.5 else value
    if terse:
        return rng.choice(("{}.", "{}.", "The answer is {}.", "Answer: {}.")).format(said)
    return rng.choice(FINALS).format(said)


def _sentences(working: Working, rng: random.Random) -> list[str]:
    """Lead and steps as sentences; the lead is left out once in five."""
    steps = [s[0].upper() + s[1:] + "." for s in working.steps]
    style, lead = rng.random(), working.lead
    if style < 0.2:
        return steps
    if style < 0.8:
        opening = lead[0].upper() + lead[1:]
        return [f"{opening}: {working.steps[0]}.", *steps[1:]]
    return [lead[0].upper() + lead[1:] + ".", *steps]


def prose(question: Question, working: Working, rng: random.Random) -> str:
    """A worked answer: lead, steps and final, phrased by what `rng` draws whatever they say."""
    sentences = [*_sentences(working, rng), _final(question, working.final, rng)]
    return " ".join(sentences)


def rambling(question: Question, working: Working, rng: random.Random) -> str:
    """A worked answer with two to four friendly sentences that say nothing."""
    sentences = [*_sentences(working, rng), _final(question, working.final, rng)]
    for filler in rng.sample(FILLERS, rng.randint(2, 4)):
        # Mostly at the ends: filler between steps is rarer, as in real rambling.
        place = rng.choice((0, 0, len(sentences), rng.randint(0, len(sentences))))
        sentences.insert(place, filler)
    return " ".join(sentences)


def _wrong(question: Question, rng: random.Random) -> str:
    mistake = rng.choice(("slip", "slip", "slip", "copy", "copy", "operation", "final"))
    for _ in range(8):
        working = mistaken(question, mistake, rng)
        if working is not None and working.final != question.answer:
            text = prose(question, working, rng)
            # One in six gives the wrong answer alone.
            return text if rng.random() > 0.16 else _final(question, working.final, rng, terse=True)
        mistake = rng.choice(MISTAKES)
    working = solve(question.op, question.operands, same)
    return prose(question, replace(working, final=wrong_final(question, rng)), rng)


def _off_point(question: Question, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return " ".join(rng.sample(OFF_POINT, rng.randint(1, 3)))
    while True:
        other = draw(rng, held_out=False)
        if other.answer != question.answer and other.op != question.op:
            return prose(other, solve(other.op, other.operands, same), rng)


def _garbled(question: Question, rng: random.Random) -> str:
    words = prose(question, solve(question.op, question.operands, same), rng).split()
    if rng.random() < 0.5:
        rng.shuffle(words)
    else:
        kept = [w for w in words if rng.random() > 0.3] or words[:1]
        words = [w for w in kept for _ in range(rng.choice((1, 1, 1, 2)))]
    broken = [_damaged(w, rng) if rng.random() < 0.35 else w for w in words]
    return " ".join([*broken, _damaged("gristle", rng)])


def _damaged(word: str, rng: random.Random) -> str:
    letters = list(word)
    rng.shuffle(letters)
    return "".join(letters) + rng.choice(("", "", "x", "qu", "zz", ";"))


def _incomplete(question: Question, rng: random.Random) -> str:
    working = solve(question.op, question.operands, same)
    words = " ".join([*_sentences(working, rng), "The answer is"]).split()
    cut = rng.randint(max(2, len(words) // 3), len(words))
    return " ".join(words[:cut])
