"""Conversations in which tools are called: all words and calls of the assistant's are learned, and
never a user's or a tool's, whatever the template."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_templates import HERMES, LLAMA, MISTRAL, MISTRAL_MARKED, TOOLED
from encodings_of import learned, one, refusal, tokenizer, whole
from gristmill.records import Message, ToolCall
from gristmill.train.encode import Item
from gristmill.train.examples import Compared, Conversation

TOOLS = json.dumps(
    [{"type": "function", "function": {"name": "offered", "description": "schemaword", "parameters":
      {"type": "object", "properties": {"x": {"type": "string"}}}}}]
)  # fmt: skip


class Knows(NamedTuple):
    """What a template writes: several calls in one turn, text beside a call, thoughts."""

    parallel: bool
    beside: bool
    thoughts: bool


KNOWS = {"qwen": Knows(True, True, True), "nemotron": Knows(True, True, True),
         "hermes": Knows(True, True, False), "llama": Knows(False, False, False),
         "mistral": Knows(True, False, False)}  # fmt: skip
STOP = {"llama": "<|eot_id|>", "mistral": "</s>"}


class Step(NamedTuple):
    """A turn of the assistant's that calls. calls: how many at once."""

    calls: int
    beside: bool
    thought: bool


STEPS = st.lists(st.builds(Step, st.integers(1, 3), st.booleans(), st.booleans()), max_size=3)
TALKS = st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=3)
"""Of each question of a user's the steps, and whether the answer has a thought."""


class Made(NamedTuple):
    """A conversation, and the words in it: those that are to be learned, and the others."""

    row: Conversation
    own: list[str]
    others: list[str]


def made(talk: list[tuple[list[Step], bool]], knows: Knows, system: bool, ids: str) -> Made:
    numbers = count(100)
    own, others, turns = list[str](), ["schemaword"], list[Message]()

    def word(kind: list[str], letter: str) -> str:
        kind.append(f"{letter}{next(numbers)}{letter}")
        return kind[-1]

    if system:
        turns.append(Message("system", word(others, "s")))
    for place, (steps, thought) in enumerate(talk):
        # Templates leave out the thoughts of all but the last question.
        thinks = knows.thoughts and place == len(talk) - 1
        turns.append(Message("user", word(others, "u")))
        for step in steps:
            reasoning = word(own, "r") if step.thought and thinks else ""
            text = word(own, "t") if step.beside and knows.beside else ""
            calls = tuple(
                ToolCall("offered", json.dumps({"x": word(own, "a")}), ids.format(next(numbers)))
                for _ in range(step.calls if knows.parallel else 1)
            )
            turns.append(Message("assistant", text, reasoning, calls))
            turns += (
                Message("tool", word(others, "o"), tool_call_id=c.id, name=c.name) for c in calls
            )
        reasoning = word(own, "r") if thought and thinks else ""
        turns.append(Message("assistant", word(own, "t"), reasoning))
    return Made(Conversation(tuple(turns), "x.jsonl:1", TOOLS), own, others)


def parts(item: Item, template: str) -> tuple[str, str]:
    """What is learned of a sequence, and what is only read."""
    (sequence,) = item.sequences
    is_learned = np.zeros(len(sequence.ids), bool)
    is_learned[sequence.reads + 1] = True
    decode: Callable[..., str] = tokenizer(template).decode
    return decode(sequence.ids[is_learned]), decode(sequence.ids[~is_learned])


@pytest.mark.parametrize("name", TOOLED)
@given(talk=TALKS, system=st.booleans())
def test_all_that_the_assistant_says_is_learned_and_nothing_else(
    name: str, talk: list[tuple[list[Step], bool]], system: bool
) -> None:
    kind, template = name.removesuffix("_marked"), TOOLED[name]
    row, own, others = made(talk, KNOWS[kind], system, "call{:05d}")
    ours, rest = parts(one(row, template), template)
    places = [ours.find(word) for word in own]
    assert -1 not in places and places == sorted(places)
    assert not [word for word in others if word in ours] and not [w for w in own if w in rest]
    said = sum(turn.role == "assistant" for turn in row.messages)
    assert ours.count(STOP.get(kind, "<|im_end|>")) == said
    assert ours.count("offered") == sum(len(turn.tool_calls) for turn in row.messages)


@pytest.mark.parametrize("name", TOOLED)
@given(steps=STEPS, other=STEPS)
def test_of_a_pair_each_sides_own_turns_are_learned(
    name: str, steps: list[Step], other: list[Step]
) -> None:
    kind, template = name.removesuffix("_marked"), TOOLED[name]
    sides = [made([(side, False)], KNOWS[kind], False, "call{:05d}") for side in (steps, other)]
    question = sides[0].row.messages[0]
    chosen, rejected = (side.row.messages[1:] for side in sides)
    rejected = (*rejected[:-1], Message("assistant", "another answer"))
    pair = Compared((question,), chosen, rejected, "x.jsonl:1", tools=TOOLS)
    first, second = learned(one(pair, template), template)
    assert all(word in first for word in sides[0].own)
    assert all(word in second for word in sides[1].own[:-1]) and "another answer" in second
    words = [word for side in sides for word in side.others]
    assert not [word for word in words if word in first or word in second]


@pytest.mark.parametrize("name", TOOLED)
def test_the_last_turn_alone_can_be_learned(name: str) -> None:
    template = TOOLED[name]
    row, own, _ = made([([Step(1, False, False)], False)] * 2, KNOWS[name.partition("_")[0]], True,
                       "call{:05d}")  # fmt: skip
    (text,) = learned(one(row, template, turns="last"), template)
    assert own[-1] in text and not any(word in text for word in own[:-1])


@given(talk=TALKS)
def test_ids_that_a_template_does_not_take_are_given_others(
    talk: list[tuple[list[Step], bool]],
) -> None:
    for template in (MISTRAL, MISTRAL_MARKED):
        row, own, _ = made(talk, KNOWS["mistral"], False, "call_{}")
        text, rest = parts(one(row, template), template)
        assert all(word in text for word in own)
        asked = re.findall(r'"id": "(\w{9})"', text)
        assert len(asked) == len(set(asked))
        assert re.findall(r'"call_id": "(\w+)"', rest) == asked
        same, *_ = made(talk, KNOWS["mistral"], False, "")
        assert parts(one(same, template), template) == (text, rest), "without ids, by their order"


def test_what_answers_which_call_is_told_by_its_id_not_its_place() -> None:
    calls = tuple(ToolCall("offered", f'{{"x": "{n}"}}', f"id {n}") for n in "ab")
    results = (Message("tool", f"of {n}", tool_call_id=f"id {n}") for n in "ba")
    turns = (Message("user", "?"), Message("assistant", "", tool_calls=calls), *results,
             Message("assistant", "Done."))  # fmt: skip
    (text,) = whole(one(Conversation(turns, "x.jsonl:1", TOOLS), MISTRAL), MISTRAL)
    first, second = re.findall(r'"x": "\w"}, "id": "(\w+)"', text)
    assert f'"of b", "call_id": "{second}"' in text and f'"of a", "call_id": "{first}"' in text


def test_several_calls_at_once_are_refused_where_a_template_takes_one() -> None:
    row, *_ = made([([Step(2, False, False)], False)], KNOWS["hermes"], False, "call_{}")
    found = refusal(row, LLAMA)
    assert found.reason == "chat_template" and "one call of a tool at a time" in found.detail


def test_a_call_that_a_template_would_leave_out_is_not_lost() -> None:
    # gpt-oss's takes several, and writes the first.
    first = HERMES.replace("in m.tool_calls or []", "in (m.tool_calls or [])[:1]")
    row, *_ = made([([Step(2, False, False)], False)], KNOWS["hermes"], False, "call_{}")
    found = refusal(row, first)
    assert found.reason == "tools_dropped" and "all but the first of several" in found.detail
    row, *_ = made([([Step(1, False, False)] * 2, False)], KNOWS["hermes"], False, "call_{}")
    assert learned(one(row, first), first)
