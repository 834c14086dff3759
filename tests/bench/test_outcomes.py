"""What a judge said of an item, and what it is worth."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.bench.items import Item, Turns
from gristmill.bench.outcomes import SAID, Asked, Outcome, credit, grid_credits, margin
from gristmill.records import Message


def answer(text: str) -> Turns:
    return (Message("assistant", text),)


def item(answers: int = 2, right: int = 1, *, grid: bool = False) -> Item:
    texts = tuple(answer(str(n)) for n in range(answers))
    return Item("1", "mine", (Message("user", "Q"),), texts, "f:1", right, grid)


def scored(*scores: float) -> Outcome:
    return Outcome(scores)


def chose(*replies: tuple[tuple[int, ...], int | None]) -> Outcome:
    return Outcome(None, tuple(Asked(order, pick) for order, pick in replies))


class TestPairs:
    @pytest.mark.parametrize(
        ("scores", "worth"),
        [((2, 1), 1), ((1, 2), 0), ((1, 1), 0), ((-1.5, -2), 1), ((0.0, -0.0), 0)],
    )
    def test_by_scores_a_tie_is_a_loss(self, scores: Any, worth: float) -> None:
        assert credit(item(), scored(*scores)) == worth

    def test_by_choice(self) -> None:
        assert credit(item(), chose(((0, 1), 0))) == 1
        assert credit(item(), chose(((1, 0), 0))) == 1
        assert credit(item(), chose(((1, 0), 1))) == 0

    def test_a_reply_that_cannot_be_read_is_worth_what_chance_is(self) -> None:
        assert credit(item(), chose(((0, 1), None))) == 0.5

    def test_two_orders(self) -> None:
        outcome = chose(((1, 0), 1), ((0, 1), 0))
        assert credit(item(), outcome) == 0.5
        assert credit(item(), outcome, 1) == 0
        assert credit(item(), chose(((1, 0), 0), ((0, 1), 0))) == 1
        assert credit(item(), chose(((1, 0), 0), ((0, 1), None))) == 0.75


class TestOneOfFour:
    @pytest.mark.parametrize(
        ("scores", "worth"),
        [
            ((3, 1, 1, 2), 1),
            ((3, 3, 1, 2), 1 / 2),
            ((3, 1, 3, 3), 1 / 3),
            ((3, 3, 3, 3), 1 / 4),
            ((2, 1, 3, 1), 0),
            ((2, 2, 3, 3), 0),
        ],
    )
    def test_those_that_share_the_highest_score_share_the_credit(
        self, scores: Any, worth: float
    ) -> None:
        assert credit(item(4), scored(*scores)) == pytest.approx(worth)

    def test_by_choice(self) -> None:
        assert credit(item(4), chose(((2, 0, 1, 3), 0))) == 1
        assert credit(item(4), chose(((2, 0, 1, 3), 2))) == 0
        assert credit(item(4), chose(((2, 0, 1, 3), None))) == 0.25
        assert credit(item(4), chose(((2, 0, 1, 3), None), ((3, 1, 0, 2), 0))) == 0.625

    @given(st.lists(st.integers(0, 3), min_size=4, max_size=4))
    def test_credits_of_all_four_add_up_to_one(self, scores: list[int]) -> None:
        turned = (scored(*scores[n:], *scores[:n]) for n in range(4))
        assert sum(credit(item(4), outcome) for outcome in turned) == pytest.approx(1)


class TestSeveralRight:
    @pytest.mark.parametrize(
        ("scores", "worth"),
        [((3, 2, 1, 0), 1), ((3, 1, 1, 0), 0), ((9, 1, 2, 0), 0), ((1, 1, 0, 0), 1)],
    )
    def test_all_of_them_must_be_above_all_others(self, scores: Any, worth: float) -> None:
        assert credit(item(4, 2), scored(*scores)) == worth
        assert margin(item(4, 2), scored(*scores)) == min(scores[:2]) - max(scores[2:])


class TestGrids:
    """Three styles: answers 0 to 2 are better, 3 to 5 worse."""

    GRID = item(6, 3, grid=True)

    def test_by_scores(self) -> None:
        outcome = scored(1, 2, 3, 0, 1, 2)
        cells = [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
        assert grid_credits(self.GRID, outcome) == cells
        assert credit(self.GRID, outcome) == pytest.approx(6 / 9)
        assert margin(self.GRID, outcome) == -1

    def replies(self, orders: int) -> Outcome:
        """The first shown is chosen where it is plain, else the better one; one is unreadable."""
        asked = []
        for row in range(3):
            for column in range(3, 6):
                forward = (row, column) if (row + column) % 2 else (column, row)
                for order in (forward, forward[::-1])[:orders]:
                    pick: int | None = order[0] if row == 0 else row
                    if (row, column) == (1, 4):
                        pick = None
                    asked.append((order, pick))
        return chose(*asked)

    def test_by_choice_in_one_order(self) -> None:
        # Row 0: shown first where row + column is odd: with 3 and 5.
        cells = [[1, 0, 1], [1, 0.5, 1], [1, 1, 1]]
        outcome = self.replies(1)
        assert grid_credits(self.GRID, outcome) == cells
        assert credit(self.GRID, outcome) == pytest.approx(7.5 / 9)
        assert margin(self.GRID, outcome) is None

    def test_by_choice_in_two_orders(self) -> None:
        outcome = self.replies(2)
        assert grid_credits(self.GRID, outcome) == [[0.5, 0.5, 0.5], [1, 0.5, 1], [1, 1, 1]]
        assert credit(self.GRID, outcome) == pytest.approx(7 / 9)
        # The first order alone, as if the other had not been asked.
        assert grid_credits(self.GRID, outcome, 1) == grid_credits(self.GRID, self.replies(1))
        assert credit(self.GRID, outcome, 1) == credit(self.GRID, self.replies(1))

    @given(st.lists(st.integers(0, 4), min_size=6, max_size=6))
    def test_it_is_the_mean_of_its_pairs(self, scores: list[int]) -> None:
        pairs = [credit(item(), scored(a, b)) for a in scores[:3] for b in scores[3:]]
        assert credit(self.GRID, scored(*scores)) == pytest.approx(sum(pairs) / 9)


class TestFailures:
    def test_a_failed_call_is_no_verdict(self) -> None:
        outcome = Outcome(failure=("timeout", "too slow"))
        for one in (item(), item(4), item(4, 2), TestGrids.GRID):
            assert math.isnan(credit(one, outcome))
            assert margin(one, outcome) is None


class TestMargin:
    def test_of_a_pair_and_of_four(self) -> None:
        assert margin(item(), scored(2.5, 1)) == 1.5
        assert margin(item(4), scored(2, 1, 3, 0)) == -1
        assert margin(item(), scored(1, 1)) == 0

    def test_there_is_none_without_scores(self) -> None:
        assert margin(item(), chose(((0, 1), 0))) is None


texts = st.text(max_size=30)
places = st.integers(0, 9)
asked = st.builds(Asked, st.lists(places, max_size=4).map(tuple), st.none() | places, texts)
counts = st.integers(0, 2**40)
outcomes = st.builds(
    Outcome,
    st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple),
    st.lists(asked, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
    counts,
    counts,
)


class TestPacking:
    @given(outcomes)
    def test_a_packed_outcome_is_the_same_again(self, outcome: Outcome) -> None:
        packed = orjson.loads(orjson.dumps(outcome.pack()))
        assert Outcome.unpack(packed) == outcome

    def test_of_a_long_reply_its_end_is_kept_where_the_verdict_is(self) -> None:
        long = "x" * SAID + "[[A]]"
        outcome = Outcome((1.0, 2.0), (Asked((0, 1), 0, long),), (long, "short"))
        found = Outcome.unpack(outcome.pack())
        assert found.asked[0].said == long[5:] and len(found.asked[0].said) == SAID
        assert found.said == (long[5:], "short")
        assert (found.scores, found.asked[0].pick) == ((1.0, 2.0), 0)
