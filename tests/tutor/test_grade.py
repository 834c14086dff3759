"""Grading judges every statement, and never crashes."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.tutor import QUALITIES, Question, answer, grade, parse_question, questions

RIGHT = {"right", "terse", "rambling"}


def ask(text: str) -> Question:
    question = parse_question(text)
    assert question is not None
    return question


SUM = ask("What is 47 plus 38?")
HOURS = ask("How many minutes are 3 hours and 5 minutes?")
SORT = ask("Sort these numbers from smallest to largest: 83, 12, 47.")
DAY = ask("What day comes 3 days after Friday?")
REVERSE = ask("Reverse this list: cat, dog, sun.")
STORY = ask("Tom has 47 apples and gets 38 more. How many apples does Tom have now?")


@pytest.mark.parametrize("quality", QUALITIES)
def test_grade_agrees_with_how_the_answer_was_made(quality):
    rng = random.Random(1)
    for question in questions(500, 2, held_out=False):
        text = answer(question, quality, rng)
        assert grade(question, text).right == (quality in RIGHT), (question.text, text)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (SUM, "85"),
        (SUM, "The answer is 85"),
        (SUM, "47 plus 38: 40 plus 30 is 70. 7 plus 8 is 15. 70 plus 15 is 85. Answer: 85."),
        (SUM, "38 plus 47. 40 + 30 = 70. So the answer is 85."),
        (HOURS, "3 hours is 180 minutes. 180 plus 5 is 185. The answer is 185 minutes."),
        (SORT, "The smallest is 12. Then 47. Then 83. The answer is 12, 47, 83."),
        (DAY, "1 is Saturday, 2 is Sunday, 3 is Monday. The answer is Monday."),
        (REVERSE, "The answer is sun, dog, and cat."),
        (STORY, "The answer is 85 apples."),
    ],
)
def test_right(question, text):
    assert grade(question, text).right


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (SUM, ""),
        (SUM, "The answer is."),
        (SUM, "The answer is eighty-five, I am sure, or so."),
        (SUM, "40 plus 30 is 80. The answer is 85."),  # the right number after a false step
        (SUM, "47 plus 83: the answer is 85."),  # a wrong operand restated
        (SUM, "The answer is 85. The answer is 86."),
        (SUM, "47 plus 38: 40 plus 30 is 70. 7 plus 8 is 15."),  # no answer given
        (SUM, "zxq wvut pqrs lmno uvw. xyz abc. The answer is 85."),  # not understandable
        (HOURS, "3 hours is 180 seconds. The answer is 185."),
        (HOURS, "The answer is 185 hours."),
        (SORT, "The smallest is 12. Then 83. Then 47. The answer is 12, 47, 83."),
        (SORT, "The answer is 83, 47, 12."),
        (DAY, "1 is Sunday, 2 is Sunday, 3 is Monday. The answer is Monday."),
        (REVERSE, "1 is cat, 2 is sun. The answer is sun, dog, cat."),
        (STORY, "The answer is 85 coins."),
        (SUM, "The answer is 85. " * 1_000),  # longer than what is read
    ],
)
def test_not_right(question, text):
    assert not grade(question, text).right


def test_statements_carry_their_truth():
    graded = grade(SUM, "47 plus 38: 40 plus 30 is 70. 7 plus 8 is 14. Birds sing. Answer: 84.")
    assert graded.statements == (
        ("47 plus 38", True),
        ("40 plus 30 is 70", True),
        ("7 plus 8 is 14", False),
        ("Birds sing", None),
        ("Answer: 84", False),
    )
    assert graded.final == "84"
    assert (graded.true_steps, graded.false) == (1, 2)


def test_ends_point_behind_each_statement():
    rng = random.Random(3)
    for question in questions(200, 4, held_out=False):
        text = answer(question, "right", rng)
        graded = grade(question, text)
        for (statement, _), end in zip(graded.statements, graded.ends, strict=True):
            assert text[:end].endswith(statement), (text, statement)


ALPHABET = "0123456789 .,:;!?+-=\nabcdefgisThe"


@given(st.one_of(st.text(max_size=300), st.text(ALPHABET, max_size=300)))
def test_never_raises(text):
    for question in (SUM, HOURS, SORT, DAY, REVERSE):
        assert grade(question, text).right in (True, False)


@given(st.permutations(["The", "answer", "is", "85", ".", "plus", "40", "30", "70"]))
def test_shuffled_words_never_raise(words):
    grade(SUM, " ".join(words))


def test_800_answers_in_well_under_a_second():
    rng = random.Random(0)
    pairs = [(q, answer(q, "rambling", rng)) for q in questions(800, 0, held_out=False)]
    began = time.process_time()
    for question, text in pairs:
        grade(question, text)
    assert time.process_time() - began < 0.8
