"""Rows and records: what is written is read back, and no row is more than a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.intake.cells import Refused, Unusable
from gristmill.intake.forms import FORMS
from gristmill.intake.outcomes import WINNERS
from gristmill.intake.record import CONVERSATION, KINDS, PROMPT, Record, row_of
from gristmill.intake.source import COLUMNS, Source
from gristmill.records import ATTRIBUTES, Message, Prompt, ToolCall, prompt_id

# What marks turns, thoughts and calls in a text is taken apart, as it should be.
letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<[#◁")
texts = st.text(letters, min_size=1, max_size=12).map(lambda text: f"t{text}t")
json_objects = st.dictionaries(texts, st.integers(-9, 9) | texts, max_size=2)
calls = st.builds(
    ToolCall,
    texts,
    json_objects.map(lambda value: orjson.dumps(value).decode()),
    st.just("") | texts,
)
tools = st.lists(texts, min_size=1, max_size=2).map(
    lambda names: orjson.dumps(
        [{"type": "function", "function": {"name": n, "parameters": {"type": "object"}}}
         for n in names]
    ).decode()
)  # fmt: skip
assistants = st.builds(
    Message, st.just("assistant"), texts, st.just("") | texts, learned=st.booleans()
)
callers = st.builds(
    Message,
    st.just("assistant"),
    st.just("") | texts,
    st.just("") | texts,
    st.lists(calls, min_size=1, max_size=2).map(tuple),
)
results = st.builds(
    Message, st.just("tool"), texts, tool_call_id=st.just("") | texts, name=st.just("") | texts
)
users = st.builds(Message, st.just("user"), texts)
rounds = st.one_of(
    st.tuples(users, assistants),
    st.tuples(users, callers, results, assistants),
)
systems = st.lists(st.builds(Message, st.just("system"), texts), max_size=1).map(tuple)
answers = texts | st.lists(texts, min_size=2, max_size=3, unique=True).map(
    lambda several: orjson.dumps(several).decode()
)
constraints = st.lists(
    st.sampled_from(
        ['{"paragraphs":{"count":3}}', '{"lowercase":{}}', '{"words":{"at_least":5}}']
    ),
    unique=True, max_size=2,
).map(tuple)  # fmt: skip


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    before = [m for turns in draw(st.lists(rounds, max_size=2)) for m in turns]
    messages = (*draw(systems), *before, draw(users))
    listed = draw(st.just("") | tools)
    return Prompt(
        draw(st.just(prompt_id(messages, listed)) | texts),
        messages,
        answer=draw(st.none() | answers),
        category=draw(st.none() | texts),
        language=draw(st.none() | texts),
        source=draw(st.sampled_from(["f.jsonl", "recipe:open_qa"])),
        parents=tuple(draw(st.lists(texts, max_size=2))),
        tests=draw(st.none() | texts),
        constraints=draw(constraints),
        tools=listed,
    )


def read(row: dict[str, Any], kind: str) -> Record:
    # Through JSON, as a file would have it.
    return Source(file="f.jsonl").record(orjson.loads(orjson.dumps(row)), "f.jsonl:1", (kind,))


@given(prompts())
def test_a_prompt_that_is_written_as_a_row_is_read_back(prompt: Prompt) -> None:
    assert read(row_of(prompt), PROMPT).prompt == prompt


@given(prompts(), assistants | callers)
def test_a_conversation_too(prompt: Prompt, answer: Message) -> None:
    row = row_of(prompt, answer)
    found = read(row, CONVERSATION)
    assert found.content.turns == (*prompt.messages, answer)
    assert found.prompt.tools == prompt.tools
    assert read(row, PROMPT).prompt == prompt


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8)
    | st.sampled_from(["[", "[{", "on", "off", "A>B", "\n\nHuman: x", "<extra_id_1>User\nx", "1",
                       "<think>", "<tools>[]</tools><tool_call>", "{}", "[[]]", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "from", "value", "label", "attributes", "type", "text",
                         "name", "function", "arguments", "response", "rank", "answer",
                         "tool_calls", "overall_score", "ground_truth", "aliases", "weight"]),
        inner | st.sampled_from(["user", "assistant", "tool", "system", "tool_use", "tool_result"]),
        max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip
columns = st.sampled_from(sorted({*COLUMNS, *ATTRIBUTES, *WINNERS}))


@given(
    st.dictionaries(columns, json_values, max_size=6),
    st.sampled_from(["auto", *FORMS]),
    st.sampled_from(list(KINDS)),
)
def test_no_row_whatever_is_more_than_a_refusal(row: dict[str, Any], form: str, kind: str) -> None:
    try:
        found = Source(file="f.jsonl", format=form).record(row, "f.jsonl:1", (kind,))
    except Unusable as error:
        assert error.reason and error.detail
    else:
        assert found.kind == kind


@given(json_values.filter(lambda value: value is not None), st.sampled_from(sorted(FORMS)))
def test_nor_where_only_the_columns_are_right(value: Any, form: str) -> None:
    row = {
        (one if isinstance(one, str) else one[0]): value for one in FORMS[form].shows
    }  # fmt: skip
    for kind in KINDS:
        try:
            Source(file="f.jsonl", format=form).record(row, "f.jsonl:1", (kind,))
        except Unusable as error:
            assert error.reason and error.detail


@pytest.mark.parametrize(
    "row",
    [
        {"messages": None, "prompt": "x"},
        {"prompt": None, "messages": [{"role": "user", "content": "x"}]},
        {"prompt": "x", "response": None, "chosen": None, "rejected": None, "answer": None},
        {"messages": [{"role": "user", "content": "x", "name": None, "tool_calls": None}],
         "tools": None, "system": None},
        {"question": "x", "label": None, "answers": None, "test_list": None, "constraints": None},
    ],
)  # fmt: skip
def test_null_is_absent_in_every_kind_of_file(tmp_path: Path, row: dict[str, Any]) -> None:
    (tmp_path / "f.jsonl").write_text(json.dumps(row))
    (tmp_path / "f.json").write_text(json.dumps([row]))
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "f.parquet")
    found = [next(Source(file=str(f)).records(PROMPT)) for f in sorted(tmp_path.iterdir())]
    assert [one.prompt.messages for one in found if isinstance(one, Record)] == [
        (Message("user", "x"),)
    ] * 3


def test_what_only_gaps_make_different_is_the_same_in_a_table(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "a", "response": "b"},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"instruction": "a", "output": "b"},
    ]
    pq.write_table(pa.Table.from_pylist([{k: r.get(k) for q in rows for k in q} for r in rows]),
                   tmp_path / "f.parquet")  # fmt: skip
    found = list(Source(file=str(tmp_path / "f.parquet")).records(CONVERSATION))
    assert not any(isinstance(one, Refused) for one in found)
    assert [one.form for one in found if isinstance(one, Record)] == [
        "helpsteer2", "messages", "instruction",
    ]  # fmt: skip
