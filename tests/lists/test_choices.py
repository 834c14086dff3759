"""A classifier's verdict is found where it is clear, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.lists.choices import parse_choice, parse_yes_no
from lists.said import CHOICES, NO, UNCLEAR, YES

REPLIES = [(r, True) for r in YES] + [(r, False) for r in NO] + [(r, None) for r in UNCLEAR]


@pytest.mark.parametrize(("reply", "meant"), REPLIES)
def test_yes_and_no_are_told_from_what_is_unclear(reply: str, meant: bool | None) -> None:
    assert parse_yes_no(reply) is meant


@pytest.mark.parametrize(("options", "reply", "meant"), CHOICES)
def test_a_choice_is_one_of_the_options_or_none(
    options: tuple[str, ...], reply: str, meant: str | None
) -> None:
    assert parse_choice(reply, options) == meant


@given(reply=st.text(max_size=200), options=st.lists(st.text(max_size=8), max_size=5))
def test_no_reply_makes_it_fail(reply: str, options: list[str]) -> None:
    assert parse_choice(reply, options) in (None, *options)
    assert parse_yes_no(reply) in (None, True, False)


@given(
    option=st.sampled_from(["Physics", "Not physics", "C++", "机器学习", "12:30"]),
    form=st.sampled_from(
        [
            "{}",
            "{}.",
            '"{}"',
            "**{}**",
            "Answer: {}",
            "Reasons first.\n\n{}",
            "{}\n\nReasons.",
            "[[{}]]",
        ]
    ),
)
def test_each_option_is_found_in_each_form(option: str, form: str) -> None:
    options = ["Physics", "Not physics", "C++", "机器学习", "12:30", "C"]
    assert parse_choice(form.format(option), options) == option
