"""The reward judge: the scalar it makes, and what it does when a model gives none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.backends import RewardBackend
from gristmill.errors import BackendError, ConfigError
from gristmill.judges.reward import Reward
from gristmill.parts import open_part
from gristmill.records import ATTRIBUTES, Message, Response, Score, Verdict
from mills import prompt

FIVE = (4.0, 3.0, 2.0, 1.0, 0.5)


class Gives(RewardBackend):
    """A reward model that gives one score, and remembers what it was shown."""

    def __init__(self, score: Score | BackendError) -> None:
        super().__init__("gives")
        self._score = score
        self.seen: tuple[Message, ...] = ()

    async def score(self, messages: Any) -> Score:
        self.seen = tuple(messages)
        if isinstance(self._score, BackendError):
            raise self._score
        return self._score


def judged(score: Score | BackendError, **options: Any) -> Verdict:
    judge = open_part("gristmill.judges", {"reward": {"model": "m:x", **options}}, "judges[0]")
    return asyncio.run(judge.judge(Gives(score), prompt("Q?"), Response("A.", "m")))


def test_the_default_weights_are_the_model_cards() -> None:
    card = {
        "helpfulness": 0.3,
        "correctness": 0.74,
        "coherence": 0.46,
        "complexity": 0.47,
        "verbosity": -0.33,
    }
    assert Reward(model="m:x").weights == card
    expected = 0.3 * 4 + 0.74 * 3 + 0.46 * 2 + 0.47 * 1 - 0.33 * 0.5
    verdict = judged(Score("m", FIVE, tokens=9))
    assert verdict.reward == pytest.approx(expected)
    assert (verdict.attributes, verdict.tokens, verdict.judge) == (FIVE, 9, "reward")


@given(
    st.dictionaries(st.sampled_from(ATTRIBUTES), st.floats(-9, 9), min_size=1),
    st.tuples(*[st.floats(-1, 5)] * 5),
)
def test_the_reward_is_the_weighted_sum_and_what_is_left_out_weighs_nothing(
    weights: dict[str, float], five: tuple[float, float, float, float, float]
) -> None:
    if not any(weights.values()):
        with pytest.raises(ConfigError, match="at least one weight must differ from 0"):
            judged(Score("m", five), weights=weights)
        return
    expected = sum(weights.get(n, 0) * v for n, v in zip(ATTRIBUTES, five, strict=True))
    assert judged(Score("m", five), weights=weights).reward == pytest.approx(expected)


def test_a_scalar_models_own_reward_is_taken() -> None:
    verdict = judged(Score("m", None, -3.5))
    assert (verdict.reward, verdict.attributes) == (-3.5, None)


def test_the_attributes_come_before_a_scalar_beside_them() -> None:
    assert judged(Score("m", FIVE, 99.0), weights={"helpfulness": 1}).reward == 4.0


@pytest.mark.parametrize(
    "score",
    [
        Score("m"),
        Score("m", None, float("nan")),
        Score("m", None, float("-inf")),
        Score("m", (1, float("inf"), 1, 1, 1)),
        Score("m", (float("nan"), 1, 1, 1, 1)),
    ],
)
def test_no_score_is_made_up_where_there_is_none(score: Score) -> None:
    for weights in ({}, {"weights": {"verbosity": 1}}):
        with pytest.raises(BackendError) as caught:
            judged(score, **weights)
        assert caught.value.kind == "bad_reply"


def test_a_failed_call_stays_a_failure() -> None:
    with pytest.raises(BackendError) as caught:
        judged(BackendError("timeout", "no reply in time"))
    assert caught.value.kind == "timeout"


def test_the_model_sees_the_whole_conversation() -> None:
    backend = Gives(Score("m", FIVE))
    asyncio.run(Reward(model="m:x").judge(backend, prompt("Q?"), Response("A.", "m")))
    assert backend.seen == (Message("user", "Q?"), Message("assistant", "A."))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": {"charm": 1}}, "unknown attribute 'charm'"),
        ({"weights": {"helpfulness": float("inf")}}, "finite"),
        ({"weights": {}}, "at least one weight"),
        ({"wieghts": {}}, "did you mean 'weights'"),
        ({"concurrency": 0}, "judges\\[0\\].reward.concurrency"),
        ({"price": {"inptu": 1}}, "did you mean 'input'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judged(Score("m", FIVE), **options)
