"""Rows as well-known data sets publish them: what each gives, and what contradicts itself."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from gristmill.intake.cells import Refused, Unusable
from gristmill.intake.record import (
    CONVERSATION,
    ITEM,
    PAIR,
    PROMPT,
    RATED,
    TEXT,
    Record,
)
from gristmill.intake.source import Source
from gristmill.records import Message, ToolCall

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": WEATHER}
CALL = ToolCall("weather", '{"city":"Rome"}')
OPENAI_CALL = {"id": "c1", "type": "function",
               "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}  # fmt: skip
HERMES = (
    "You are a function calling AI model. You are provided with function signatures within <tools>"
    " </tools> XML tags. You may call one or more functions to assist with the user query.\n"
    f"<tools>\n{json.dumps([TOOL])}\n</tools>\nFor each function call return a JSON object within "
    "<tool_call> </tool_call> XML tags:\n<tool_call>\n{'name': <function-name>}\n</tool_call>"
)
QWEN = (
    "Be brief.\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
    f"{json.dumps(TOOL)}\n</tools>\n\nFor each function call, return a json object within "
    '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>}\n</tool_call>'
)


def u(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def a(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def share(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": who, "value": said} for who, said in turns]


def said(record: Record) -> list[tuple[str, str]]:
    """Who says what, a conversation's answer among it."""
    turns = record.content.turns if record.kind in (CONVERSATION, RATED) else record.prompt.messages
    return [(turn.role, turn.content) for turn in turns]


def read(row: dict[str, Any], *kinds: str, form: str = "auto") -> Record:
    return Source(file="f.jsonl", format=form).record(row, "f.jsonl:1", kinds)


def refused(row: dict[str, Any], *kinds: str, form: str = "auto") -> str:
    with pytest.raises(Unusable) as caught:
        read(row, *kinds, form=form)
    return caught.value.reason


QA = [("user", "Q?"), ("assistant", "A.")]
TALKS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    # whose: (a row, who says what)
    "OpenAI, parts": (
        {"messages": [
            {"role": "system", "content": [{"type": "text", "text": "S"}]},
            {"role": "user",
             "content": [{"type": "text", "text": "Q"}, {"type": "text", "text": "?"}]},
            a("A.")]},
        [("system", "S"), *QA],
    ),
    "OpenAI, developer and a refusal": (
        {"messages": [{"role": "developer", "content": "S"}, u("Q?"),
                      {"role": "assistant", "content": None, "refusal": "No."}]},
        [("system", "S"), ("user", "Q?"), ("assistant", "No.")],
    ),
    "ShareGPT": (
        {"id": "x_0", "conversations": share(("system", "S"), ("human", "Q?"), ("gpt", "A."))},
        [("system", "S"), *QA],
    ),
    **{
        f"ShareGPT, {user} and {model}": (
            {"conversations": share((user, "Q?"), (model, "A."))}, QA)
        for user, model in [("user", "chatgpt"), ("Human", "Assistant"), ("USER", "bing"),
                            ("user", "bard"), ("prompter", "model"), ("user", "bot")]
    },
    "LLaMA-Factory, alpaca": (
        {"instruction": "Add.", "input": "1 2", "output": "3", "system": "S",
         "history": [["Q?", "A."], ["And?", "B."]]},
        [("system", "S"), *QA, ("user", "And?"), ("assistant", "B."),
         ("user", "Add.\n\n1 2"), ("assistant", "3")],
    ),
    "LLaMA-Factory, sharegpt": (
        {"conversations": share(("human", "Q?"), ("gpt", "A.")), "system": "S", "tools": ""},
        [("system", "S"), *QA],
    ),
    "Alpaca": (
        {"instruction": "Add.", "input": "1 2", "output": "3", "text": "Below is an ..."},
        [("user", "Add.\n\n1 2"), ("assistant", "3")],
    ),
    "Alpaca by the error's own advice": (
        {"instruction": "Add.", "input": "1 2", "output": "3", "prompt": "Add.", "response": "3"},
        [("user", "Add.\n\n1 2"), ("assistant", "3")],
    ),
    "Alpaca, its template too": (
        {"instruction": "Q?", "input": "", "output": "A.", "prompt": "Below is ... Q? ..."}, QA),
    "Dolly": (
        {"instruction": "Who?", "context": "Virgin ...", "response": "V.", "category": "closed_qa"},
        [("user", "Who?\n\nVirgin ..."), ("assistant", "V.")],
    ),
    "self-instruct": (
        {"id": "seed_task_0", "name": "x", "instruction": "Add.", "is_classification": False,
         "instances": [{"input": "1 2", "output": "3"}, {"input": "2 2", "output": "4"}]},
        [("user", "Add.\n\n1 2"), ("assistant", "3")],
    ),
    "OpenOrca": (
        {"id": "flan.1", "system_prompt": "S", "question": "Q?", "response": "A."},
        [("system", "S"), *QA],
    ),
    "MetaMathQA": ({"type": "GSM_Rephrased", "query": "Q?", "original_question": "Q",
                    "response": "A."}, QA),
    "HH-RLHF, a text": ({"text": "\n\nHuman: Q?\n\nAssistant: A."}, QA),
    "TRL, prompt and completion": ({"prompt": "Q?", "completion": "A."}, QA),
    "TRL, conversational": ({"prompt": [u("Q?")], "completion": [a("A.")]}, QA),
    "TRL, conversational in CSV": (
        {"prompt": json.dumps([u("Q?")]), "completion": json.dumps([a("A.")])}, QA),
    "messages in CSV": ({"messages": json.dumps([u("Q?"), a("A.")])}, QA),
    "UltraChat": (
        {"prompt": "Q?", "prompt_id": "4f", "messages": [u("Q?"), a("B."), u("And?"), a("A.")]},
        [("user", "Q?"), ("assistant", "B."), ("user", "And?"), ("assistant", "A.")],
    ),
    "SmolTalk": ({"messages": [u("Q?"), a("A.")], "source": "smol-magpie-ultra"}, QA),
    "HelpSteer2, several turns": (
        {"prompt": "Q?\n<extra_id_1>Assistant\nA.\n<extra_id_1>User\nMore?", "response": "B.",
         "helpfulness": 3, "correctness": 3, "coherence": 4, "complexity": 1, "verbosity": 1},
        [*QA, ("user", "More?"), ("assistant", "B.")],
    ),
    "Nemotron post-training, the first": (
        {"input": [u("Q?")], "output": "A.", "category": "chat", "license": "odc-by",
         "reasoning": "off", "generator": "x", "used_in_training": "yes", "version": "v1",
         "system_prompt": "detailed thinking off"},
        [("system", "detailed thinking off"), *QA],
    ),
    "Nemotron post-training, input a text": (
        {"input": "Q?", "output": "<think>\n\n</think>\n\nA.", "reasoning": "off"}, QA),
    "Nemotron post-training, the later": (
        {"uuid": "1", "license": "cc-by-4.0", "generator": "x", "version": "v1", "category": "stem",
         "reasoning": "off", "metadata": "{}",
         "messages": [{"role": "system", "content": "", "tool_calls": []},
                      {"role": "user", "content": "Q?", "tool_calls": []}, a("A.", tool_calls=[])]},
        [("system", ""), *QA],
    ),
    "Nemotron's texts": (
        {"text": "<extra_id_0>System\nS\n<extra_id_1>User\nQ?\n"
                 "<extra_id_1>Assistant\nA.\n<extra_id_2>"},
        [("system", "S"), *QA],
    ),
}  # fmt: skip


@pytest.mark.parametrize("whose", TALKS)
def test_conversations(whose: str) -> None:
    row, turns = TALKS[whose]
    record = read(row, CONVERSATION)
    assert said(record) == turns
    assert record.content.turns[-1].reasoning == ""
    # The same without its answer where a prompt is wanted.
    assert said(read(row, PROMPT)) == turns[:-1]


THOUGHTS: dict[str, dict[str, Any]] = {
    "in tags": {"messages": [u("Q?"), a("<think>\nT.\n</think>\n\nA.")]},
    "beside the content": {"messages": [u("Q?"), a("A.", reasoning_content="T.")]},
    "OpenRouter's name": {"messages": [u("Q?"), a("A.", reasoning="T.")]},
    "as a part": {"messages": [u("Q?"), {"role": "assistant", "content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "T."}]},
        {"type": "text", "text": "A."}]}]},
    "Nemotron post-training": {"input": [u("Q?")], "output": "<think>\nT.\n</think>\nA.",
                               "reasoning": "on"},
    "OpenThoughts": {"system": "", "conversations": share(
        ("user", "Q?"), ("assistant", "<|begin_of_thought|>\n\nT.\n\n<|end_of_thought|>\n\n"
                         "<|begin_of_solution|>\n\nA.\n\n<|end_of_solution|>"))},
    "a column of the row": {"prompt": "Q?", "response": "A.", "reasoning": "T."},
    "a column, and in tags": {"prompt": "Q?", "response": "<think>T.</think>A.", "thinking": "T."},
    "a column beside turns": {"messages": [u("Q?"), a("A.")], "reasoning_content": "T."},
}  # fmt: skip


@pytest.mark.parametrize("how", THOUGHTS)
def test_thoughts(how: str) -> None:
    record = read(THOUGHTS[how], CONVERSATION)
    assert (said(record), record.content.turns[-1].reasoning) == (QA, "T.")
    # Nobody is asked with the answer's thought.
    assert record.prompt.messages == (Message("user", "Q?"),)


def test_s1k_by_its_columns() -> None:
    row = {"question": "Q?", "solution": "4", "thinking_trajectories": ["T."], "attempt": "A."}
    columns = {"response": "attempt", "reasoning": "thinking_trajectories", "answer": "solution"}
    source = Source(file="f.jsonl", columns=columns)
    record = source.record(source.renamed(row), "f.jsonl:1", (CONVERSATION,))
    assert (said(record), record.content.turns[-1].reasoning) == (QA, "T.")
    assert source.record(source.renamed(row), "f.jsonl:1", (PROMPT,)).prompt.answer == "4"


CALLED: dict[str, dict[str, Any]] = {
    "OpenAI": {"tools": [TOOL], "messages": [
        u("Q?"), a("", tool_calls=[OPENAI_CALL]),
        {"role": "tool", "tool_call_id": "c1", "content": "21"}, a("A.")]},
    "OpenAI of before": {"functions": [WEATHER], "messages": [
        u("Q?"), {"role": "assistant", "content": None,
                  "function_call": {"name": "weather", "arguments": '{"city":"Rome"}'}},
        {"role": "function", "name": "weather", "content": "21"}, a("A.")]},
    "TRL, arguments as objects": {"tools": json.dumps([TOOL]), "messages": [
        u("Q?"), {"role": "assistant", "tool_calls": [
            {"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}]},
        {"role": "tool", "name": "weather", "content": "21"}, a("A.")]},
    "a table with gaps": {"tools": [TOOL], "messages": [
        {**u("Q?"), "tool_calls": None, "name": None},
        {"role": "assistant", "content": None, "name": None, "tool_calls": [
            {"id": None, "type": "function",
             "function": {"name": "weather", "arguments": {"city": "Rome", "zip": None}}}]},
        {"role": "tool", "name": "weather", "content": "21", "tool_calls": None},
        {**a("A."), "tool_calls": None, "name": None}]},
    "LLaMA-Factory": {"tools": json.dumps([WEATHER]), "conversations": share(
        ("human", "Q?"), ("function_call", '{"name": "weather", "arguments": {"city":"Rome"}}'),
        ("observation", "21"), ("gpt", "A."))},
    "APIGen-MT": {"tools": json.dumps([WEATHER]), "system": "", "conversations": share(
        ("human", "Q?"), ("function_call", '[{"name": "weather", "arguments": {"city":"Rome"}}]'),
        ("observation", "21"), ("gpt", "A."))},
    "Hermes": {"conversations": share(
        ("system", HERMES), ("human", "Q?"),
        ("gpt", '<tool_call>\n{"arguments": {"city":"Rome"}, "name": "weather"}\n</tool_call>'),
        ("tool", "<tool_response>\n21\n</tool_response>"), ("gpt", "A.")), "category": "x"},
    "Hermes, with its column": {"tools": json.dumps([TOOL]), "conversations": share(
        ("system", HERMES), ("human", "Q?"),
        ("gpt", '<tool_call>\n{"arguments": {"city":"Rome"}, "name": "weather"}\n</tool_call>'),
        ("tool", "<tool_response>\n21\n</tool_response>"), ("gpt", "A."))},
    "Anthropic": {"tools": [{"name": "weather", "description": "Of a city.",
                             "input_schema": WEATHER["parameters"]}], "messages": [
        u("Q?"), {"role": "assistant", "content": [
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rome"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": "21"}]}, a("A.")]},
}  # fmt: skip


@pytest.mark.parametrize("whose", CALLED)
def test_tools_and_their_calls(whose: str) -> None:
    record = read(CALLED[whose], CONVERSATION)
    assert orjson.loads(record.prompt.tools) == [TOOL]
    asked, call, answer, last = record.content.turns
    assert (asked.content, answer.role, answer.content, last.content) == ("Q?", "tool", "21", "A.")
    assert call.content == "" and [(c.name, c.arguments) for c in call.tool_calls] == [
        (CALL.name, CALL.arguments)
    ]
    assert answer.tool_call_id == call.tool_calls[0].id or answer.name == "weather"
    # A prompt may end with a tool's answer, and knows its tools.
    prompt = read(CALLED[whose], PROMPT).prompt
    assert prompt.messages[-1].role == "tool" and prompt.tools == record.prompt.tools


def test_what_a_system_message_says_beside_its_tools_stays() -> None:
    row = {"messages": [{"role": "system", "content": QWEN}, u("Q?"), a("A.")]}
    record = read(row, CONVERSATION)
    assert said(record) == [("system", "Be brief."), *QA]
    assert orjson.loads(record.prompt.tools) == [TOOL]


def test_xlam() -> None:
    answers = json.dumps([{"name": "weather", "arguments": {"city": "Rome"}}])
    row = {"id": 0, "query": "Q?", "tools": json.dumps([WEATHER]), "answers": answers}
    record = read(row, CONVERSATION)
    assert record.content.turns == (Message("user", "Q?"), Message("assistant", "", "", (CALL,)))
    prompt = read(row, PROMPT).prompt
    assert (prompt.id, prompt.answer, orjson.loads(prompt.tools)) == ("0", None, [TOOL])
    assert refused({**row, "answers": "[]"}, CONVERSATION) == "empty_response"
    assert refused({**row, "answers": '[{"x": 1}]'}, CONVERSATION) == "bad_calls"


def test_xlams_arguments_become_a_schema() -> None:
    flat = {
        "type": {"type": "str", "description": "Of what."},
        "ids": {"type": "List[int], optional"},
        "near": {"type": "Union[int, str]", "default": 3},
    }
    row = {
        "query": "Q?",
        "answers": '[{"name": "f"}]',
        "tools": [{"name": "f", "parameters": flat}],
    }
    (tool,) = orjson.loads(read(row, PROMPT).prompt.tools)
    assert tool["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "Of what."},
            "ids": {"type": "array"},
            "near": {"default": 3},
        },
        "required": ["type"],
    }
    for schema in ({"type": "dict", "properties": {"x": {"type": "int"}}}, {"properties": flat},
                   {"additionalProperties": {"type": "string"}}, {}):  # fmt: skip
        row["tools"] = [{"name": "f", "parameters": schema}]
        (tool,) = orjson.loads(read(row, PROMPT).prompt.tools)
        assert tool["function"]["parameters"] == schema


@pytest.mark.parametrize(
    ("turn", "learned"),
    [({"weight": 0}, False), ({"weight": 1}, True), ({"weight": None}, True),
     ({"train": False}, False), ({"weight": 0.0}, False), ({"loss": "false"}, False),
     ({"weight": "1"}, True)],
)  # fmt: skip
def test_what_is_learned(turn: dict[str, Any], learned: bool) -> None:
    record = read({"messages": [u("Q?"), a("B.", **turn), u("And?"), a("A.")]}, CONVERSATION)
    assert [m.learned for m in record.content.turns] == [True, learned, True, True]


@pytest.mark.parametrize(
    ("mask", "learned"), [("User", True), ("Assistant", False), ("gpt", False)]
)
def test_nemos_mask(mask: str, learned: bool) -> None:
    row = {"system": "", "mask": mask, "conversations": share(("User", "Q?"), ("Assistant", "A."))}
    assert read(row, CONVERSATION).content.turns[-1].learned is learned


PAIRS: dict[str, dict[str, Any]] = {
    "TRL": {"prompt": "Q?", "chosen": "Good.", "rejected": "Bad."},
    "TRL, conversational": {"prompt": [u("Q?")], "chosen": [a("Good.")], "rejected": [a("Bad.")]},
    "TRL, conversational in CSV": {"prompt": json.dumps([u("Q?")]),
        "chosen": json.dumps([a("Good.")]), "rejected": json.dumps([a("Bad.")])},
    "TRL, implicit prompt": {"chosen": [u("Q?"), a("Good.")], "rejected": [u("Q?"), a("Bad.")]},
    "HH-RLHF": {"chosen": "\n\nHuman: Q?\n\nAssistant: Good.",
                "rejected": "\n\nHuman: Q?\n\nAssistant: Bad."},
    "UltraFeedback binarised": {"prompt": "Q?", "prompt_id": "a0", "score_chosen": 8.5,
        "score_rejected": 8.0, "messages": [u("Q?"), a("Good.")],
        "chosen": [u("Q?"), a("Good.")], "rejected": [u("Q?"), a("Bad.")]},
    "UltraFeedback": {"source": "sharegpt", "instruction": "Q?", "models": ["a", "b", "c"],
        "completions": [
            {"model": "a", "response": "Bad.", "overall_score": 4.0, "fine-grained_score": 5.0},
            {"model": "b", "response": "Good.", "overall_score": 9.0, "fine-grained_score": 4.0},
            {"model": "c", "response": "So so.", "overall_score": 6.0, "fine-grained_score": 4.0}],
        "correct_answers": ["None"], "incorrect_answers": ["None"]},
    "Nectar": {"prompt": "\n\nHuman: Q?\n\nAssistant: ", "turns": 1, "num_responses": 2,
        "source": ["lmsys-chat-1m"], "good_natured": True,
        "answers": [{"answer": "Good.", "model": "a", "rank": 1.0},
                    {"answer": "Bad.", "model": "b", "rank": 2.0}]},
    "HelpSteer2-Preference": {"split": "train", "prompt": "Q?", "response_1": "Good.",
        "response_2": "Bad.", "preference_strength": -2, "preference_statement": "1 is better",
        "all_preferences_unprocessed": []},
    "HelpSteer3": {"domain": "general", "language": "english", "context": [u("Q?")],
        "response1": "Bad.", "response2": "Good.", "overall_preference": 3,
        "individual_preference": [{"score": 3, "reasoning": "R", "feedback1": "F"}]},
    "LLaMA-Factory, alpaca": {"instruction": "Q?", "input": "", "chosen": "Good.",
                              "rejected": "Bad."},
    "LLaMA-Factory, sharegpt": {"conversations": share(("human", "Q?")),
        "chosen": {"from": "gpt", "value": "Good."}, "rejected": {"from": "gpt", "value": "Bad."}},
    "Orca pairs": {"system": "", "question": "Q?", "chosen": "Good.", "rejected": "Bad."},
    "Orca pairs of distilabel": {"system": "", "input": "Q?", "chosen": "Good.", "rejected": "Bad.",
                                 "generations": ["Good.", "Bad."], "rating": [9.0, 7.0]},
    "RewardBench": {"id": 1, "prompt": "Q?", "chosen": "Good.", "chosen_model": "a",
                    "rejected": "Bad.", "rejected_model": "b", "subset": "chat"},
    "arena 140k": {"model_a": "x", "model_b": "y", "winner": "model_a",
        "conversation_a": [{"role": "user", "content": [{"type": "text", "text": "Q?"}]},
                           {"role": "assistant", "content": [{"type": "text", "text": "Good."}]}],
        "conversation_b": [{"role": "user", "content": [{"type": "text", "text": "Q?"}]},
                           {"role": "assistant", "content": [{"type": "text", "text": "Bad."}]}]},
}  # fmt: skip


@pytest.mark.parametrize("whose", PAIRS)
def test_pairs(whose: str) -> None:
    record = read(PAIRS[whose], PAIR)
    assert said(record) == [("user", "Q?")]
    assert (record.answers[0].text, record.answers[-1].text) == ("Good.", "Bad.")
    assert record.content.right == 1
    assert read(PAIRS[whose], ITEM).answers == record.answers
    assert said(read(PAIRS[whose], PROMPT)) == [("user", "Q?")]
    assert refused(PAIRS[whose], CONVERSATION, TEXT) == "wrong_kind"


LIKES = [
    ({"prompt": "Q?", "completion": "A."}, "label", True),
    ({"prompt": [u("Q?")], "completion": [a("A.")]}, "label", True),
    ({"prompt": "Q?", "completion": "A."}, "label", 1),
    ({"prompt": "Q?", "completion": "A."}, "label", "1.0"),
    ({"prompt": "Q?", "completion": "A."}, "label", "True"),
    ({"prompt": "Q?", "response": "A."}, "label", "true"),
    ({"messages": [u("Q?"), a("A.")]}, "label", True),
    ({"conversations": share(("human", "Q?"), ("gpt", "A."))}, "kto_tag", True),
    ({"instruction": "Q?", "input": "", "output": "A."}, "kto_tag", 1),
]


@pytest.mark.parametrize(("row", "name", "good"), LIKES)
def test_one_answer_and_whether_it_is_good(row: dict[str, Any], name: str, good: Any) -> None:
    record = read({**row, name: good}, PAIR)
    assert (record.form, said(record), record.answers[0].score) == ("unpaired", QA[:1], 1.0)
    # What is good in one may be bad in the next; nobody imitates it unseen.
    assert refused({**row, name: good}, CONVERSATION) == "wrong_kind"


@pytest.mark.parametrize(
    ("row", "form"),
    [
        ({"prompt": "Q?", "response": "A.", "label": 1}, "helpsteer2"),
        ({"prompt": "Q?", "response": "A.", "label": "safe"}, "helpsteer2"),
        ({"prompt": "Q?", "completion": "A.", "label": 3}, "completion"),
        ({"instruction": "Q?", "output": "A.", "label": 0}, "instruction"),
        ({"messages": [u("Q?"), a("A.")], "label": 1}, "messages"),
        ({"text": "T", "label": 1}, "text"),
        ({"question": "Q?", "label": True}, "question"),
    ],
)
def test_labels_that_are_a_class_of_something(row: dict[str, Any], form: str) -> None:
    assert Source(file="f.jsonl").form(row).name == form


def test_good_and_bad_answers_are_paired_by_their_prompts(tmp_path: Path) -> None:
    rows = [("Q?", "A.", True), ("R?", "B.", False), ("Q?", "C.", False), ("Q?", "D.", True)]
    path = tmp_path / "kto.jsonl"
    lines = [json.dumps({"prompt": p, "completion": c, "label": good}) for p, c, good in rows]
    path.write_text("\n".join(lines))
    pair, *left = Source(file=str(path)).records(PAIR)
    assert isinstance(pair, Record)
    assert [answer.text for answer in pair.answers] == ["A.", "C."]
    assert [(r.where, r.reason) for r in left if isinstance(r, Refused)] == [
        ("kto.jsonl:4", "unpaired_label"), ("kto.jsonl:2", "unpaired_label"),
    ]  # fmt: skip


TRUTHS: dict[str, tuple[dict[str, Any], str | None]] = {
    "GSM8K": ({"question": "Q?", "answer": "4 + 4 = <<4+4=8>>8\n#### 8"},
              "4 + 4 = <<4+4=8>>8\n#### 8"),
    "MATH-500": ({"problem": "Q?", "solution": "So $\\boxed{8}$.", "answer": "8",
                  "subject": "Algebra", "level": 2, "unique_id": "test/algebra/1.json"}, "8"),
    "a table of numbers with gaps": ({"question": "Q?", "answer": 8.0}, "8"),
    "TriviaQA": ({"question": "Q?", "question_id": "tc_1",
                  "answer": {"value": "Rome", "aliases": ["Rome", "Roma"], "type": "FreeForm"}},
                 '["Rome","Roma"]'),
    "Natural Questions": ({"question": "Q?", "answer": ["14", "fourteen"]}, '["14","fourteen"]'),
    "one in a list": ({"question": "Q?", "answer": ["14"]}, "14"),
    "WebQuestions": ({"question": "Q?", "answers": ["Rome", "Roma"]}, '["Rome","Roma"]'),
    "SQuAD": ({"id": "5", "title": "T", "question": "Q?",
               "answers": {"text": ["Rome"], "answer_start": [3]}}, "Rome"),
    "verl": ({"data_source": "gsm8k", "prompt": [u("Q?")], "ability": "math",
              "reward_model": {"style": "rule", "ground_truth": "8"}, "extra_info": {"index": 0}},
             "8"),
    "open-instruct": ({"messages": [u("Q?")], "ground_truth": "8", "dataset": "gsm8k"}, "8"),
    "OpenMathReasoning": ({"problem": "Q?", "expected_answer": "8", "problem_type": "x"}, "8"),
    "DAPO": ({"prompt": [u("Q?")], "reward_model": {"ground_truth": "8", "style": "rule"}}, "8"),
    "Nectar's answers are none": ({"prompt": "Q?", "answers": [
        {"answer": "A.", "rank": 1}, {"answer": "B.", "rank": 2}]}, None),
}  # fmt: skip


@pytest.mark.parametrize("whose", TRUTHS)
def test_prompts_with_their_truth(whose: str) -> None:
    row, answer = TRUTHS[whose]
    record = read(row, PROMPT)
    assert (said(record), record.prompt.answer) == ([("user", "Q?")], answer)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (True, "bad_field"),
        ({"number": "4"}, "bad_field"),
        ('{"func_name": "validate_lowercase", "N": null}', "bad_field"),
    ],
)
def test_what_is_no_truth_is_not_graded_by(given: Any, reason: str) -> None:
    assert refused({"prompt": "Q?", "ground_truth": given}, PROMPT) == reason


TESTS: dict[str, tuple[dict[str, Any], str]] = {
    "MBPP": ({"text": "Q?", "code": "x", "task_id": 11, "test_setup_code": "",
              "test_list": ["assert f(1)", "assert f(2)"], "challenge_test_list": []},
             "assert f(1)\nassert f(2)"),
    "MBPP sanitised": ({"prompt": "Q?", "task_id": 2, "test_imports": ["import math"],
                        "test_list": ["assert f(1)"]}, "import math\nassert f(1)"),
    "HumanEval": ({"task_id": "HumanEval/0", "prompt": "Q?", "entry_point": "f",
                   "test": "def check(candidate):\n    assert candidate(1)"},
                  "def check(candidate):\n    assert candidate(1)\n\ncheck(f)"),
    "HumanEvalPack": ({"task_id": "Python/0", "prompt": "Q?", "entry_point": "f",
                       "test": "def check(f):\n    assert f(1)\n\ncheck(f)"},
                      "def check(f):\n    assert f(1)\n\ncheck(f)"),
    "HumanEvalPack's Go": ({"task_id": "Go/0", "prompt": "Q?", "entry_point": "F",
                            "test_setup": "package main", "test": "func TestF() {}"},
                           "package main\nfunc TestF() {}"),
    "inputs and outputs": ({"question": "Q?", "tests": [{"input": "1", "output": "2"}]},
                           '[{"input":"1","output":"2"}]'),
}  # fmt: skip


@pytest.mark.parametrize("whose", TESTS)
def test_prompts_with_tests(whose: str) -> None:
    row, tests = TESTS[whose]
    record = read(row, PROMPT)
    assert (said(record), record.prompt.tests) == ([("user", "Q?")], tests)
    assert record.prompt.id == str(row["task_id"]) if "task_id" in row else True


@pytest.mark.parametrize("gaps", [{}, {"num_words": None, "language": None}])
def test_ifeval(gaps: dict[str, None]) -> None:
    ids = ["punctuation:no_comma", "length_constraints:number_words"]
    words = {"relation": "at least", "num_words": 300}
    row = {"key": 1000, "prompt": "Q?", "instruction_id_list": ids, "kwargs": [gaps, gaps | words]}
    assert len(read(row, PROMPT).prompt.constraints) == 2
    assert refused({**row, "instruction_id_list": ["no:such"]}, PROMPT) == "bad_field"


CONTRADICTIONS: list[tuple[str, str, dict[str, Any]]] = [
    (CONVERSATION, "two_systems",
     {"system": "S", "messages": [{"role": "system", "content": "T"}, u("Q?"), a("A.")]}),
    (PROMPT, "two_systems",
     {"system_prompt": "S", "prompt": [{"role": "system", "content": "T"}, u("Q?")]}),
    (CONVERSATION, "prompt_differs", {"prompt": "R?", "messages": [u("Q?"), a("A.")]}),
    (CONVERSATION, "prompt_differs", {"prompt": [u("R?")], "messages": [u("Q?"), a("A.")]}),
    (PAIR, "prompt_differs", {**PAIRS["UltraFeedback binarised"], "prompt": "R?"}),
    (CONVERSATION, "response_differs", {"messages": [u("Q?"), a("A.")], "response": "B."}),
    (CONVERSATION, "reasoning_differs",
     {"input": [u("Q?")], "output": "<think>T.</think>A.", "reasoning": "off"}),
    (CONVERSATION, "reasoning_differs",
     {"prompt": "Q?", "response": "<think>T.</think>A.", "reasoning": "Another."}),
    (RATED, "label_out_of_range", {"prompt": "Q?", "response": "A.", "helpfulness": 5}),
    (PAIR, "scores_against_pair", {**PAIRS["TRL"], "chosen_score": 1, "rejected_score": 2}),
    (PAIR, "no_preference", {**PAIRS["UltraFeedback binarised"], "score_rejected": 8.5}),
    (PAIR, "bad_strength", {**PAIRS["TRL"], "preference_strength": -1}),
    (PAIR, "no_common_prompt", {"chosen": [u("Q?"), a("A.")], "rejected": [u("R?"), a("B.")]}),
    (PAIR, "bad_count", {"prompt": "Q?", "chosen": ["A."], "rejected": ["B."], "num_correct": 2}),
    (CONVERSATION, "bad_turns", {"instruction": "Q?", "output": "A.", "history": ["Q", "A"]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "reason", "row"), CONTRADICTIONS)
def test_what_contradicts_itself_is_refused(kind: str, reason: str, row: dict[str, Any]) -> None:
    assert refused(row, kind) == reason


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Q?", "response": " "},
        {"messages": [u("Q?")], "output": ""},
        {"prompt": "Q?", "completion": "", "label": True},
        {**PAIRS["TRL"], "chosen_score": 1, "rejected_score": 2},
        {**PAIRS["TRL"], "rejected": "Good."},
        {**PAIRS["HelpSteer2-Preference"], "preference_strength": 0},
        {**PAIRS["Nectar"], "answers": [{"answer": "A.", "rank": 1}]},
        {**PAIRS["arena 140k"], "winner": "tie"},
    ],
)  # fmt: skip
def test_a_prompt_needs_no_good_answers(row: dict[str, Any]) -> None:
    assert said(read(row, PROMPT)) == [("user", "Q?")]
    assert refused(row, CONVERSATION, PAIR) != "wrong_kind"


def test_what_says_the_same_twice_does_not_contradict_itself() -> None:
    # As data sets have it that were made from another's columns.
    row = {"input": "Q?", "output": "<think>T.</think>A.", "system_prompt": "S", "reasoning": "on",
           "conversations": share(("human", "Q?"), ("gpt", "<think>T.</think>A."))}  # fmt: skip
    assert said(read(row, CONVERSATION)) == [("system", "S"), *QA]
    # A person said how clear the preference is; a reward model thinks otherwise.
    row = {**PAIRS["TRL"], "preference_strength": 2, "chosen_score": 1, "rejected_score": 2}
    assert read(row, PAIR).content.strength == 2


UNUSED: list[tuple[dict[str, Any], str, set[str]]] = [
    ({"prompt": "Q?", "response": "A.", "helpfulness": 3, "id": 1}, PROMPT,
     {"response", "helpfulness"}),
    ({"prompt": "Q?", "response": "A.", "helpfulness": 3, "colour": "red"}, CONVERSATION,
     {"helpfulness", "colour"}),
    ({"prompt": "Q?", "response": "A.", "helpfulness": 3, "answer": 4}, RATED, {"answer"}),
    ({"messages": [u("Q?"), a("A.")], "tools": "", "source": "x", "category": "y"}, CONVERSATION,
     {"category"}),
    ({"messages": [u("Q?"), a("A.")], "category": "y", "reasoning": "T."}, PROMPT, {"reasoning"}),
    ({**PAIRS["TRL"], "chosen_score": 2, "rejected_score": 1, "reasoning": "T."}, PAIR,
     {"reasoning"}),
    ({**PAIRS["TRL"], "chosen_score": 2, "rejected_score": 1}, PROMPT,
     {"chosen", "rejected", "chosen_score", "rejected_score"}),
    (PAIRS["TRL, implicit prompt"], PROMPT, set()),
    ({"prompt": "Q?", "answer": 8, "tests": "x", "images": ["a.png"]}, PROMPT, {"images"}),
    ({"text": "T", "tools": "", "meta": {}}, TEXT, {"tools", "meta"}),
    ({"instruction": "Q?", "input": "I", "output": "A.", "text": "Below"}, CONVERSATION, {"text"}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "kind", "unused"), UNUSED)
def test_columns_that_nothing_used_are_counted(
    tmp_path: Path, row: dict[str, Any], kind: str, unused: set[str]
) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(f"{json.dumps(row)}\nno row\n{json.dumps(row)}\n")
    counted = Counter[str]()
    found = list(Source(file=str(path)).records(kind, unused=counted))
    assert [type(one) for one in found] == [Record, Refused, Record]
    assert counted == dict.fromkeys(unused, 2)


def test_a_column_that_was_given_another_name_is_used(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps({"q": {"text": "Q?"}, "z": 1}))
    counted = Counter[str]()
    list(Source(file=str(path), columns={"prompt": "q.text"}).records(PROMPT, unused=counted))
    assert counted == {"z": 1}
