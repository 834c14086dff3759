"""The judge of form."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gristmill.errors import BackendError, ConfigError
from gristmill.parts import open_part
from gristmill.records import Message, Prompt, Response, Verdict

THREE = ('{"paragraphs":{"count":2}}', '{"no_commas":{}}', '{"keywords":{"words":["tea"]}}')


def verdict(text: str, constraints: tuple[str, ...] = THREE, **options: Any) -> Verdict:
    judge = open_part("gristmill.judges", {"format": options}, "judges[0]")
    prompt = Prompt("p", (Message("user", "Write."),), constraints=constraints)
    response = Response(text, "m")

    async def ask() -> Verdict:
        async with judge.open() as backend:
            return await judge.judge(backend, prompt, response)

    return asyncio.run(ask())


def test_a_response_that_keeps_to_all_has_reward_one() -> None:
    said = verdict("Tea first.\n\nMilk then.")
    assert (said.judge, said.reward, said.detail) == ("format", 1.0, "3 of 3 constraints kept")
    assert said.tokens == 0


def test_one_that_is_broken_takes_it_all_or_its_share() -> None:
    text = "Tea, then milk."
    said = verdict(text)
    assert said.reward == 0.0
    assert said.detail == (
        "1 of 3 constraints kept; not kept: paragraphs (paragraphs: 1, wanted exactly 2); "
        "no_commas (a comma in 'Tea, then milk')"
    )
    share = verdict(text, rule="share").reward
    assert share is not None and round(share, 3) == 0.333


def test_a_prompt_without_constraints_has_no_reward() -> None:
    assert verdict("Tea.", ()) == Verdict("format", "rules", None)


def test_what_an_earlier_turn_asked_of_all_later_answers_is_checked_in_the_last() -> None:
    assert verdict("Tea.", ('{"no_commas":{},"since":1}',)).reward == 1.0
    assert verdict("Tea, milk.", ('{"no_commas":{},"since":1}',)).reward == 0.0


def test_loose_forgives_a_first_line() -> None:
    text = "Sure, here you go:\nTea.\n\nMilk."
    assert verdict(text).reward == 0.0
    assert verdict(text, mode="loose").reward == 1.0


def test_a_blank_response_keeps_to_nothing() -> None:
    assert verdict(" \n", rule="share").reward == 0.0


def test_a_constraint_that_cannot_be_read_is_no_score() -> None:
    with pytest.raises(BackendError, match=r"unknown part 'paragraf'.*'paragraphs'") as caught:
        verdict("Tea.", ('{"paragraf":{"count":2}}',))
    assert caught.value.kind == "unreadable"


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"judges\[0\].format.rule: .*'all' or 'share'"):
        verdict("Tea.", rule="most")


def test_ifevals_own_definition_decides_where_it_is_asked_for() -> None:
    pytest.importorskip("punkt")
    asked = ('{"bullets":{"count":2}}', '{"keywords":{"words":["tea"]}}', '{"no_digits":{}}')
    text = "- Teas\n*Milk"
    assert verdict(text, asked).reward == 0.0
    said = verdict(text, asked, definition="ifeval")
    assert (said.reward, said.detail) == (1.0, "3 of 3 constraints kept")
    detail = verdict("- Milk\n---1", asked, definition="ifeval").detail
    assert detail == (
        "1 of 3 constraints kept; not kept: keywords (not kept, as IFEval has it); "
        "no_digits (a digit in '- Milk\\n---1')"
    )
    loose = {"definition": "ifeval", "mode": "loose"}
    assert verdict("Here it is:\n- Tea\n-Milk\n- or", asked, **loose).reward == 1.0
    with pytest.raises(ConfigError, match="definition"):
        verdict(text, asked, definition="theirs")
