"""Requests to an assistant with tools: their kinds and shares, their rows, the calls expected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.backends.scripted import ScriptedChat
from gristmill.errors import ConfigError, DataError
from gristmill.intake.record import PROMPT, Record
from gristmill.intake.source import Source
from gristmill.recipes.tool_use import CALLS, _calls_in
from gristmill.records import Prompt, Response, ToolCall, prompt_id
from messy import Messy
from written import Written, recipe_of, write

pytest.importorskip("jsonschema")

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[dict[str, Any]] = [
    {"name": "weather", "description": "The weather of a city.", "parameters": CITY},
    {"name": "time", "description": "The time in a city.", "input_schema": CITY},
    {"type": "function", "function": {"name": "trains", "parameters": CITY}},
    {
        "name": "dice",
        "description": "A throw.",
        "inputSchema": {"type": "object", "properties": {}},
    },
]
NAMES = ["weather", "time", "trains", "dice"]
OSLO = {"name": "weather", "arguments": {"city": "Oslo"}}
ROME = {"name": "time", "arguments": {"city": "Rome"}}


@pytest.fixture
def tools(tmp_path: Path) -> str:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps(TOOLS))
    return str(path)


def kinds(written: Written) -> Counter[str]:
    return Counter(row["category"].removeprefix("tool_use:") for row in written.rows)


def names(row: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in row["tools"]]


def test_every_kind_comes_in_its_share_and_says_whether_anything_is_called(tools: str) -> None:
    written = write(recipe_of("tool_use", tools=tools, requests=1), 100)
    shares = {"one": 30, "chain": 20, "parallel": 20, "unneeded": 10, "missing": 10}
    found = kinds(written)
    assert found.keys() == CALLS.keys()
    assert all(abs(found[kind] - share) <= 2 for kind, share in shares.items())
    for row in written.rows:
        idle = CALLS[row["category"].removeprefix("tool_use:")] == (0, 0)
        assert row.get("calls") == ([] if idle else None)
        assert names(row) == NAMES
        assert row["tools"][3]["function"]["parameters"] == {"type": "object", "properties": {}}


def test_a_few_requests_touch_every_kind(tools: str) -> None:
    assert len(kinds(write(recipe_of("tool_use", tools=tools, requests=1), 12))) == len(CALLS)


def test_shares_are_what_was_asked_for(tools: str) -> None:
    recipe = recipe_of("tool_use", tools=tools, kinds={"missing": 3, "one": 1}, requests=1)
    assert kinds(write(recipe, 80)) == {"missing": 60, "one": 20}


def test_some_of_the_tools_are_drawn_for_each_subject(tools: str) -> None:
    rows = write(recipe_of("tool_use", tools=tools, tools_each=2), 90).rows
    drawn = {tuple(names(row)) for row in rows}
    assert all(len(set(one)) == 2 for one in drawn) and len(drawn) > 3
    assert {name for one in drawn for name in one} == set(NAMES)
    assert all(", ".join(names(row)) == row["lineage"][1]["text"] for row in rows)
    assert len(names(write(recipe_of("tool_use", tools=tools, tools_each=9), 1).rows[0])) == 4


def test_the_writer_is_told_the_tools_that_the_row_has_and_their_schemas(tools: str) -> None:
    model = Messy()
    rows = write(recipe_of("tool_use", tools=tools, tools_each=1, kinds={"one": 1}), 6, model).rows
    asked = [text for text in model.asked if "that someone would send to it" in text]
    for row in rows:
        schema = json.dumps(row["tools"][0]["function"], separators=(",", ":"))
        assert any(f"<tools>\n{schema}\n</tools>" in text for text in asked)


def test_its_rows_are_read_as_prompts_with_tools_and_no_calls_expected(
    tools: str, tmp_path: Path
) -> None:
    written = write(recipe_of("tool_use", tools=tools, kinds={"missing": 1}), 5)
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in written.rows))
    for row in Source(file=str(file)).records(PROMPT):
        assert isinstance(row, Record)
        prompt = row.prompt
        assert prompt.calls == "[]" and prompt.category == "tool_use:missing"
        assert [t["function"]["name"] for t in json.loads(prompt.tools)] == NAMES
        assert prompt.id == prompt_id(prompt.messages, prompt.tools)
        assert [parent.partition(":")[0] for parent in prompt.parents] == ["topic", "tools", "kind"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "there is no tool in it"),
        ("[]", "there is no tool in it"),
        ('{"tools": []}', "there is no tool in it"),
        ("[{}]", r"'tools\[0\]' is no tool with a name"),
        ('{"name": "a"}\n{"name": "b"', r"'tools\[1\]' is not JSON"),
        ('[{"name": "a"}, {"name": "a"}]', "2 tools are called 'a'"),
        ("7", "int, not a list of tools"),
        ('[{"name": "a", "parameters": {"type": 7}}]', "a: .*7 is not"),
    ],
)
def test_a_file_without_tools_is_said_before_anything_is_asked(
    tmp_path: Path, text: str, error: str
) -> None:
    (tmp_path / "t.json").write_text(text)
    recipe = recipe_of("tool_use", tools="t.json", expected=True).located(tmp_path)
    with pytest.raises(DataError, match=rf"t\.json: .*{error}"):
        recipe.check()


def test_lines_and_a_servers_list_are_tools_too(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(tool) + "\n\n" for tool in TOOLS))
    (tmp_path / "mcp.json").write_text(json.dumps({"tools": TOOLS}, indent=2))
    for name in ("lines.jsonl", "mcp.json"):
        assert names(write(recipe_of("tool_use", tools=str(tmp_path / name)), 1).rows[0]) == NAMES
    with pytest.raises(DataError, match=r"none\.json: cannot read it"):
        recipe_of("tool_use", tools=str(tmp_path / "none.json")).check()
    (tmp_path / "latin.json").write_bytes('[{"name": "größe"}]'.encode("latin-1"))
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 13\)"):
        recipe_of("tool_use", tools=str(tmp_path / "latin.json")).check()


def test_tools_may_be_named_as_a_run_names_them(tmp_path: Path) -> None:
    source = {"python": "gristmill.tutor.tools", "only": ["calendar", "convert"]}
    row = write(recipe_of("tool_use", tools=source), 1).rows[0]
    assert names(row) == ["calendar", "convert"]
    assert "steps" in row["tools"][0]["function"]["parameters"]["properties"]
    (tmp_path / "t.json").write_text(json.dumps(TOOLS))
    played = {"simulate": {"model": "scripted:echo"}, "file": "t.json"}
    recipe = recipe_of("tool_use", tools=played).located(tmp_path)
    assert names(write(recipe, 1).rows[0]) == NAMES
    with pytest.raises(ConfigError, match="there is none; name a `file`"):
        recipe_of("tool_use", tools={"simulate": {"model": "scripted:echo"}}).check()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tools": {"pyhton": "x"}}, "tools: write {python: my_pkg.tools}"),
        ({"tools": "tools.py"}, r"functions are {file: tools\.py}"),
        ({"tools": {"mcp": {}}}, r"tools\.?.*give `command: "),
        ({"kinds": {}}, "kinds"),
        ({"kinds": {"one": 0}}, "the share of 'one' is 0; leave the kind out"),
        ({"kinds": {"several": 1}}, "kinds"),
        ({"tools_each": 0}, "tools_each"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        recipe_of("tool_use", **{"tools": "tools.json", **options})


def labelling(*replies: Any) -> Callable[..., Any]:
    """A model that says these in turn, again and again, of which calls a request takes."""
    messy, labels = Messy(), Counter[str]()

    def model(messages: list[dict[str, Any]], index: int, seed: int) -> Any:
        text = messages[-1]["content"]
        if "Which calls does" not in text:
            return messy(messages, index, seed)
        labels[""] += index == 0
        reply = replies[(labels[""] - 1) % len(replies)]
        return reply if isinstance(reply, str | Response) else json.dumps(reply)

    return model


def test_calls_that_fit_the_kind_and_the_tools_stand_in_the_row(tools: str) -> None:
    recipe = recipe_of("tool_use", tools=tools, kinds={"one": 1}, expected=True, concurrency=1)
    said = f"<think>One will do.</think>Here it is:\n```json\n[{json.dumps(OSLO)}]\n```\nDone."
    called = Response("", "m", tool_calls=(ToolCall("weather", '{"city": "Oslo"}'),))
    written = write(recipe, 9, labelling([OSLO], said, called))
    assert all(row["calls"] == [OSLO] for row in written.rows)
    assert not written.report.dropped


@pytest.mark.parametrize(
    ("kind", "reply", "reason"),
    [
        ("one", [], "calls:another_kind"),
        ("one", [OSLO, ROME], "calls:another_kind"),
        ("parallel", [OSLO], "calls:another_kind"),
        ("chain", [], "calls:another_kind"),
        ("missing", [OSLO], "calls:another_kind"),
        ("one", [{"name": "forecast", "arguments": {}}], "calls:not_in_schema"),
        ("one", [{"name": "weather", "arguments": {}}], "calls:not_in_schema"),
        ("one", [{"name": "weather", "arguments": {"city": 7}}], "calls:not_in_schema"),
        ("one", [{"name": "weather", "arguments": "{city"}], "calls:not_in_schema"),
        ("one", "I would call the weather.", "calls:unreadable"),
        ("unneeded", "", "calls:unreadable"),
    ],
)
def test_requests_whose_calls_do_not_fit_are_dropped_and_counted(
    tools: str, kind: str, reply: Any, reason: str
) -> None:
    recipe = recipe_of("tool_use", tools=tools, kinds={kind: 1}, expected=True, topics=2)
    written = write(recipe, 3, labelling(reply))
    assert not written.rows
    assert written.report.dropped[reason] == written.report.dropped.total() > 5


def test_what_a_chain_calls_later_nobody_knows(tools: str) -> None:
    recipe = recipe_of("tool_use", tools=tools, kinds={"chain": 1}, expected=True)
    assert all("calls" not in row for row in write(recipe, 6, labelling([OSLO])).rows)
    recipe = recipe_of("tool_use", tools=tools, kinds={"parallel": 1}, expected=True)
    assert all(
        row["calls"] == [OSLO, ROME] for row in write(recipe, 6, labelling([OSLO, ROME])).rows
    )


@given(st.text(alphabet='[]{}",:a1 \n', max_size=40))
def test_whatever_a_reply_is_its_calls_are_read_or_none(text: str) -> None:
    found = _calls_in(Response(text, "m"))
    assert found is None or all(call.name for call in found) or '""' in text


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[Prompt]:
    """What every chat model was asked, tools and all."""
    seen: list[Prompt] = []
    sample = ScriptedChat.sample

    async def spy(self: ScriptedChat, prompt: Prompt, *rest: Any) -> Response:
        seen.append(prompt)
        return await sample(self, prompt, *rest)

    monkeypatch.setattr(ScriptedChat, "sample", spy)
    return seen


@pytest.mark.parametrize("name", ["dialogue", "two_turn", "instructions"])
def test_tools_go_along_into_conversations_and_what_was_expected_does_not(
    tools: str, name: str, offered: list[Prompt]
) -> None:
    options = {"revise": 1.0} if name == "instructions" else {}
    seeds = {"tool_use": {"tools": tools, "kinds": {"missing": 1}}}
    rows = write(recipe_of(name, seeds=seeds, **options), 8).rows
    assert len(rows) == 8
    for row in rows:
        assert names(row) == NAMES and "calls" not in row
        assert row["category"] == "tool_use:missing" and row["source"] == f"recipe:{name}"
    answers = [prompt for prompt in offered if prompt.messages[0].content in {
        row["messages"][0]["content"] for row in rows
    }]  # fmt: skip
    assert answers and all(len(json.loads(prompt.tools)) == 4 for prompt in answers)


def test_an_answer_that_calls_a_tool_is_none_that_a_dialogue_could_go_on_from(tools: str) -> None:
    messy = Messy()

    def model(messages: list[dict[str, Any]], index: int, seed: int) -> str | Response:
        if any("<" in m["content"] or "numbered list" in m["content"] for m in messages):
            return messy(messages, index, seed)
        return Response("Wait.", "m", tool_calls=(ToolCall("dice"),))

    seeds = {"tool_use": {"tools": tools, "topics": 2}}
    written = write(recipe_of("dialogue", seeds=seeds), 4, model)
    assert not written.rows and written.report.stages["answer"].unusable > 5


def test_seeds_of_a_file_keep_their_tools(tmp_path: Path) -> None:
    file = tmp_path / "seeds.jsonl"
    rows = ({"prompt": f"The weather in city {n}?", "tools": TOOLS} for n in range(9))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("dialogue", "two_turn", "evolve"):
        assert names(write(recipe_of(name, seeds=str(file)), 3).rows[0]) == NAMES
