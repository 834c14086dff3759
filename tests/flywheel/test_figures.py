"""Means, errors, gains and win rates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gristmill.flywheel import words
from gristmill.flywheel.figures import (
    Marks,
    clear,
    gain,
    gains,
    mean_of,
    share_of_gain,
    summary,
    win_rate,
)


def marks(right: list[list[float]], rewards: list[list[float]] | None = None) -> Marks:
    table = np.array(right)
    given = np.array(rewards if rewards is not None else right, dtype=float)
    return Marks(table, given, table[:, 0], given[:, 0])


def test_the_error_is_that_of_clusters() -> None:
    rng = np.random.default_rng(0)
    table = (rng.random((40, 4)) < rng.random((40, 1))).astype(float)
    found = summary(marks(table.tolist()))["accuracy"]
    residuals = (table - table.mean()).sum(1)
    # The cluster-robust variance of a mean with the small-sample factor G / (G - 1).
    variance = (residuals**2).sum() / table.size**2 * 40 / 39
    assert found["mean"] == pytest.approx(table.mean())
    assert found["se"] == pytest.approx(math.sqrt(variance))


def test_a_gain_is_paired() -> None:
    before, after = marks([[0, 1], [0, 0], [1, 1]]), marks([[1, 1], [0, 1], [1, 1]])
    found = gain(after, before)
    assert found["mean"] == pytest.approx(1 / 3)
    assert found["se"] == pytest.approx(np.std([0.5, 0.5, 0.0], ddof=1) / math.sqrt(3))
    assert gains(after, before)["greedy"]["mean"] == pytest.approx(1 / 3)


def test_win_rates_count_ties_half_and_leave_failures_out() -> None:
    nan = math.nan
    one = marks([[1, 1], [1, 1], [1, 1]], [[2, 3], [1, nan], [nan, nan]])
    two = marks([[1, 1], [1, 1], [1, 1]], [[2, 2], [0, 5], [1, 1]])
    found = win_rate(one, two)
    # First prompt: 0.5, 0.5, 1, 1; second: 1, 0; third: nothing.
    assert found["mean"] == pytest.approx((0.75 + 0.5) / 2)
    assert found["battles"] == 6 and found["n"] == 2
    other = win_rate(two, one)
    assert found["mean"] + other["mean"] == pytest.approx(1)


def test_nothing_but_failures_gives_no_number_and_no_warning() -> None:
    empty = marks([[0.0], [0.0]], [[math.nan], [math.nan]])
    found = summary(empty)
    assert found["reward"]["mean"] is None
    assert win_rate(empty, empty)["mean"] is None
    assert words.number(found["reward"]) == "–"
    assert words.share(win_rate(empty, empty)) == "–"


def test_one_prompt_has_no_error() -> None:
    found = mean_of(np.array([0.5]))
    assert found["se"] is None and found["mean"] == 0.5
    assert words.share(found) == "50.0\u202f%"
    assert words.points(found, "accuracy") == "+50.0"


def test_a_share_of_the_oracles_gain() -> None:
    zero = marks([[0.0, 0.0]] * 50 + [[1.0, 1.0]] * 50)
    best = marks([[1.0, 1.0]] * 100)
    half = marks([[1.0, 0.0]] * 50 + [[1.0, 1.0]] * 50)
    found = share_of_gain(half, best, zero)
    assert found is not None and found["mean"] == pytest.approx(0.5)
    assert share_of_gain(best, zero, zero) is None


def test_the_share_is_a_ratio_of_means_with_its_own_error() -> None:
    rng = np.random.default_rng(3)
    zero, best = marks([[0.0]] * 400), marks((rng.random((400, 1)) < 0.6).astype(float).tolist())
    assert best.right is not None
    now = marks((best.right * (rng.random((400, 1)) < 0.5)).tolist())
    found = share_of_gain(now, best, zero)
    assert found is not None and now.right is not None
    draws = [rng.integers(0, 400, 400) for _ in range(800)]
    ratios = [now.right[d].mean() / best.right[d].mean() for d in draws]
    assert found["mean"] == pytest.approx(now.right.mean() / best.right.mean())
    assert found["se"] == pytest.approx(np.std(ratios), rel=0.15)


def test_the_share_is_of_the_prompts_that_both_were_graded_on() -> None:
    nan = math.nan
    zero = Marks(None, np.zeros((40, 1)), None, np.zeros(40))
    best = Marks(None, np.array([[1.0]] * 39 + [[nan]]), None, np.ones(40))
    now = Marks(None, np.array([[nan]] + [[0.5]] * 38 + [[100.0]]), None, np.ones(40))
    found = share_of_gain(now, best, zero)
    assert found is not None and found["mean"] == pytest.approx(0.5) and found["n"] == 38


def test_the_same_gain_everywhere_is_clear_though_its_error_is_nought() -> None:
    zero, best = marks([[0.0, 0.0]] * 5), marks([[1.0, 1.0]] * 5)
    assert clear(gain(best, zero)) == 1 and clear(gain(zero, best)) == -1
    assert clear(gain(best, best)) == 0
    assert clear(gain(marks([[1.0]]), marks([[0.0]]))) == 0


def test_failed_answers_are_wrong_and_have_no_reward() -> None:
    found = summary(Marks(np.array([[1.0, 0.0]]), np.array([[2.0, math.nan]]), None,
                          np.array([math.nan]), 2))  # fmt: skip
    assert found["accuracy"]["mean"] == 0.5 and found["reward"]["mean"] == 2.0
    assert found["greedy"] is None and found["greedy_reward"]["mean"] is None
    assert found["failed"] == 2


def test_nothing_graded_scores_below_everything() -> None:
    nothing = Marks(None, np.full((3, 2), math.nan), None, np.full(3, math.nan))
    assert nothing.mean_score == -math.inf
    assert gain(nothing, nothing)["mean"] is None
    assert words.points(gain(nothing, nothing), "reward") == "–"


def test_a_nought_is_never_negative() -> None:
    found = {"mean": -0.0004, "se": 0.001, "low": -0.002, "high": 0.002}
    assert words.points(found, "accuracy") == "+0.0 ± 0.1"
    assert words.plain(found) == "0.00" and words.number(found) == "0.00 ± 0.00"
