"""Ties: each term of the score by hand (test_boards.py has reward-bench's own code beside it)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.bench.ties import Margins, margins, ties_score
from gristmill.intervals import Z95


def score(*rows: tuple[str, Margins]) -> float:
    found = ties_score(rows)
    assert found is not None
    return found[0]


def tied(gap: float, spread: float | None, number: int = 1) -> tuple[str, Margins]:
    return f"tied:{number}", Margins(gap, spread)


def ref(gap: float, number: int = 1) -> tuple[str, Margins]:
    return f"ref:{number}", Margins(gap, None)


class TestMargins:
    def test_the_lowest_right_one_and_the_highest_wrong_one(self) -> None:
        assert margins([5.0, 3.0, 4.0, 1.0, 2.5], 3) == Margins(0.5, 2.0)
        assert margins([5.0, 3.0, 4.0, 3.5, 2.5], 3) == Margins(-0.5, 2.0)

    def test_a_single_right_one_has_no_spread(self) -> None:
        assert margins([5.0, 3.0, 4.0], 1) == Margins(1.0, None)

    def test_equal_ones(self) -> None:
        assert margins([2.0, 2.0, 2.0], 2) == Margins(0.0, 0.0)

    @given(
        st.lists(st.floats(-9, 9), min_size=1, max_size=6),
        st.lists(st.floats(-9, 9), min_size=1, max_size=6),
        st.randoms(use_true_random=False),
    )
    def test_the_order_within_each_kind_is_no_matter(
        self, right: list[float], wrong: list[float], random: Any
    ) -> None:
        before = margins([*right, *wrong], len(right))
        random.shuffle(right)
        random.shuffle(wrong)
        assert margins([*right, *wrong], len(right)) == before
        assert before.spread is None or before.spread >= 0


class TestScore:
    def test_nothing(self) -> None:
        assert ties_score([]) is None

    def test_the_gap_of_the_tied_form_alone(self) -> None:
        assert score(tied(1.0, 0.5)) == pytest.approx(0.3)
        assert score(tied(0.0, 0.5)) == 0
        assert score(tied(-1.0, 0.5)) == 0

    def test_the_gap_of_the_single_form_alone(self) -> None:
        assert score(ref(1.0)) == pytest.approx(0.3)
        assert score(ref(0.0)) == 0

    def test_forms_of_different_prompts_do_not_meet(self) -> None:
        assert score(ref(9.0, 1), tied(9.0, 1.0, 2)) == pytest.approx(0.6)

    def test_all_terms(self) -> None:
        # The gap of both forms is above the spread: 0.3 + 0.3 + 0.2 + 0.2 + 0.01 tanh(4/2 - 1).
        found = score(ref(4.0), tied(5.0, 2.0))
        assert found == pytest.approx(1 + 0.01 * math.tanh(1))

    def test_the_lesser_gap_decides_the_hard_term(self) -> None:
        # Only the tied form's gap is above the spread.
        found = score(ref(1.0), tied(5.0, 2.0))
        assert found == pytest.approx(0.8 + 0.01 * math.tanh(-0.5))
        # Only the single form's is.
        found = score(ref(5.0), tied(1.0, 2.0))
        assert found == pytest.approx(0.6 + 0.01 * math.tanh(-0.5))

    def test_a_gap_as_large_as_the_spread_is_not_above_it(self) -> None:
        assert score(ref(2.0), tied(2.0, 2.0)) == pytest.approx(0.6)

    def test_right_answers_that_score_alike(self) -> None:
        """A spread of 0 has no ratio: the small term is that of the other prompts."""
        assert score(ref(1.0), tied(1.0, 0.0)) == pytest.approx(1.0)
        assert score(ref(1.0), tied(0.0, 0.0)) == pytest.approx(0.3)
        # However small, a spread that is above 0 has one.
        assert score(ref(1.0), tied(1.0, 0.01)) == pytest.approx(1.01)
        found = score(ref(1.0), tied(1.0, 0.0), ref(1.0, 2), tied(1.0, 2.0, 2))
        assert found == pytest.approx(0.3 + 0.3 + 0.1 + 0.1 + 0.01 * math.tanh(-0.5))

    def test_one_right_answer_of_the_tied_form_counts_by_its_gap_alone(self) -> None:
        assert score(ref(1.0), tied(1.0, None)) == pytest.approx(0.6)
        found = score(ref(1.0), tied(1.0, None), ref(4.0, 2), tied(5.0, 2.0, 2))
        assert found == pytest.approx(1 + 0.01 * math.tanh(1))

    def test_each_term_has_its_own_prompts(self) -> None:
        rows = [tied(1, 2, 1), tied(-1, 2, 2), tied(3, 1, 3), ref(-2, 1), ref(3, 3), ref(1, 4)]
        # tied 2 of 3; ref 2 of 3; both forms: 1 and 3, of which the gaps of 3 are above its spread.
        small = (math.tanh(-2 / 2 - 1) + math.tanh(3 / 1 - 1)) / 2
        expected = 0.3 * 2 / 3 + 0.3 * 2 / 3 + 0.2 / 2 + 0.2 / 2 + 0.01 * small
        assert score(*rows) == pytest.approx(expected)

    def test_ids_of_no_such_form_are_tied_ones(self) -> None:
        plain = [("17", Margins(1.0, 1.0)), ("my:17", Margins(-1.0, 1.0))]
        assert score(*plain) == pytest.approx(0.15)

    def test_ids_that_only_end_alike_are_two_prompts(self) -> None:
        rows = [("a.jsonl:1", Margins(1.0, 1.0)), ("b.jsonl:1", Margins(-1.0, 1.0))]
        assert score(*rows) == score(*reversed(rows)) == pytest.approx(0.15)
        # Nor is a row without a form the other form of one that has it.
        assert score(ref(1.0, 1), ("a.jsonl:1", Margins(9.0, 1.0))) == pytest.approx(0.6)

    @given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 9)), min_size=1))
    def test_it_is_between_nothing_and_everything(self, prompts: Any) -> None:
        rows = [
            row
            for n, (single, gap, spread) in enumerate(prompts)
            for row in (ref(single, n), tied(gap, spread, n))
        ]
        found = ties_score(rows)
        assert found is not None
        assert -0.01 <= found[0] <= 1.01
        assert found[1] >= 0
        assert ties_score(reversed(rows)) == pytest.approx(found)


class TestInterval:
    def test_of_one_row_there_is_none(self) -> None:
        assert ties_score([tied(1.0, 2.0)]) == (pytest.approx(0.3), 0)

    def test_errors_of_the_terms_add_up(self) -> None:
        rows = [tied(1, 2, 1), tied(-1, 2, 2), tied(3, 1, 3), ref(-2, 1), ref(3, 3), ref(1, 4)]
        found = ties_score(rows)
        assert found is not None
        terms = [
            (0.3, [1, 0, 1]),
            (0.3, [0, 1, 1]),
            (0.2, [0, 1]),
            (0.2, [0, 1]),
            (0.01, [math.tanh(-2), math.tanh(2)]),
        ]
        errors = (w * np.std(v, ddof=1) / math.sqrt(len(v)) for w, v in terms)
        assert found[1] == pytest.approx(Z95 * sum(errors))
