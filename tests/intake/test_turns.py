"""Conversations to score, and prompts as HelpSteer2 writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.intake.cells import Refused
from gristmill.intake.record import CONVERSATION
from gristmill.intake.source import Source
from gristmill.intake.turns import spoken
from gristmill.mill.rows import prompt_text
from gristmill.records import Message, Prompt


def conversation(tmp_path: Path, row: Any) -> tuple[Message, ...] | Refused:
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(row))
    (found,) = Source(file=str(path)).records(CONVERSATION)
    return found if isinstance(found, Refused) else found.content.turns


USER, ANSWER = Message("user", "Q?"), Message("assistant", "A.")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Q?", "response": "A."},
        {"prompt": [{"role": "user", "content": "Q?"}], "response": "A."},
        {"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]},
    ],
)
def test_the_ways_to_write_a_conversation(tmp_path: Path, row: dict[str, Any]) -> None:
    assert conversation(tmp_path, row) == (USER, ANSWER)


def test_helpsteers_several_turns_in_one_prompt(tmp_path: Path) -> None:
    text = "Q1?\n<extra_id_1>Assistant\nA1.\n<extra_id_1>User\nQ2?"
    assert conversation(tmp_path, {"prompt": text, "response": "A2."}) == (
        Message("user", "Q1?"),
        Message("assistant", "A1."),
        Message("user", "Q2?"),
        Message("assistant", "A2."),
    )


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ({"prompt": "Q?"}, "a row of 'prompt' gives prompts, for run and battle"),
        ({"prompt": "Q?", "response": " "}, "'response' is empty"),
        ({"prompt": 1, "response": "A."}, "'prompt' is empty or not a text"),
        (
            {"prompt": "Q\n<extra_id_1>Assistant\nA", "response": "B"},
            "ends with the assistant's turn",
        ),
        ({"messages": [{"role": "user", "content": "Q?"}]}, "'messages' ends with the user's turn"),
        ([1], "expected an object"),
    ],
)
def test_what_is_no_conversation_says_why(tmp_path: Path, row: Any, detail: str) -> None:
    found = conversation(tmp_path, row)
    assert isinstance(found, Refused)
    assert detail in found.detail


turn = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda t: "<extra_id_1>" not in t and bool(t.strip())
)


@given(st.lists(turn, min_size=1, max_size=7).filter(lambda turns: len(turns) % 2 == 1))
def test_turns_written_as_one_text_are_read_back(texts: list[str]) -> None:
    roles = ["user", "assistant"] * len(texts)
    messages = tuple(Message(r, t) for r, t in zip(roles, texts, strict=False))
    assert spoken(prompt_text(Prompt("x", messages)), "prompt") == messages


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("system user", "s0\n\nu1"),
        ("system user assistant user", "s0\n\nu1\n<extra_id_1>Assistant\na2\n<extra_id_1>User\nu3"),
        ("user user", "u0\n<extra_id_1>User\nu1"),
        ("assistant user", "\n<extra_id_1>Assistant\na0\n<extra_id_1>User\nu1"),
    ],
)
def test_unusual_turns_stay_apart(roles: str, expected: str) -> None:
    messages = tuple(Message(r, f"{r[0]}{i}") for i, r in enumerate(roles.split()))
    assert prompt_text(Prompt("x", messages)) == expected
