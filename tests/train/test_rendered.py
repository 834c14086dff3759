"""Thoughts, weights and tools: what is learned of them, and which rows a template cannot hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chat_templates import CALLING, CHATML, NEMOTRON, QWEN, QWEN_MARKED, THINKING
from encodings_of import learned, one, refusal, tokenizer, whole
from gristmill.nemotron import REWARD_TEMPLATE
from gristmill.records import Message, ToolCall
from gristmill.train.encode import Item
from gristmill.train.examples import Compared, Conversation, Rated

ASK, AGAIN = Message("user", "2 and 3?"), Message("user", "and 4?")
TOOLS = json.dumps(
    [{"type": "function", "function": {"name": "add", "description": "", "parameters": {}}}]
)
CALL = ToolCall("add", '{"a": 2, "b": "three"}', "call00001")
RESULT = Message("tool", "it is five", tool_call_id=CALL.id, name="add")

OLD = QWEN.replace("m.reasoning_content", "nothing")
TEXT_ALONE = (
    "{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\n' + m.content -}}"
    "{%- for call in m.tool_calls or [] -%}"
    "{{- '[' + call.function.name + call.function.arguments + ']' -}}{%- endfor -%}"
    "{{- '<|im_end|>\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
CALL_ALONE = QWEN.replace("{{- m.content -}}", "{{- '' if m.tool_calls else m.content -}}")

every = pytest.mark.parametrize("template", THINKING.values(), ids=THINKING)
calling = pytest.mark.parametrize("template", CALLING.values(), ids=CALLING)


def say(text: str, thought: str = "", *calls: ToolCall, learned: bool = True) -> Message:
    return Message("assistant", text, thought, calls, learned=learned)


def talk(*turns: Message, tools: str = "") -> Conversation:
    return Conversation(turns, "chats.jsonl:1", tools)


def reads(item: Item) -> list[int]:
    """The ids that are learned."""
    return [int(i) for s in item.sequences for i in s.ids[s.reads + 1]]


def ids(text: str, template: str) -> list[int]:
    return tokenizer(template)(text, add_special_tokens=False)["input_ids"]


class TestThoughts:
    @every
    def test_exactly_the_thoughts_tokens_are_learned_more(self, template: str) -> None:
        plain = one(talk(ASK, say("five")), template)
        more = one(talk(ASK, say("five", "2 + 3 = 5")), template)
        text, longer = learned(plain, template)[0], learned(more, template)[0]
        answer = text[text.index("five") :]
        assert longer.endswith(answer) and "2 + 3 = 5\n</think>\n" in longer
        thought = longer.removesuffix(answer)
        assert reads(more) == ids(thought, template) + ids(answer, template)
        # What stands in the thought's place is empty.
        assert text.removesuffix(answer).replace("<think>", "").strip("\n") in ("", "</think>")

    def test_the_familys_writes_the_thought_before_the_answer(self) -> None:
        turns = (ASK, say("five", "2 + 3"), AGAIN, say("nine", "5 + 4"))
        plain = one(talk(ASK, say("five"), AGAIN, say("nine")))
        item = one(talk(*turns))
        thoughts = ["<think>\n2 + 3\n</think>\n\n", "<think>\n5 + 4\n</think>\n\n"]
        stop = "\n<extra_id_1>"
        assert learned(item) == [f"{thoughts[0]}five{stop}{thoughts[1]}nine{stop}"]
        more = sum(len(ids(thought, "")) for thought in thoughts)
        assert item.reads - plain.reads == item.tokens - plain.tokens == more

    @calling
    def test_earlier_thoughts_that_would_go_are_refused_with_the_ways_out(
        self, template: str
    ) -> None:
        row = talk(ASK, say("five", "2 + 3"), AGAIN, say("nine", "5 + 4"))
        found = refusal(row, template)
        assert found.reason == "reasoning_dropped"
        assert "earlier turns" in found.detail
        assert "turns: last" in found.detail and "reasoning: drop" in found.detail
        (last,) = learned(one(row, template, turns="last"), template)
        assert "5 + 4" in last and "five" not in last
        assert "2 + 3" not in whole(one(row, template, turns="last"), template)[0]
        (both,) = learned(one(row, template, reasoning="drop"), template)
        assert "five" in both and "nine" in both and "+" not in both

    @every
    @pytest.mark.parametrize("thought", ["", "5 + 4"])
    def test_several_turns_train_where_the_last_alone_has_a_thought(
        self, template: str, thought: str
    ) -> None:
        item = one(talk(ASK, say("five"), AGAIN, say("nine", thought)), template)
        (text,) = learned(item, template)
        assert thought in text
        stop = "\n<extra_id_1>" if "extra_id" in template else "<|im_end|>"
        assert text.count(stop) == 2
        assert f"five{stop}" in text and f"nine{stop}" in text and "and 4" not in text

    @every
    def test_thoughts_between_calls_are_those_of_the_last_turn(self, template: str) -> None:
        turns = (ASK, say("wait", "ask it", CALL), RESULT, say("five", "it says so"))
        row = talk(*turns, tools=TOOLS)
        if "extra_id" in template:
            assert refusal(row, template).reason == "tools_dropped"
            return
        (text,) = learned(one(row, template), template)
        assert "ask it" in text and "it says so" in text and "it is five" not in text

    def test_a_template_without_thoughts(self) -> None:
        row = talk(ASK, say("five", "2 + 3"))
        for template in (CHATML, OLD):
            found = refusal(row, template)
            assert found.reason == "reasoning_dropped"
            assert "reasoning: inline" in found.detail and "reasoning: drop" in found.detail
        inline = one(row, CHATML, reasoning="inline")
        assert learned(inline, CHATML) == ["<think>\n2 + 3\n</think>\n\nfive<|im_end|>"]
        dropped = one(row, CHATML, reasoning="drop")
        assert learned(dropped, CHATML) == ["five<|im_end|>"]

    def test_one_that_takes_thoughts_out_of_the_text_too(self) -> None:
        strict = CHATML.replace("message['content']", "message['content'].split('</think>')[-1]")
        found = refusal(talk(ASK, say("five", "2 + 3")), strict, reasoning="inline")
        assert found.reason == "reasoning_dropped"
        assert "reasoning: drop" in found.detail and "inline" not in found.detail
        hidden = refusal(talk(ASK, say("<think>2 + 3</think>five")), strict)
        assert hidden.reason == "chat_template" and "leaves out" in hidden.detail

    def test_a_thought_that_is_also_the_answer_is_not_taken_for_written(self) -> None:
        assert refusal(talk(ASK, say("five", "five")), CHATML).reason == "reasoning_dropped"
        (text,) = learned(one(talk(ASK, say("five", "five")), QWEN), QWEN)
        assert text.count("five") == 2

    def test_the_thought_of_a_turn_that_is_not_learned_may_go(self) -> None:
        row = talk(ASK, say("five", "2 + 3", learned=False), AGAIN, say("nine"))
        assert "nine" in learned(one(row, QWEN), QWEN)[0]


class TestWeights:
    @every
    def test_a_turn_of_weight_0_is_read_and_not_learned(self, template: str) -> None:
        turns = (ASK, say("five"), AGAIN, say("nine"))
        row = talk(ASK, replace(turns[1], learned=False), *turns[2:])
        both, item = one(talk(*turns), template), one(row, template)
        assert whole(item, template) == whole(both, template)
        (text,) = learned(item, template)
        assert "nine" in text and "five" not in text
        assert 0 < item.reads < both.reads

    @every
    def test_one_of_which_nothing_is_left_is_refused(self, template: str) -> None:
        row = talk(ASK, say("five"), AGAIN, say("nine", "5 + 4", learned=False))
        assert "five" in learned(one(row, template), template)[0]
        found = refusal(row, template, turns="last")
        assert found.reason == "nothing_to_learn" and "weight 0" in found.detail
        assert refusal(talk(ASK, say("five", learned=False)), template).reason == found.reason


class TestTools:
    ROW = talk(ASK, say("wait", "", CALL), RESULT, say("five"), tools=TOOLS)

    @calling
    def test_calls_are_learned_and_what_tools_answer_is_not(self, template: str) -> None:
        item = one(self.ROW, template)
        (text,), (read,) = learned(item, template), whole(item, template)
        assert "it is five" in read and "it is five" not in text
        assert text.count("<|im_end|>") == 2
        for part in ("wait", "<tool_call>", "add", "three", "</tool_call>", "five<|im_end|>"):
            assert part in text
        plain = whole(one(replace(self.ROW, tools=""), template), template)[0]
        assert read != plain and "add" in read.split("2 and 3?")[0]

    @calling
    def test_a_conversation_may_end_in_a_call(self, template: str) -> None:
        (text,) = learned(one(talk(ASK, say("", "", CALL), tools=TOOLS), template), template)
        assert "three" in text and text.endswith(("<|im_end|>", "<|im_end|>\n"))

    @pytest.mark.parametrize(
        "row, what",
        [
            (talk(ASK, say("five"), tools=TOOLS), "tools"),
            (talk(ASK, say("wait", "", CALL)), "tool calls"),
        ],
    )
    def test_a_template_without_them_is_no_way_to_learn_them(
        self, row: Conversation, what: str
    ) -> None:
        for template in ("", CHATML):
            found = refusal(row, template)
            assert found.reason == "tools_dropped"
            assert f"leaves out {what};" in found.detail and "`template`" in found.detail

    def test_turns_of_tools_that_would_go_are_named(self) -> None:
        deaf = QWEN.replace("'tool' -%}", "'tool' -%}{%- elif false -%}")
        found = refusal(self.ROW, deaf)
        assert (found.reason, "what tools answer" in found.detail) == ("tools_dropped", True)

    def test_arguments_are_text_for_a_template_that_joins_them_to_its_own(self) -> None:
        row = talk(ASK, say("wait", "", CALL), RESULT, say("five"))
        (text,) = learned(one(row, TEXT_ALONE), TEXT_ALONE)
        assert text == 'wait[add{"a": 2, "b": "three"}]<|im_end|>five<|im_end|>'

    def test_what_tools_answer_inside_the_assistants_turn_is_refused(self) -> None:
        # Gemma's: the call, what the tool said, and the text that stood beside the call.
        inside = QWEN.replace("{{- m.content -}}", "").replace(
            "{{- '<|im_end|>\n' -}}",
            "{%- if m.tool_calls and loop.nextitem -%}{{- loop.nextitem.content -}}{%- endif -%}"
            "{{- m.content + '<|im_end|>\n' -}}",
            1,
        )
        found = refusal(self.ROW, inside)
        assert found.reason == "chat_template" and "what tools answer into" in found.detail
        assert "five" in learned(one(self.ROW, inside, turns="last"), inside)[0]

    def test_a_text_beside_a_call_is_not_lost(self) -> None:
        found = refusal(self.ROW, CALL_ALONE)
        assert found.reason == "chat_template" and "beside its tool calls" in found.detail
        silent = replace(self.ROW, messages=(ASK, say("", "", CALL), RESULT, say("five")))
        assert "three" in learned(one(silent, CALL_ALONE), CALL_ALONE)[0]


class TestPairs:
    PROMPT = (ASK,)

    def pair(self, chosen: Message, rejected: Message) -> Compared:
        return Compared(self.PROMPT, (chosen,), (rejected,), "pairs.jsonl:1", tools="")

    @every
    def test_thoughts_tell_sides_apart(self, template: str) -> None:
        pair = self.pair(say("five", "2 + 3"), say("five", "a guess"))
        chosen, rejected = learned(one(pair, template), template)
        assert "2 + 3" in chosen and "a guess" in rejected
        assert refusal(pair, template, reasoning="drop").reason == "identical_pair"

    @calling
    def test_calls_tell_sides_apart(self, template: str) -> None:
        other = replace(CALL, arguments='{"a": 1, "b": "one"}')
        pair = replace(self.pair(say("", "", CALL), say("", "", other)), tools=TOOLS)
        chosen, rejected = learned(one(pair, template), template)
        assert "three" in chosen and "one" in rejected

    @every
    def test_a_reward_model_grades_the_answer_alone(self, template: str) -> None:
        pair = self.pair(say("five", "2 + 3"), say("six", "a guess"))
        bare = self.pair(say("five"), say("six"))
        texts = [whole(one(each, template, ends=True), template) for each in (pair, bare)]
        assert texts[0] == texts[1]
        same = self.pair(say("five", "2 + 3"), say("five", "a guess"))
        assert refusal(same, template, ends=True).reason == "identical_pair"

    def test_nor_does_it_read_those_of_the_prompt(self) -> None:
        prompt = (ASK, say("five", "2 + 3"), AGAIN)
        rated = Rated(prompt, "nine", (1, None, None, None, None), "rated.jsonl:1")
        for template in ("", REWARD_TEMPLATE, QWEN, NEMOTRON):
            assert "2 + 3" not in whole(one(rated, template, ends=True), template)[0]


def test_marks_without_the_stop_token_are_given_it() -> None:
    short = QWEN_MARKED.replace(
        "{{- '<|im_end|>\n' -}}{%- endgeneration -%}",
        "{%- endgeneration -%}{{- '<|im_end|>\n' -}}",
    )
    assert short != QWEN_MARKED
    row = talk(ASK, say("wait", "", CALL), RESULT, say("five"), tools=TOOLS)
    (text,) = learned(one(row, short), short)
    assert text.count("<|im_end|>") == 2 and text.endswith("five<|im_end|>")


def test_marks_that_miss_the_answer_are_not_gone_by() -> None:
    wrong: Any = QWEN.replace(
        "{{- '<|im_start|>assistant\n' -}}",
        "{%- generation -%}{{- '<|im_start|>assistant\n' -}}{%- endgeneration -%}",
        1,
    )
    assert learned(one(talk(ASK, say("five")), wrong), wrong)[0].endswith("five<|im_end|>")
