"""A row of every shape that users' files have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gristmill.intake.record import CONVERSATION, ITEM, PAIR, PROMPT, RATED, TEXT
from gristmill.records import ATTRIBUTES

U: Callable[[str], dict[str, Any]] = lambda text: {"role": "user", "content": text}  # noqa: E731
A: Callable[[str], dict[str, Any]] = lambda text: {"role": "assistant", "content": text}  # noqa: E731
LABELS = dict.fromkeys(ATTRIBUTES, 3)

SHAPES: dict[str, tuple[dict[str, Any], set[str]]] = {
    # shape: (a row whose prompt is "Q?" and whose best answer is "Good.", what it gives)
    "a prompt": ({"prompt": "Q?"}, {PROMPT}),
    "a prompt as messages": ({"messages": [U("Q?")]}, {PROMPT}),
    "verl": ({"prompt": [U("Q?")], "ability": "math"}, {PROMPT}),
    "GSM8K": ({"question": "Q?", "answer": "#### 3"}, {PROMPT}),
    "MT-Bench, one turn": ({"turns": ["Q?"], "category": "math"}, {PROMPT}),
    "MBPP": ({"text": "Q?", "test_list": ["assert f(1) == 2"]}, {PROMPT}),
    "OpenOrca": ({"question": "Q?", "response": "Good."}, {PROMPT, CONVERSATION}),
    "OpenAI": ({"messages": [U("Q?"), A("Good.")]}, {PROMPT, CONVERSATION}),
    "content as parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Q?"}]}, A("Good.")]},
        {PROMPT, CONVERSATION},
    ),
    "ShareGPT": (
        {"conversations": [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "Good."}]},
        {PROMPT, CONVERSATION},
    ),
    "roles of another case": (
        {"messages": [{"role": "User", "content": "Q?"},
                      {"role": "Assistant", "content": "Good."}]},
        {PROMPT, CONVERSATION},
    ),
    "Alpaca": ({"instruction": "Q?", "input": "", "output": "Good."}, {PROMPT, CONVERSATION}),
    "Dolly": (
        {"instruction": "Q?", "context": "", "response": "Good.", "category": "open_qa"},
        {PROMPT, CONVERSATION},
    ),
    "self-instruct": (
        {"instruction": "Q?", "instances": [{"input": "", "output": "Good."}]},
        {PROMPT, CONVERSATION},
    ),
    "prompt and completion": ({"prompt": "Q?", "completion": "Good."}, {PROMPT, CONVERSATION}),
    "Nemotron post-training": (
        {"input": [U("Q?")], "output": "Good.", "reasoning": "off", "license": "cc-by-4.0"},
        {PROMPT, CONVERSATION},
    ),
    "HelpSteer2": ({"prompt": "Q?", "response": "Good.", **LABELS}, {PROMPT, CONVERSATION, RATED}),
    "Nemotron's text": (
        {"text": "<extra_id_0>System\n\n<extra_id_1>User\nQ?\n<extra_id_1>Assistant\nGood.\n"},
        {PROMPT, CONVERSATION, TEXT},
    ),
    "HH-RLHF, one side": (
        {"text": "\n\nHuman: Q?\n\nAssistant: Good."},
        {PROMPT, CONVERSATION, TEXT},
    ),
    "preference": ({"prompt": "Q?", "chosen": "Good.", "rejected": "Bad."}, {PROMPT, PAIR, ITEM}),
    "whole conversations": (
        {"chosen": [U("Q?"), A("Good.")], "rejected": [U("Q?"), A("Bad.")]},
        {PROMPT, PAIR, ITEM},
    ),
    "HH-RLHF": (
        {"chosen": "\n\nHuman: Q?\n\nAssistant: Good.",
         "rejected": "\n\nHuman: Q?\n\nAssistant: Bad."},
        {PROMPT, PAIR, ITEM},
    ),
    "HelpSteer2-Preference": (
        {"prompt": "Q?", "response_1": "Bad.", "response_2": "Good.", "preference_strength": 2},
        {PROMPT, PAIR, ITEM},
    ),
    "HelpSteer3": (
        {"context": [U("Q?")], "response1": "Good.", "response2": "Bad.", "overall_preference": -1},
        {PROMPT, PAIR, ITEM},
    ),
    "UltraFeedback": (
        {"instruction": "Q?", "completions": [
            {"response": "Bad.", "overall_score": 3}, {"response": "Good.", "overall_score": 9}]},
        {PROMPT, PAIR, ITEM},
    ),
    "Nectar": (
        {"prompt": "Q?",
         "answers": [{"answer": "Bad.", "rank": 2}, {"answer": "Good.", "rank": 1}]},
        {PROMPT, PAIR, ITEM},
    ),
    "LLMBar": (
        {"input": "Q?", "output_1": "Bad.", "output_2": "Good.", "label": 2}, {PROMPT, PAIR, ITEM}
    ),
    "JudgeBench": (
        {"question": "Q?", "response_A": "Good.", "response_B": "Bad.", "label": "A>B"},
        {PROMPT, PAIR, ITEM},
    ),
    "PandaLM": (
        {"instruction": "Q?", "response1": "Bad.", "response2": "Good.",
         "annotator1": 2, "annotator2": 2, "annotator3": 1},
        {PROMPT, PAIR, ITEM},
    ),
    "RewardBench 2": (
        {"prompt": "Q?", "chosen": ["Good."], "rejected": ["Bad."], "num_correct": 1},
        {PROMPT, PAIR, ITEM},
    ),
    "arena 55k": (
        {"model_a": "x", "model_b": "y", "prompt": '["Q?"]', "response_a": '["Good."]',
         "response_b": '["Bad."]', "winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0},
        {PROMPT, PAIR, ITEM},
    ),
    "arena 33k": (
        {"model_a": "x", "model_b": "y", "winner": "model_b",
         "conversation_a": [U("Q?"), A("Bad.")], "conversation_b": [U("Q?"), A("Good.")]},
        {PROMPT, PAIR, ITEM},
    ),
    "FastChat's log": (
        {"type": "leftvote", "models": ["", ""], "tstamp": 1.0, "ip": "192.0.2.7", "states": [
            {"model_name": "x", "messages": [["USER", "Q?"], ["ASSISTANT", "Good."]], "offset": 0},
            {"model_name": "y", "messages": [["USER", "Q?"], ["ASSISTANT", "Bad."]], "offset": 0},
        ]},
        {PROMPT, PAIR, ITEM},
    ),
    "a text": ({"text": "Once upon a time."}, {TEXT}),
    "nothing known": ({"colour": "red"}, set()),
}  # fmt: skip
