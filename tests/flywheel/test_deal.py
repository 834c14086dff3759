"""Prompts dealt to the rounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import DataError
from gristmill.flywheel.deal import deal, key
from gristmill.records import Message, Prompt, prompt_id

words = st.text("abcAB ", min_size=1, max_size=6).filter(str.strip)


def prompt(text: str) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(prompt_id(messages), messages)


@given(st.lists(words, unique=True, max_size=30), st.lists(words, min_size=1, max_size=5),
       st.integers(1, 4), st.integers(0, 9))  # fmt: skip
def test_each_prompt_is_in_one_round_at_most_and_none_is_measured_on(
    texts: list[str], measured: list[str], rounds: int, seed: int
) -> None:
    evaluation, prompts = [prompt(t) for t in measured], [prompt(t) for t in texts]
    apart = {key(p) for p in evaluation}
    fresh = [p for p in prompts if key(p) not in apart]
    if len(fresh) < rounds:
        with pytest.raises(DataError, match="too few"):
            deal(evaluation, prompts, rounds, seed)
        return
    shares, leaked = deal(evaluation, prompts, rounds, seed)
    dealt = [p.id for share in shares for p in share]
    assert sorted(dealt) == sorted(p.id for p in fresh)
    assert leaked == len(prompts) - len(fresh)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert deal(evaluation, prompts[::-1], rounds, seed)[0] == shares


def test_another_seed_deals_otherwise() -> None:
    prompts = [prompt(f"question {i}") for i in range(40)]
    evaluation = [prompt("measured")]
    first, second = (deal(evaluation, prompts, 2, seed)[0] for seed in (0, 1))
    assert {p.id for p in first[0]} != {p.id for p in second[0]}


def test_case_and_white_space_make_no_other_prompt() -> None:
    shares, leaked = deal(
        [prompt("What is  1 plus 2?")], [prompt("what is 1 PLUS 2? "), prompt("x")], 1, 0
    )
    assert leaked == 1 and [len(s) for s in shares] == [1]


def test_nothing_to_measure_on() -> None:
    with pytest.raises(DataError, match=r"flywheel\.evaluate\.prompts"):
        deal([], [prompt("x")], 1, 0)
