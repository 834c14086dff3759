"""Two judges on the same items: McNemar's test, kappa, and differences from paired items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from gristmill.bench.boards import REWARDBENCH, REWARDBENCH_2, Board
from gristmill.bench.compare import comparison, mcnemar
from gristmill.bench.items import Item
from gristmill.bench.outcomes import Asked, Outcome
from gristmill.bench.tally import Bench, Tally
from gristmill.intervals import Z95
from gristmill.records import Message

CORE = tuple(name for name in REWARDBENCH.sections if name not in REWARDBENCH.optional)

RIGHT, WRONG, FAILED = Outcome((1.0, 0.0)), Outcome((0.0, 1.0)), Outcome(failure=("server", "no"))
UNREADABLE = Outcome(None, (Asked((0, 1), None),))


def outcome(credit: float) -> Outcome:
    """1, 0, a half or NaN as what a judge said of a pair."""
    if math.isnan(credit):
        return FAILED
    return {1.0: RIGHT, 0.0: WRONG, 0.5: UNREADABLE}[credit]


def compared(
    subsets: Sequence[str], first: Sequence[Any], second: Sequence[Any], board: Board | None = None
) -> dict[str, Any]:
    """The comparison of two judges, each given by its credits or its outcomes of all items."""
    counts: dict[str, int] = {}
    for name in subsets:
        counts[name] = counts.get(name, 0) + 1
    bench = Bench("data", board, counts)
    a, b = (Tally(bench, cast(Any, None)) for _ in range(2))
    for number, rows in enumerate(zip(subsets, first, second, strict=True)):
        answers = tuple((Message("assistant", text),) for text in ("good", "bad"))
        item = Item(str(number), rows[0], (Message("user", "Q"),), answers, f"f:{number}")
        bench.add(item)
        for tally, given_ in zip((a, b), rows[1:], strict=True):
            tally.add(item, given_ if isinstance(given_, Outcome) else outcome(given_))
    return comparison(bench, "one", "two", a, b)


class TestMcNemar:
    @pytest.mark.parametrize("first", [*range(9), 20, 41])
    def test_small_ones(self, first: int) -> None:
        for second in (*range(9), 20, 40, 41, 77):
            if first + second:
                expected = binomtest(first, first + second, 0.5).pvalue
                assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)

    @given(st.integers(0, 400), st.integers(0, 400))
    def test_any_ones(self, first: int, second: int) -> None:
        found = mcnemar(first, second)
        assert found == mcnemar(second, first)
        assert 0 <= found <= 1
        if first + second:
            expected = binomtest(first, first + second, 0.5).pvalue
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-300)

    @pytest.mark.parametrize(
        ("first", "second"),
        [(5000, 5200), (10_000, 10_000), (0, 1000), (900, 1100), (50_000, 50_500), (0, 5000)],
    )
    def test_large_ones(self, first: int, second: int) -> None:
        expected = binomtest(first, first + second, 0.5).pvalue
        assert mcnemar(first, second) == pytest.approx(expected, rel=1e-7, abs=1e-300)

    def test_nothing_to_tell_them_apart(self) -> None:
        assert mcnemar(0, 0) == mcnemar(1, 1) == mcnemar(1, 0) == 1

    def test_by_hand(self) -> None:
        # 1 and 5: 2 (1 + 6) / 64.
        assert mcnemar(1, 5) == pytest.approx(14 / 64)


class TestAgreement:
    def test_by_hand(self) -> None:
        first = [1] * 20 + [1] * 5 + [0] * 10 + [0] * 15
        second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
        found = compared(["x"] * 50, first, second)
        assert (found["only_first"], found["only_second"], found["items"]) == (5, 10, 50)
        assert found["agreement"] == pytest.approx(0.7)
        # Right: 0.5 and 0.6; by chance alike in 0.5 x 0.6 + 0.5 x 0.4 = 0.5.
        assert found["kappa"] == pytest.approx((0.7 - 0.5) / 0.5)
        assert found["p"] == pytest.approx(binomtest(5, 15, 0.5).pvalue)
        assert (found["first"], found["second"]) == ("one", "two")

    def test_less_than_chance(self) -> None:
        found = compared(["x"] * 4, [1, 1, 0, 0], [0, 0, 1, 1])
        assert (found["agreement"], found["kappa"]) == (0, pytest.approx(-1))

    @pytest.mark.parametrize("credit", [0, 1])
    def test_where_chance_is_certain_there_is_no_kappa(self, credit: int) -> None:
        found = compared(["x"] * 3, [credit] * 3, [credit] * 3)
        assert (found["agreement"], found["kappa"], found["p"]) == (1, None, 1)

    def test_one_that_is_always_right(self) -> None:
        found = compared(["x"] * 4, [1, 1, 1, 1], [1, 1, 0, 0])
        assert (found["agreement"], found["kappa"]) == (0.5, 0)

    def test_items_without_a_verdict_of_both_are_left_out(self) -> None:
        nan = math.nan
        found = compared(["x"] * 5, [1, nan, 0, 1, nan], [0, 1, nan, 1, nan])
        assert (found["items"], found["only_first"], found["only_second"]) == (2, 1, 0)
        assert found["difference"]["mean"] == 0.5 and found["difference"]["n"] == 2

    def test_what_is_worth_a_half_is_not_right_and_counts_in_the_difference(self) -> None:
        found = compared(["x"] * 4, [0.5, 1, 1, 0.5], [0, 0, 1, 0.5])
        assert (found["items"], found["only_first"], found["only_second"]) == (4, 1, 0)
        assert found["agreement"] == 0.75
        assert found["difference"]["mean"] == pytest.approx(1.5 / 4)

    def test_nothing_that_both_judged(self) -> None:
        found = compared(["x"] * 2, [1, math.nan], [math.nan, 1])
        assert (found["items"], found["p"], found["agreement"], found["kappa"]) == (
            0,
            1,
            None,
            None,
        )
        assert found["difference"]["mean"] is None and found["sections"] == {}
        board = compared(["hep-go"] * 2, [1, math.nan], [math.nan, 1], REWARDBENCH)
        assert board["difference"]["mean"] is None and board["sections"] == {}


def drawn(seed: int, subsets: Sequence[str], most: int = 40) -> tuple[list[str], Any, Any]:
    """Random credits of two judges on random numbers of items of these subsets, shuffled."""
    rng = np.random.default_rng(seed)
    names = [name for name in subsets for _ in range(rng.integers(6, most))]
    rng.shuffle(names)
    values = np.array([0, 1, 0.5, math.nan])
    first = rng.choice(values, len(names), p=[0.25, 0.6, 0.1, 0.05])
    second = np.where(rng.random(len(names)) < 0.5, first, rng.choice(values[:2], len(names)))
    return names, first, second


def means(names: Sequence[str], values: np.ndarray) -> dict[str, tuple[float, float]]:
    """Subset -> (mean, squared standard error), NaN left out."""
    found = {}
    for name in dict.fromkeys(names):
        known = values[(np.array(names) == name) & np.isfinite(values)]
        if len(known):
            found[name] = (known.mean(), known.var(ddof=1) / len(known))
    return found


class TestDifferences:
    @pytest.mark.parametrize("seed", range(3))
    def test_of_pairs_of_any_kind(self, seed: int) -> None:
        names, first, second = drawn(seed, ["a", "b"])
        differences = first - second
        known = differences[np.isfinite(differences)]
        found = compared(names, first, second)
        se = known.std(ddof=1) / math.sqrt(len(known))
        assert found["difference"] == pytest.approx(
            {
                "mean": known.mean(),
                "se": se,
                "low": known.mean() - Z95 * se,
                "high": known.mean() + Z95 * se,
                "n": len(known),
            }
        )
        assert found["sections"] == {}

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("prior", [False, True])
    def test_on_a_board_it_is_that_of_the_scores(self, seed: int, prior: bool) -> None:
        sections = [s for s in REWARDBENCH.sections if prior or s not in REWARDBENCH.optional]
        subsets = [name for section in sections for name in REWARDBENCH.sections[section]]
        names, first, second = drawn(seed, [*subsets, "mtbench_human"], 16)
        found = compared(names, first, second, REWARDBENCH)
        parts = means(names, first - second)
        share = 2 / 9 if prior else 1 / 4
        score, variance = 0.0, 0.0
        for section in sections:
            weights = {n: w for n, w in REWARDBENCH.sections[section].items() if n in parts}
            total = sum(weights.values())
            mean = sum(w * parts[n][0] for n, w in weights.items()) / total
            square = sum((w / total) ** 2 * parts[n][1] for n, w in weights.items())
            se = math.sqrt(square)
            assert found["sections"][section] == pytest.approx(
                {"mean": mean, "se": se, "low": mean - Z95 * se, "high": mean + Z95 * se}
            )
            part = share if section in CORE else share / 2
            score, variance = score + part * mean, variance + part**2 * square
        assert list(found["sections"]) == sections
        se = math.sqrt(variance)
        assert found["difference"] == pytest.approx(
            {"mean": score, "se": se, "low": score - Z95 * se, "high": score + Z95 * se}
        )

    def test_it_is_the_difference_of_the_two_scores(self) -> None:
        """Where both judged everything."""
        names, first, second = drawn(7, REWARDBENCH_2.subsets)
        first, second = np.nan_to_num(first), np.nan_to_num(second)
        found = compared(names, first, second, REWARDBENCH_2)
        scores = [
            REWARDBENCH_2.score(
                REWARDBENCH_2.section_scores({n: m for n, (m, _) in means(names, values).items()})
            )
            for values in (first, second)
        ]
        assert scores[0] is not None and scores[1] is not None
        assert found["difference"]["mean"] == pytest.approx(scores[0] - scores[1])

    def test_it_turns_round_with_the_judges(self) -> None:
        names, first, second = drawn(3, REWARDBENCH_2.subsets)
        there = compared(names, first, second, REWARDBENCH_2)
        back = compared(names, second, first, REWARDBENCH_2)
        assert there["difference"]["mean"] == pytest.approx(-back["difference"]["mean"])
        assert there["difference"]["low"] == pytest.approx(-back["difference"]["high"])
        assert (there["only_first"], there["p"]) == (back["only_second"], back["p"])
        assert there["kappa"] == pytest.approx(back["kappa"])

    def test_without_all_sections_it_is_that_of_accuracy(self) -> None:
        names, first, second = drawn(4, ["hep-go", "math-prm", "donotanswer"])
        found = compared(names, first, second, REWARDBENCH)
        known = (first - second)[np.isfinite(first - second)]
        assert found["difference"]["mean"] == pytest.approx(known.mean())
        assert found["difference"]["n"] == len(known)
        assert list(found["sections"]) == ["Safety", "Reasoning"]

    def test_a_board_counts_one_order_and_pairs_count_both(self) -> None:
        """In the difference, that is; the test of verdicts is of the first order alone."""
        both = Outcome(None, (Asked((0, 1), 0), Asked((1, 0), 1)))
        subsets = list(REWARDBENCH_2.subsets)
        board = compared(subsets, [both] * 6, [0] * 6, REWARDBENCH_2)
        assert (board["difference"]["mean"], board["only_first"]) == (pytest.approx(1), 6)
        pairs = compared(subsets, [both] * 6, [0] * 6)
        # The test is of one verdict each: that of the first order.
        assert (pairs["difference"]["mean"], pairs["only_first"]) == (0.5, 6)
