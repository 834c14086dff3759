"""How likely a local model finds an answer: beside the model's own arithmetic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gristmill.backends import Likelihood, open_likelihood
from gristmill.errors import BackendError, ConfigError
from gristmill.records import Message
from local_models import chat_model, likelihood_by_hand

USER = Message("user", "What is 2 plus 3?")
ANSWERS = ("2 plus 3 is 5.", "5", "Monday, perhaps. It is not known.")
TALKS = [(USER, Message("assistant", answer)) for answer in ANSWERS]


def likelihoods(model: str, talks: Sequence[tuple[Message, ...]]) -> list[Any]:
    async def ask() -> list[Any]:
        async with open_likelihood(model) as backend:
            calls = (backend.likelihood(talk) for talk in talks)
            return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(ask())


def test_it_is_the_sum_over_the_answers_tokens(tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "model")
    for found, talk in zip(likelihoods(f"hf:{folder}", TALKS), TALKS, strict=True):
        wanted = likelihood_by_hand(folder, talk)
        assert found.tokens == wanted.tokens
        assert found.total == pytest.approx(wanted.total, abs=1e-3)


def test_what_does_not_fit_is_a_failed_call_and_nothing_is_cut(tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "model")
    long = (USER, Message("assistant", "one two three " * 60))
    fits, fails = likelihoods(f"hf:{folder}", [TALKS[0], long])
    assert isinstance(fits, Likelihood)
    assert isinstance(fails, BackendError) and fails.kind == "too_long"


@pytest.mark.parametrize("model", ["http://127.0.0.1:9/v1#x", "scripted:echo"])
def test_a_model_elsewhere_cannot_be_asked(model: str) -> None:
    with pytest.raises(ConfigError, match="gives no log-probabilities of a given answer"):
        open_likelihood(model)


def test_a_reward_model_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match="is a reward model"):
        open_likelihood("tiny:reward")
