"""Figures of a reward model, against scipy and formulas written another way."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from gristmill.records import ATTRIBUTES
from gristmill.train import measure
from gristmill.train.measure import Judged

WEIGHTS = np.array([0.3, 0.74, 0.46, 0.47, -0.33])


def judged_of(
    scores: Any, labels: Any, rewards: Any = None, lengths: Any = None, prompts: Any = None
) -> Judged:
    scores, labels = np.asarray(scores, float), np.asarray(labels, float)
    n = len(scores)
    return Judged(
        scores,
        labels,
        np.nan_to_num(scores) @ WEIGHTS if rewards is None else np.asarray(rewards, float),
        np.arange(1, n + 1) if lengths is None else np.asarray(lengths),
        np.array([str(i // 2) for i in range(n)] if prompts is None else prompts),
    )


def made(n: int, seed: int = 0, missing: float = 0.0) -> Judged:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (n, 5)).astype(float)
    scores = 0.6 * labels + rng.normal(0.8, 0.7, (n, 5))
    labels[rng.random((n, 5)) < missing] = np.nan
    return judged_of(scores, labels, lengths=rng.integers(5, 300, n))


def test_attribute_figures_agree_with_scipy() -> None:
    judged = made(120, missing=0.2)
    for i, (name, found) in enumerate(measure.attribute_figures(judged).items()):
        assert name == ATTRIBUTES[i]
        known = ~np.isnan(judged.labels[:, i])
        s, y = judged.scores[known, i], judged.labels[known, i]
        assert found["n"] == known.sum()
        assert found["pearson"] == pytest.approx(stats.pearsonr(s, y).statistic)
        assert found["spearman"] == pytest.approx(stats.spearmanr(s, y).statistic)
        errors = [abs(a - b) for a, b in zip(s, y, strict=True)]
        assert found["mae"] == pytest.approx(sum(errors) / len(s))
        assert found["rmse"] ** 2 == pytest.approx(sum(e * e for e in errors) / len(s))
        mean = sum(y) / len(y)
        assert found["baseline_mae"] == pytest.approx(sum(abs(b - mean) for b in y) / len(y))
        assert found["label_std"] == pytest.approx(np.std(y))
        assert found["constant"] is False


def test_a_constant_label_has_no_correlation_and_two_labels_say_nothing() -> None:
    labels = np.full((6, 5), np.nan)
    labels[:, 0] = 3
    labels[:2, 1] = (1, 2)
    found = measure.attribute_figures(judged_of(np.random.default_rng(0).random((6, 5)), labels))
    assert found["helpfulness"]["constant"] is True
    assert found["helpfulness"]["pearson"] is None and found["helpfulness"]["spearman"] is None
    assert found["helpfulness"]["baseline_mae"] == 0
    assert found["correctness"]["n"] == 2
    assert {v for k, v in found["correctness"].items() if k != "n"} == {None}
    # A model that always says the same has no correlation either.
    same = measure.attribute_figures(judged_of(np.full((6, 5), 0.1), made(6).labels))
    assert same["helpfulness"]["pearson"] is None and same["helpfulness"]["constant"] is False


def test_ranks_agree_with_scipy() -> None:
    values = np.random.default_rng(1).integers(0, 9, 50)
    assert measure.ranks(values) == pytest.approx(stats.rankdata(values))


def test_calibration_of_a_model_that_says_half_a_point_too_much() -> None:
    labels = np.repeat(np.arange(5.0), 20)[:, None].repeat(5, 1)
    found = measure.calibration(judged_of(labels + 0.5, labels), bins=5)["coherence"]
    assert found["error"] == pytest.approx(0.5)
    assert [r["n"] for r in found["bins"]] == [20] * 5
    assert [r["label"] for r in found["bins"]] == [0, 1, 2, 3, 4]
    assert [r["predicted"] for r in found["bins"]] == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_bins_keep_equal_scores_together_and_hold_five() -> None:
    judged = made(200)
    found = measure.calibration(judged, bins=10)["helpfulness"]
    assert [r["n"] for r in found["bins"]] == [20] * 10
    order = np.argsort(judged.scores[:, 0])
    gaps = [
        abs(judged.scores[part, 0].mean() - judged.labels[part, 0].mean())
        for part in np.split(order, 10)
    ]
    assert found["error"] == pytest.approx(sum(gaps) / 10)
    same = measure.calibration(judged_of(np.full((50, 5), 2.0), made(50).labels))["helpfulness"]
    assert len(same["bins"]) == 1 and same["bins"][0]["n"] == 50
    few = measure.calibration(made(11))["helpfulness"]
    assert len(few["bins"]) == 2


def test_pairs_ties_lose_and_the_interval_is_wilsons() -> None:
    chosen, rejected = np.array([2.0, 1, 1, 5]), np.array([1.0, 1, 3, 4])
    found = measure.pair_figures(chosen, rejected, np.array([1, 2, 2, np.nan]))
    assert (found["n"], found["accuracy"], found["ties"]) == (4, 0.5, 1)
    assert found["margin"] == pytest.approx(0.0)
    wilson = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((wilson.low, wilson.high), abs=1e-6)
    strengths = [(r["from"], r["to"], r["n"], r["accuracy"]) for r in found["by_strength"]]
    assert strengths == [(1, 1, 1, 1.0), (2, 2, 2, 0.0)]
    assert "by_strength" not in measure.pair_figures(chosen, rejected)
    broken = measure.pair_figures(np.array([np.nan, 1]), np.array([0.0, 0]))
    assert (broken["accuracy"], broken["margin"]) == (0.5, 1.0)


def test_many_strengths_become_ranges() -> None:
    strength = np.linspace(0, 1, 80)
    rows = measure.pair_figures(np.ones(80), np.zeros(80), strength)["by_strength"]
    assert [r["n"] for r in rows] == [20] * 4
    assert rows[0]["from"] == 0 and rows[-1]["to"] == 1
    assert all(a["to"] < b["from"] for a, b in pairwise(rows))


def test_implied_pairs_by_hand() -> None:
    nan = np.nan
    labels = [
        [4, 4, 4, 1, 1],  # prompt a: better than the next
        [2, 1, 3, 1, 1],
        [2, 1, 3, 1, 1],  # equal to it, so no pair with it, but one with the first
        [3, nan, 3, 1, 1],  # other attributes known: no pair
        [1, nan, nan, nan, nan],  # prompt b: helpfulness alone, on both
        [3, nan, nan, nan, nan],
        [nan] * 5,  # prompt b too, nothing known
    ]
    rewards = [1.0, 0.5, 1.5, 9, 3, 2, 0]
    judged = judged_of(np.zeros((7, 5)), labels, rewards, prompts=list("aaaabbb"))
    found = measure.implied_pairs(judged, WEIGHTS)
    assert (found["n"], found["accuracy"], found["implied"]) == (3, pytest.approx(1 / 3), True)
    assert found["margin"] == pytest.approx((0.5 - 0.5 - 1) / 3)
    assert [r["n"] for r in found["by_strength"]] == [1, 2]
    assert measure.implied_pairs(judged, np.zeros(5))["accuracy"] is None


def test_a_label_without_weight_need_not_be_known() -> None:
    labels = [[4, np.nan, 1, 1, 1], [1, 2, 1, 1, 1]]
    judged = judged_of(np.zeros((2, 5)), labels, [1, 0])
    assert measure.implied_pairs(judged, np.array([1.0, 0, 0, 0, 0]))["n"] == 1
    assert measure.implied_pairs(judged, WEIGHTS)["n"] == 0


def test_length_bias_is_the_partial_spearman_correlation() -> None:
    rng = np.random.default_rng(3)
    judged = made(150)
    quality = judged.labels @ WEIGHTS
    lengths = rng.integers(5, 400, 150) + (20 * quality).astype(int)
    rewards = quality + 0.004 * lengths + rng.normal(0, 0.5, 150)
    judged = judged_of(judged.scores, judged.labels, rewards, lengths)
    found = measure.length_bias(judged, WEIGHTS)
    # The other formula, from the three plain correlations.
    xy = stats.spearmanr(rewards, np.log(lengths)).statistic
    xz, yz = (stats.spearmanr(v, quality).statistic for v in (rewards, lengths))
    partial = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert found["partial"] == pytest.approx(partial)
    assert found["partial"] > 0.3
    assert found["spearman"] == pytest.approx(xy)
    assert found["quality_spearman"] == pytest.approx(yz)


def test_length_bias_where_there_is_nothing_to_say() -> None:
    judged = made(40)
    exact = judged_of(judged.scores, judged.labels, judged.labels @ WEIGHTS)
    assert measure.length_bias(exact, WEIGHTS)["partial"] is None  # quality explains all of it
    same = judged_of(judged.scores, judged.labels, lengths=np.full(40, 7))
    assert measure.length_bias(same, WEIGHTS)["partial"] is None
    unknown = judged_of(judged.scores, np.full((40, 5), np.nan))
    assert measure.length_bias(unknown, WEIGHTS) == {
        "n": 0, "partial": None, "spearman": None, "quality_spearman": None
    }  # fmt: skip


def test_length_bias_of_pairs() -> None:
    lengths = np.array([[9, 3], [9, 3], [3, 9], [3, 9], [5, 5]])
    rewards = np.array([[2.0, 1], [1, 2], [1, 2], [1, 1], [0, 9]])
    assert measure.pair_length_bias(rewards, lengths) == {
        "n": 4,
        "longer_wins": 0.5,
        "longer_is_chosen": 0.5,
        "longer_wins_if_chosen": 0.5,
        "longer_wins_if_rejected": 0.5,
    }
    assert measure.pair_length_bias(rewards[:0], lengths[:0])["longer_wins"] is None


VALUES = st.one_of(
    st.floats(-1e30, 1e30),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, 2.0, 3.0, 4.0, 1e-300]),
)
SIZES = st.integers(0, 12)


@given(SIZES, st.data())
def test_nothing_gives_a_number_that_json_lacks(n: int, data: st.DataObject) -> None:
    def drawn(*shape: int) -> np.ndarray:
        return data.draw(arrays(np.float64, shape, elements=VALUES))

    keys = data.draw(st.lists(st.sampled_from("ab"), min_size=n, max_size=n))
    lengths = data.draw(arrays(np.int64, n, elements=st.integers(0, 5)))
    judged = Judged(drawn(n, 5), drawn(n, 5), drawn(n), lengths, np.array(keys, str))
    for figures in (
        measure.attribute_figures(judged),
        measure.calibration(judged),
        measure.implied_pairs(judged, WEIGHTS),
        measure.length_bias(judged, WEIGHTS),
        measure.pair_figures(drawn(n), drawn(n), drawn(n)),
        measure.pair_length_bias(drawn(n, 2), np.stack([lengths, lengths[::-1]], 1)),
    ):
        json.dumps(figures, allow_nan=False)


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_wilson_holds_the_share(n: int, share: float) -> None:
    wins = round(n * share)
    interval = measure.wilson(wins, n)
    assert interval is not None
    assert 0 <= interval[0] <= wins / n <= interval[1] <= 1
    assert measure.wilson(0, 0) is None
