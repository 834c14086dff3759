"""Questions: distinct, deterministic, re-readable; the held-out side never leaks."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.tutor import KINDS, QUALITIES, answer, parse_question, questions
from gristmill.tutor.world import is_held_out, mentions_held_out


def test_same_arguments_same_questions_and_distinct_texts():
    one, two = (questions(400, 3, held_out=False) for _ in range(2))
    assert one == two
    assert len({q.text for q in one}) == 400
    assert {q.kind for q in one} == set(KINDS)
    assert questions(400, 4, held_out=False) != one


def test_the_two_sides_share_no_combination():
    train = {c for q in questions(6_000, 0, held_out=False) for c in q.combos}
    held_out = {q.combos[0] for q in questions(3_000, 1, held_out=True)}
    assert not train & held_out
    assert all(is_held_out(c) for c in held_out)


def test_about_a_tenth_is_held_out():
    pairs = [("sum", (a, b)) for a in range(11, 100) for b in range(a, 100)]
    share = sum(map(is_held_out, pairs)) / len(pairs)
    assert 0.05 < share < 0.12  # multiples of ten are never held out


def test_story_and_plain_sum_fall_on_the_same_side():
    story = parse_question("Tom has 47 apples and gets 38 more. How many apples does Tom have now?")
    plain, turned = parse_question("What is 47 plus 38?"), parse_question("Add 38 and 47.")
    assert story is not None and plain is not None and turned is not None
    assert story.kind == "story" and plain.kind == "add"
    assert story.combos == plain.combos == turned.combos


def test_no_training_answer_writes_a_held_out_step():
    rng = random.Random(0)
    for question in questions(800, 5, held_out=False):
        for quality in QUALITIES:
            assert not mentions_held_out(answer(question, quality, rng))


@pytest.mark.parametrize("held_out", [True, False])
def test_every_question_is_read_back_from_its_text(held_out):
    for question in questions(1_500, 6, held_out=held_out):
        assert parse_question(question.text) == question


@given(st.text(max_size=200))
def test_parse_never_raises(text):
    parse_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What is 47 times 38?",
        "What is 12 minus 40?",
        "Turn 1 hours and 3 minutes into minutes.",
        "Turn 2 hours and 3 cents into cents.",
        "Count the words: quux, cat.",
        "Give the third of cat, dog.",
    ],
)
def test_parse_refuses_what_the_tutor_would_not_ask(text):
    assert parse_question(text) is None


def test_too_many_questions_are_refused():
    with pytest.raises(ValueError, match="between 0 and 100000"):
        questions(100_001, 0, held_out=True)
    assert questions(0, 0, held_out=True) == []
