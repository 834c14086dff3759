"""Calls that no tool allows, and answers with other figures than the tools gave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.filters._figures import figures, lone, unfounded
from gristmill.filters.tool_calls import ToolCalls
from gristmill.parts import open_part
from gristmill.records import Drop, Message, Prompt, Response, Sample, ToolCall

pytest.importorskip("jsonschema")

TOOLS = json.dumps(
    [
        {"type": "function", "function": {"name": name, "parameters": {
            "type": "object", "properties": {field: {"type": kind}}, "required": [field]}}}
        for name, field, kind in (("weather", "city", "string"), ("add", "numbers", "array"))
    ]
)  # fmt: skip
ASK = "What is 47 plus 38?"


def call(name: str = "add", arguments: Any = None) -> ToolCall:
    given = {"numbers": [47, 38]} if arguments is None else arguments
    return ToolCall(name, given if isinstance(given, str) else json.dumps(given), "c1")


def steps(*results: str, of: ToolCall | None = None) -> tuple[Message, ...]:
    """A call, and what each of the tools said."""
    calls = (of or call(),) * len(results)
    tools = (Message("tool", said, tool_call_id="c1") for said in results)
    return (Message("assistant", "", tool_calls=calls), *tools)


def decided(
    answer: str, before: tuple[Message, ...] = (), ask: str = ASK, calls: tuple[ToolCall, ...] = (),
    tools: str = TOOLS, language: str | None = None, **options: Any,
) -> str | Drop:  # fmt: skip
    prompt = Prompt("p", (Message("user", ask),), tools=tools, language=language)
    sample = Sample(0, Response(answer, "m", tool_calls=calls, steps=before))
    options = {"figures": "all", **options}
    part = open_part("gristmill.filters", {"tool_calls": options}, "keep[0]")
    assert isinstance(part, ToolCalls)
    return part.reason(prompt, sample)


def reason(*args: Any, **options: Any) -> str:
    found = decided(*args, **options)
    return found.reason if isinstance(found, Drop) else found


class TestCalls:
    @pytest.mark.parametrize(
        ("made", "why"),
        [
            (call(), ""),
            (call("weather", {"city": "Oslo"}), ""),
            (call("forecast", {}), "tool_calls:invented"),
            (call("weather", {}), "tool_calls:arguments"),
            (call("weather", {"city": 7}), "tool_calls:arguments"),
            (call("weather", {"city": "Oslo", "day": 1}), "tool_calls:arguments"),
            (call("weather", {"city": "Oslo", "day": None}), ""),
            (call("weather", "{city"), "tool_calls:arguments"),
            (call("weather", "7"), "tool_calls:arguments"),
        ],
    )
    def test_each_must_be_one_of_a_tool_of_the_prompt(self, made: ToolCall, why: str) -> None:
        assert reason("", calls=(made,)) == why
        # In the steps, too: all of them would be learned.
        assert reason("85.", (*steps("Error", of=made), *steps("85"))) == why
        if why == "tool_calls:arguments":
            assert reason("", calls=(made,), arguments=False) == ""

    def test_what_it_saw_is_said(self) -> None:
        found = decided("", calls=(call("fore\x1bcast" * 20, {}),))
        assert isinstance(found, Drop) and len(found.evidence) < 100
        found = decided("", calls=(call("weather", {"city": 7}),))
        assert isinstance(found, Drop) and "weather: 'city': 7 is not of type" in found.evidence

    def test_without_tools_every_call_is_made_up(self) -> None:
        assert reason("", calls=(call(),), tools="") == "tool_calls:invented"
        assert reason("85.", tools="") == ""

    def test_a_schema_that_is_none_says_nothing_of_arguments(self) -> None:
        tools = TOOLS.replace('"array"', '"heap"').replace('"object"', '"object", "minimum": "x"')
        assert reason("", calls=(call(),), tools=tools) == ""

    def test_calls_of_the_prompts_own_turns_count_where_they_are_learned(self) -> None:
        for learned in (True, False):
            said = Message("assistant", "", tool_calls=(call("forecast"),), learned=learned)
            turns = (Message("user", "?"), said, Message("tool", "85"), Message("user", ASK))
            sample = Sample(0, Response("85.", "m"))
            found = ToolCalls().reason(Prompt("p", turns, tools=TOOLS), sample)
            assert bool(found) == learned
            assert not ToolCalls().reason(Prompt("p", turns), sample), "nobody says which there are"


class TestOneNumber:
    @pytest.mark.parametrize(
        "answer",
        [
            "47 plus 38 is 85.",
            "First 40 and 30 are 70, then 7 and 8 are 15. The answer is 85.",
            "It is **85**, and twice that is 170.",
            "That makes €85.00.",
            "That is eighty-five.",
            "Twice that is 170.",  # made of it
            "1. I added both.\n2. Done.",
            "```python\n47 + 39 == 86\n```",
            "I added 47 and 38.",
        ],
    )
    def test_an_answer_that_says_it_or_no_other_is_kept(self, answer: str) -> None:
        for said in ("85", "85.0", '{"result": 85}'):
            assert reason(answer, steps(said)) == ""

    @pytest.mark.parametrize("answer", ["47 plus 38 is 86.", "The answer is 9.", "It is 58!"])
    def test_an_answer_that_says_another_contradicts_it(self, answer: str) -> None:
        found = decided(answer, steps("85"))
        assert isinstance(found, Drop) and found.reason == "tool_calls:contradicts"
        assert "the tool gave 85" in found.evidence
        assert reason(answer, steps("85"), figures="ignore") == ""
        assert reason(answer, steps("85"), figures="contradicts") == "tool_calls:contradicts"

    @pytest.mark.parametrize(
        ("said", "answer"),
        [
            ("18.333333", "About 18.3 degrees."), ("18.333333", "Some 18 degrees."),
            ("-114.0", "You get $114 back."), ("0.1234", "That is 12.34%."),
            ("7200", "It takes 2 hours."), ("20", "That is 68 °F."), ("1234567", "1.23 million"),
            ("1234.5", "1,234.50 euros"), ("6.674e-05", "Some 6.67 × 10^-5."),
            ("0.00026696", "K = 2.67e-4"), ("-66740.0", r"\(-6.674 \times 10^{4}\) N"),
            ("1700000000", "On the 14 of November 2023."),
            ("true", "It is 86."), ("null", "It is 86."), ("[85]", "It is 86."), ("", "It is 86."),
        ],
    )  # fmt: skip
    def test_rounded_in_other_units_or_no_number_is_kept(self, said: str, answer: str) -> None:
        assert reason(answer, steps(said), ask="How much?", figures="contradicts") == ""

    def test_an_earlier_number_of_a_tools_is_no_contradiction(self) -> None:
        before = (*steps("85"), *steps("12"))
        assert reason("The first makes 85.", before) == ""
        assert reason("It makes 86.", before) == "tool_calls:contradicts"
        assert reason("It makes 86.", (*before, *steps("cloudy"))) == ""

    def test_of_several_at_once_one_is_enough(self) -> None:
        assert reason("The second makes 12.", steps("85", "12")) == ""
        assert reason("Both make 13.", steps("85", "12")) == "tool_calls:contradicts"
        assert reason("Both make 13.", steps("85", "cloudy")) == ""

    def test_german_commas_are_read_where_the_prompt_is_german(self) -> None:
        assert reason("Das sind 1.234,5 Euro.", steps("1234.5"), language="de") == ""
        assert reason("Das sind 1.324,5 Euro.", steps("1234.5"), language="de") != ""


PRICES = json.dumps({"items": [{"name": "a", "price": 12.4}, {"name": "b", "price": 310},
                               {"name": "c", "price": 42.17}], "order": "W4923227"})  # fmt: skip


class TestFigures:
    @pytest.mark.parametrize(
        "answer",
        [
            "They cost $12.40, $310 and $42.17.",
            "All three cost $364.57.",  # their sum
            "On average $121.52.",
            "a and c: $54.57. With the b: $54.57 + $310 = $364.57.",
            "Order W4923227, or 4923227; it ends in 3227.",
            "Since 1987 we have sold it. See 3/117, v1.234.5, 12:345, ABC123 and 24-hour.",
            "Nearly 400 in all; some 300 for b.",
            "Three of b are $930.",
        ],
    )
    def test_what_is_given_or_follows_is_kept(self, answer: str) -> None:
        assert reason(answer, steps(PRICES), ask="What do they cost?") == ""

    @pytest.mark.parametrize("answer", ["b costs $317.", "All cost $374.57.", "Call 5550199."])
    def test_what_nobody_gave_is_unfounded(self, answer: str) -> None:
        assert reason(answer, steps(PRICES), ask="?") == "tool_calls:unfounded"
        assert reason(answer, steps(PRICES), ask="?", figures="contradicts") == ""
        assert reason(answer, ask="What do they cost?") == "", "no tool was asked"

    def test_two_digits_are_enough_where_every_call_failed(self) -> None:
        assert reason("It is 23 degrees.", steps("Error: no answer")) == "tool_calls:unfounded"
        assert reason("It is 23 degrees.", steps("Error: no answer", "sunny")) == ""
        assert reason("The tool gave no answer. Try again in 5 minutes.", steps("Error: x")) == ""

    def test_a_tools_description_gives_figures(self) -> None:
        tools = TOOLS.replace('"name": "add"', '"name": "add", "description": "Up to 4711 terms."')
        assert reason("It adds 4711 terms.", steps("{}"), tools=tools) == ""

    def test_what_an_earlier_turn_asked_the_tools_is_no_matter(self) -> None:
        turns = (Message("user", "?"), *steps("85"), Message("assistant", "85."),
                 Message("user", "And how high is Mont Blanc?"))  # fmt: skip
        sample = Sample(0, Response("4,806 metres.", "m"))
        assert ToolCalls().reason(Prompt("p", turns, tools=TOOLS), sample) == ""

    def test_of_very_many_figures_nothing_is_said(self) -> None:
        many = json.dumps([n * 1.37 for n in range(1000)])
        assert reason("It is 98765.4.", steps(many), ask="?") == ""


def test_numbers_without_end_are_no_figures() -> None:
    for said in ("1" * 400, f"1{'0' * 400}", f"0.{'0' * 400}1", "9" * 100_000 + "a"):
        assert reason(f"It is {said}.", steps(said)) == ""
        assert reason(f"It is {said}.", steps('{"a": 1e308, "b": -1e308, "c": 2e-308}')) == ""


TEXTS = st.text(alphabet='0123456789.,-$%()[]{}":ea \n−٣', max_size=60)


@given(TEXTS, TEXTS, st.sampled_from([None, "en", "de", "hi"]))
def test_whatever_is_said_is_read(answer: str, result: str, language: str | None) -> None:
    reason(answer, steps(result), language=language)
    lone(result)
    # What a tool said itself is always given.
    found = figures(result, language)
    assert not unfounded(found, [result], [result], language)
