"""Bench rows: RewardBench's columns, known truth, and no way to win without reading."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tutor import BENCH_SECTIONS, Question, bench_rows, grade, parse_question, questions
from gristmill.tutor.missing import GAPS, unanswerable
from gristmill.tutor.phrases import TEMPLATES
from gristmill.tutor.world import DAYS, MONTHS, WORDS

SUBSETS = list(chain(*BENCH_SECTIONS.values()))
UNASKED = "tutor-should-refuse"
Row = dict[str, str]
ROWS = list(bench_rows(3_000, 1))


def of(*subsets: str) -> list[Row]:
    return [row for row in ROWS if row["subset"] in subsets]


def asked(row: Row) -> Question:
    question = parse_question(row["prompt"])
    assert question is not None, row
    return question


def step_truths(question: Question, text: str) -> list[bool | None]:
    graded = grade(question, text)
    said = zip(graded.statements, graded.roles, strict=True)
    return [truth for (_, truth), role in said if role == "step"]


def test_the_sections_are_rewardbenchs():
    assert list(BENCH_SECTIONS) == ["Chat", "Chat Hard", "Safety", "Reasoning"]
    assert len(set(SUBSETS)) == len(SUBSETS) == 10


@pytest.mark.parametrize("subset", [s for s in SUBSETS if s != UNASKED])
def test_chosen_is_right_and_rejected_is_not(subset):
    assert len(of(subset)) == 300
    for row in of(subset):
        question = asked(row)
        assert question.held_out
        assert grade(question, row["chosen"]).right, row
        assert not grade(question, row["rejected"]).right, row


@pytest.mark.parametrize("subset", ["slip", "misread", "polish", "steps", "final"])
def test_a_wrong_worked_answer_is_worked_and_ends_in_a_false_answer(subset):
    for row in of(f"tutor-{subset}"):
        question = asked(row)
        graded = grade(question, row["rejected"])
        assert "step" in graded.roles and not graded.cut and graded.understood == 1
        assert graded.statements[graded.roles.index("final")][1] is False, row


def test_a_slip_changes_nothing_but_what_was_computed():
    values = re.compile(r"\d+|" + "|".join((*WORDS, *DAYS, *MONTHS)))
    for row in of("tutor-slip"):
        assert values.sub("_", row["chosen"]) == values.sub("_", row["rejected"])
        assert False in step_truths(asked(row), row["rejected"])


def test_an_early_step_is_false_before_the_last_one():
    for row in of("tutor-steps"):
        assert False in step_truths(asked(row), row["rejected"])[:-1], row


def test_only_the_final_answer_is_false():
    for row in of("tutor-final"):
        assert set(step_truths(asked(row), row["rejected"])) == {True}, row


def test_an_incomplete_one_gives_no_answer():
    assert all(grade(asked(row), row["rejected"]).final is None for row in of("tutor-incomplete"))


def test_polish_is_a_bare_answer_against_a_long_one():
    for row in of("tutor-polish"):
        assert not step_truths(asked(row), row["chosen"])
        assert "filler" in grade(asked(row), row["rejected"]).roles


class TestRefusals:
    def test_what_cannot_be_answered_is_none_of_the_tutors_questions(self):
        rng = random.Random(0)
        for question in questions(4_000, 2, held_out=True):
            assert parse_question(unanswerable(question, rng)[0]) is None

    def test_there_are_gaps_for_every_kind_of_question(self):
        assert set(GAPS) == {(op, kind) for op, kinds in TEMPLATES.items() for kind in kinds}
        assert min(map(len, GAPS.values())) >= 2

    def test_every_slot_is_filled(self):
        assert not any("{" in row["prompt"] + row["chosen"] for row in of(UNASKED))

    def test_both_subsets_refuse_in_the_same_words(self):
        def openings(subset: str, side: str) -> set[str]:
            return {" ".join(row[side].split()[:3]) for row in of(subset)}

        honest = openings(UNASKED, "chosen")
        assert len(honest) == 6 and honest == openings("tutor-should-respond", "rejected")

    def test_what_is_invented_is_worked_and_confident(self):
        for row in of(UNASKED):
            assert "nswer" in row["rejected"] and " is " in row["rejected"]


def share(rows: list[Row], measure: Callable[[str], int]) -> float:
    """How often the side with more of it is chosen; on a tie a coin is tossed."""
    more = [measure(row["chosen"]) - measure(row["rejected"]) for row in rows]
    return sum((m > 0) + (m == 0) / 2 for m in more) / len(rows)


def words(text: str) -> int:
    return len(text.split())


def digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def apologies(text: str) -> int:
    return text.lower().count("sorry") + text.count("cannot")


@pytest.mark.parametrize("section", ["Chat Hard", "Safety", "Reasoning"])
@pytest.mark.parametrize("measure", [words, len, digits, apologies])
def test_nobody_wins_a_section_without_reading(section, measure):
    assert 0.2 < share(of(*BENCH_SECTIONS[section]), measure) < 0.8


@pytest.mark.parametrize("subset", ["slip", "misread", "steps", "final"])
def test_length_does_not_give_a_worked_mistake_away(subset):
    assert 0.4 < share(of(f"tutor-{subset}"), words) < 0.6


def test_subsets_take_turns_and_ids_and_questions_are_distinct():
    for i, row in enumerate(ROWS):
        assert list(row) == ["prompt", "chosen", "rejected", "subset", "id"]
        assert row["subset"] == SUBSETS[i % 10]
        assert row["id"] == f"{row['subset']}:{i}"
        assert row["chosen"] != row["rejected"]
    answerable = [row["prompt"] for row in ROWS if row["subset"] != UNASKED]
    assert len(set(answerable)) == len(answerable)
    assert len({row["prompt"] for row in of(UNASKED)}) > 0.7 * len(of(UNASKED))


@settings(deadline=None)
@given(n=st.integers(0, 40), seed=st.integers(0, 10**18))
def test_the_same_rows_for_the_same_arguments_and_fewer_are_a_beginning(n, seed):
    rows = list(bench_rows(n, seed))
    assert rows == list(bench_rows(n + 3, seed))[:n]
    assert n == 0 or rows != list(bench_rows(n, seed + 1))
    counts = Counter(row["subset"] for row in rows)
    assert max(counts.values(), default=0) - min(counts[s] for s in SUBSETS) <= 1
    for row in rows:
        question = parse_question(row["prompt"])
        assert (question is None) == (row["subset"] == UNASKED)
        assert question is None or grade(question, row["chosen"]).right


def test_impossible_counts_are_refused_before_a_row_is_asked_for():
    for n in (-1, 100_001):
        with pytest.raises(ValueError, match="between 0 and 100000 rows"):
            bench_rows(n, 0)
