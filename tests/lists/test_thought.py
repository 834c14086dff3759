"""A text taken apart into thought and answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.lists.thought import TAGS, Spoken, split_thought


@pytest.mark.parametrize(("opening", "closing"), TAGS.items())
def test_every_family_marks_its_thought(opening: str, closing: str) -> None:
    text = f"\n{opening}\nIt may be 12.\n{closing}\n\nIt is 15.\n"
    assert split_thought(text) == Spoken("It may be 12.", "It is 15.\n")
    assert split_thought(f"{opening}It may be") == Spoken("It may be", "", closed=False)
    assert split_thought(f"{opening}{closing}It is 15.") == Spoken("", "It is 15.")


@pytest.mark.parametrize("closing", ["</think>", "[/THINK]", "<channel|>"])
def test_a_thought_that_the_template_opened(closing: str) -> None:
    assert split_thought(f"It may be 12.\n{closing}\nIt is 15.") == Spoken(
        "It may be 12.", "It is 15."
    )
    assert split_thought(f"hm{closing}") == Spoken("hm", "")


def test_a_model_that_thinks_again() -> None:
    text = "<think>one</think>First.\n<think>two</think>\nSecond.\n<think>three"
    assert split_thought(text) == Spoken("one\n\ntwo\n\nthree", "First.\nSecond.", closed=False)


@pytest.mark.parametrize(
    "text",
    [
        "It is 15.",
        "  \n",
        "Qwen writes `<think>` and `</think>`.",
        "Between <think> and </think> it thinks.",
        "```\nhm</think>\n```\nis what you get.",
        "analysis",
    ],
)
def test_a_text_that_only_speaks_of_thoughts_is_an_answer(text: str) -> None:
    assert split_thought(text) == Spoken("", text)


def test_code_in_an_answer_may_hold_a_thought() -> None:
    code = "```\n<think>\nhm\n</think>\n```"
    assert split_thought(f"<think>hm</think>{code}") == Spoken("hm", code)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>15",
         Spoken("hm", "15")),
        ("<|start|>assistant<|channel|>final<|message|>15<|return|>", Spoken("", "15")),
        ("<|channel|>analysis<|message|>one<|end|><|start|>assistant<|channel|>commentary<|message|>"
         "two<|end|><|start|>assistant<|channel|>final<|message|>15", Spoken("one\n\ntwo", "15")),
        ("<|channel|>analysis<|message|>hm", Spoken("hm", "", closed=False)),
        ("<|channel|>analysis", Spoken("<|channel|>analysis", "", closed=False)),
        ("<|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}<|call|>",
         Spoken("", '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>')),
        ("analysishmassistantfinal15", Spoken("hm", "15")),
    ],
)  # fmt: skip
def test_channels(text: str, spoken: Spoken) -> None:
    assert split_thought(text) == spoken


MARKS = [*TAGS, *TAGS.values()]
WORDS = st.lists(st.sampled_from([*MARKS, "a", " ", "\n", "```", "`", "<", "think"]), max_size=14)


@given(words=WORDS)
def test_nothing_is_lost_but_tags_and_white_space(words: list[str]) -> None:
    text = "".join(words)
    thought, answer, closed = split_thought(text)
    if not any(mark in text for mark in MARKS):
        assert (thought, answer, closed) == ("", text, True)

    def left(said: str) -> list[str]:
        return sorted(re.sub(r"\s+", "", re.sub("|".join(map(re.escape, MARKS)), "", said)))

    assert sorted(left(thought) + left(answer)) == left(text)


@given(text=st.text(max_size=60))
def test_no_text_makes_it_crash(text: str) -> None:
    split_thought(text)


@pytest.mark.parametrize(
    "text",
    [
        "<think>a</think>" + "x <think>" * 40_000,
        "<think>a</think>" + "\n<think>b</think>" * 40_000,
        "<think>a</think>" + "\n" * 400_000 + "y <think>",
        "<think>a</think><|begin_of_solution|>" + " " * 400_000 + "y",
        "<|channel|>a" * 40_000,
        "<|channel|>a<|message|>b<|start|>" + "a" * 400_000,
    ],
    ids=range(6),
)
def test_a_long_text_is_read_in_one_go(text: str) -> None:
    # Were each character looked at for each other one, this would take minutes.
    assert len(split_thought(text).answer) <= len(text)
