"""Answers of every quality."""

import random

import pytest

from gristmill.tutor import QUALITIES, answer, questions
from gristmill.tutor.solve import Slip, solve


def test_same_seed_same_answers():
    (question,) = questions(1, 0, held_out=False)
    for quality in QUALITIES:
        one, two = (answer(question, quality, random.Random(5)) for _ in range(2))
        assert one == two


def test_unknown_quality_is_refused():
    (question,) = questions(1, 0, held_out=False)
    with pytest.raises(ValueError, match="quality 'perfect' is not one of"):
        answer(question, "perfect", random.Random(0))


def test_true_working_reaches_the_truth():
    for held_out in (True, False):
        for question in questions(1_000, 2, held_out=held_out):
            assert solve(question.op, question.operands).final == question.answer


def test_a_slip_carries_on():
    working = solve("add", (47, 38), Slip(0, random.Random(0)))
    tens = working.steps[0].split()[-1]
    assert tens != "70"
    assert working.steps[2].startswith(f"{tens} plus 15 is ")
