"""Text to train language models of this world on, all of it on the training side."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .answers import answer
from .ask import draw
from .missing import unanswerable
from .world import KINDS, Question

CHAT = "<extra_id_0>System\n\n<extra_id_1>User\n{}\n<extra_id_1>Assistant\n{}\n<extra_id_1>"
"""A conversation as the family's chat template writes it (`nemotron.chat`)."""

EMPHASIS = {"sort": 2.0, "compare": 1.5, "story": 1.5}
"""Kinds that are learned more slowly come more often."""

GOOD = {"right": 80, "terse": 6, "rambling": 14}
"""Per cent of each quality among the answers of documents."""

MIXED = {
    "right": 24,
    "terse": 9,
    "rambling": 9,
    "wrong": 36,
    "off_point": 4,
    "garbled": 9,
    "incomplete": 9,
}
"""Of conversations: little and noisy on purpose, so that who learns from them knows more than it
shows, which is what a filter can find and a flywheel can win back. Measured, not derived."""

GAPS = 0.06
"""The share of questions that nobody can answer; the answer says so."""


def text_rows(n: int, seed: int) -> Iterator[dict[str, str]]:
    """`n` documents to pretrain on: a question and a right answer each, half of them marked as
    such, three in ten as a chat, the others plain. Deterministic; fewer begin as more do."""
    rng = random.Random(f"gristmill.text:{seed}")
    for _ in range(n):
        asked, said = _answered(rng, GOOD)
        shape = rng.random()
        if shape < 0.5:
            text = f"Question: {asked}\nAnswer: {said}"
        elif shape < 0.8:
            text = CHAT.format(asked, said)
        else:
            text = f"{asked} {said}"
        yield {"text": text}


def chat_rows(n: int, seed: int) -> Iterator[dict[str, str]]:
    """`n` conversations of one turn, answered well or badly (`MIXED`). Deterministic."""
    rng = random.Random(f"gristmill.chat:{seed}")
    for _ in range(n):
        asked, said = _answered(rng, MIXED)
        yield {"prompt": asked, "response": said}


def _answered(rng: random.Random, mix: dict[str, int]) -> tuple[str, str]:
    question = _question(rng)
    if rng.random() < GAPS:
        return unanswerable(question, rng)
    quality = rng.choices(list(mix), list(mix.values()))[0]
    return question.text, answer(question, quality, rng)


def _question(rng: random.Random) -> Question:
    kind = rng.choices(KINDS, [EMPHASIS.get(k, 1.0) for k in KINDS])[0]
    return draw(rng, held_out=False, kind=kind)
