"""Thresholds: bounds, quantiles, and what a missing score means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import ConfigError
from gristmill.filters.threshold import Threshold
from gristmill.parts import open_part
from gristmill.records import Sample
from mills import prompt, sample, verdict

ATTRIBUTES = (1.0, 2.0, 3.0, 4.0, 0.5)
ASKED = prompt("Q?")


def threshold(**values: Any) -> Threshold:
    return open_part("gristmill.filters", {"threshold": values}, "keep[0]")


def reason(bounds: dict[str, Any], judged: Sample) -> str:
    return threshold(**bounds).reason(ASKED, judged)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"correctness": 2}, ""),
        ({"correctness": 2.001}, "threshold:correctness"),
        ({"correctness": {"min": 2, "max": 2}}, ""),
        ({"verbosity": {"max": 0.5}}, ""),
        ({"verbosity": {"max": 0.4}}, "threshold:verbosity"),
        ({"reward": {"min": -1, "max": 1.5}}, ""),
        ({"reward": 1.6}, "threshold:reward"),
        ({"helpfulness": 1, "correctness": 3, "coherence": 9}, "threshold:correctness"),
        ({"complexity": 0}, ""),
    ],
)
def test_bounds_are_inclusive_and_the_first_broken_one_is_named(
    bounds: dict[str, Any], expected: str
) -> None:
    assert reason(bounds, sample(0, "a", verdict(1.5, ATTRIBUTES))) == expected


def test_several_judges_count_by_their_mean() -> None:
    two = sample(0, "a", verdict(1, (1, 1, 1, 1, 1)), verdict(3, (3, 3, 3, 3, 3)))
    assert reason({"correctness": {"min": 2, "max": 2}, "reward": {"min": 2, "max": 2}}, two) == ""
    # A judge that gives only a scalar has no say in the attributes.
    mixed = sample(0, "a", verdict(9), verdict(1, (1, 1, 1, 1, 1)))
    assert reason({"correctness": {"max": 1}, "reward": {"min": 5, "max": 5}}, mixed) == ""


@pytest.mark.parametrize("name", ["helpfulness", "correctness", "verbosity"])
@pytest.mark.parametrize("bound", ["min", "max"])
def test_a_missing_score_never_passes(name: str, bound: str) -> None:
    limit = {"min": -1e9, "max": 1e9}[bound]
    scalar_only = sample(0, "a", verdict(1.0))
    assert reason({name: {bound: limit}}, scalar_only) == f"threshold:no_{name}"
    assert reason({"reward": {bound: limit}}, sample(0, "a")) == "threshold:no_reward"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "name at least one of helpfulness"),
        ({"correctness": {}}, "give at least one of min"),
        ({"correctness": {"min": 3, "max": 2}}, "min 3 is above max 2"),
        ({"correctness": {"min_quantile": 1.5}}, "less than or equal to 1"),
        ({"correctness": "high"}, "keep\\[0\\].threshold.correctness"),
        ({"correctness": True}, "keep\\[0\\].threshold.correctness"),
        ({"corectness": 2}, "did you mean 'correctness'"),
        ({"correctness": {"mim": 2}}, "did you mean 'min'"),
        ({"correctness": float("nan")}, "finite"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        threshold(**values)


rewards = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(values=rewards, low=st.floats(0, 1), high=st.floats(0, 1))
def test_quantiles_are_those_of_everything_that_was_scored(
    values: list[float], low: float, high: float
) -> None:
    bounds = {"reward": {"min_quantile": low, "max_quantile": high}}
    chosen = threshold(**bounds)
    assert chosen.needs_survey
    everything = [sample(i, "a", verdict(v)) for i, v in enumerate(values)]
    for one in [*everything, sample(99, "unscored")]:
        chosen.survey(ASKED, one)
    kept = [v for v, s in zip(values, everything, strict=True) if not chosen.reason(ASKED, s)]
    smallest, largest = np.quantile(values, low), np.quantile(values, high)
    assert kept == [v for v in values if smallest <= v <= largest]


def test_a_quantile_and_a_fixed_bound_hold_together() -> None:
    chosen = threshold(reward={"min_quantile": 0.5, "min": 8}, correctness=2)
    scored = [sample(i, "a", verdict(float(i), (2, 2, 2, 2, 2))) for i in range(10)]
    for one in scored:
        chosen.survey(ASKED, one)
    assert [s.index for s in scored if not chosen.reason(ASKED, s)] == [8, 9]


def test_a_quantile_of_nothing_keeps_nothing_unscored() -> None:
    chosen = threshold(reward={"min_quantile": 0.5})
    assert chosen.reason(ASKED, sample(0, "a")) == "threshold:no_reward"
