"""What is counted in answers, and the covariates of a battle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.arena.style import FEATURES, excess, features
from gristmill.records import Message


def said(*answers: str) -> list[Message]:
    """A conversation with these answers, to questions that would count if they were answers."""
    return [
        message
        for answer in answers
        for message in (Message("user", "# Why\n- **now**"), Message("assistant", answer))
    ]


def counted(*answers: str) -> dict[str, float]:
    return dict(zip(FEATURES, features(said(*answers)), strict=True))


PAGE = """# Mills

Some **bold** words, **two words** and __these__.

## Kinds
- water
* wind
+ hand
  1. small
  2) large

   ### Three spaces are a header still
"""


def test_a_page_of_markdown() -> None:
    found = counted(PAGE)
    assert found == {"length": len(PAGE) / 4, "headers": 3, "lists": 5, "bold": 3}


def test_all_answers_of_a_side_count_and_no_question_does() -> None:
    assert counted(PAGE, "- one", "é") == {
        "length": (len(PAGE) + 5 + 2) / 4,
        "headers": 3,
        "lists": 6,
        "bold": 3,
    }


@pytest.mark.parametrize(
    "text",
    [
        "```python\n# a comment\n- x\n**y**\n```",
        "~~~\n# a comment\n- x\n**y**\n~~~",
        "before\n```\n# never closed\n- x\n",
        "#hashtag and 3*4*5 and a - b and 1.5",
        "2 ** 3 ** 4",
        "** spaced ** and __ spaced __",
        "#\n\nAn empty header is none",
        "Title\n-\ntext",
        "    # four spaces are code",
        "snake_case__name",
        "1234. a year is no list",
        "",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    found = counted(text)
    assert (found["headers"], found["lists"], found["bold"]) == (0, 0, 0)
    assert found["length"] == len(text) / 4


def test_what_follows_a_block_of_code_counts() -> None:
    found = counted("```\n# code\n```\n# text\n```\n- code\n```\n- text")
    assert (found["headers"], found["lists"]) == (1, 1)


def test_twenty_against_ten_weighs_nearly_as_ten_against_five() -> None:
    one, other = (excess(said("# h\n" * 2 * n), said("# h\n" * n)) for n in (5, 10))
    assert one is not None
    assert other is not None
    assert one[1] == 5 / 16
    assert other[1] == 10 / 31


def test_no_answers_no_covariates() -> None:
    assert excess(said("x"), []) is None
    assert excess([], said("x")) is None
    assert excess(said("x"), said("x")) == (0, 0, 0, 0)


markdown = st.lists(
    st.sampled_from(["# h\n", "- i\n", "**b**", "```\n", "word ", "\n", "1. x\n", "__", "é"])
    | st.text(max_size=5),
    max_size=12,
).map("".join)
sides = st.lists(markdown, min_size=1, max_size=3).map(lambda answers: said(*answers))


@given(sides, sides)
def test_excess_turns_its_sign_with_the_sides(a: list[Message], b: list[Message]) -> None:
    one, other = excess(a, b), excess(b, a)
    assert one is not None
    assert other is not None
    assert one == tuple(-x for x in other)
    assert all(-1 < x < 1 for x in one)
