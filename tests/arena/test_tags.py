"""Categories of battles that rules find: each rule alone, and how often it is right."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest

from gristmill.arena.battles import Battle
from gristmill.arena.tags import RULES, derive
from gristmill.arena.tags.coding import coding
from gristmill.arena.tags.exclude_short import exclude_short
from gristmill.arena.tags.long_query import long_query
from gristmill.arena.tags.math import math
from gristmill.arena.tags.multi_turn import multi_turn
from gristmill.arena.tags.short_query import short_query
from gristmill.arena.tags.texts import Texts, texts_of, tokens
from gristmill.records import Message


def asked(*turns: str) -> Texts:
    return Texts(turns, (), len(turns))


def battle(prompt: str = "", *answers: str, **more: Any) -> Battle:
    talks = [(Message("user", prompt), Message("assistant", answer)) for answer in answers]
    sides = dict(zip(("conversation_a", "conversation_b"), talks, strict=False))
    return Battle(id="1", model_a="x", model_b="y", winner="tie", prompt=prompt, **sides, **more)


def test_tokens_are_a_quarter_of_the_bytes() -> None:
    assert tokens("") == 0
    assert tokens("What is the capital of France?") == 7
    assert tokens("什么是首都" * 4) == 15, "three bytes a character"


def test_long_and_short_queries_have_exact_bounds() -> None:
    assert long_query(asked("x" * 2000)) and not long_query(asked("x" * 1999))
    assert long_query(asked("字" * 667)) and not long_query(asked("字" * 666))
    assert not long_query(asked("hi", "x" * 2000)), "only the first turn counts"
    assert short_query(asked("x" * 19)) and not short_query(asked("x" * 20))
    assert not exclude_short(asked("x" * 19)) and exclude_short(asked("x" * 20))
    assert not short_query(Texts()) and not exclude_short(Texts()), "nobody knows"


def test_turns_are_counted_where_texts_are_missing_too() -> None:
    assert multi_turn(Texts(turns=2)) and not multi_turn(Texts(turns=1))


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return x",
        "What does this do?\n```\nfor i in range(3):\n    print(i)\n```",
        "```rust\nfn main() {}\n```",
        "#include <stdio.h>",
        "SELECT name FROM users WHERE id = 3;",
        "Write a function that reverses a string.",
        "How do I undo a commit in a git repository?",
        "My JavaScript throws an error",
        "Fix this code: x+",
        "What is the difference between C++ and C#?",
    ],
)
def test_code_and_questions_about_it_are_coding(text: str) -> None:
    assert coding(asked(text)) and coding(asked("hello there", text))


@pytest.mark.parametrize(
    "text",
    [
        "Write a video script for a bakery.",
        "What is the dress code at a wedding?",
        "How do pandas find bamboo?",
        "I want to go to Java and see the pythons",
        "Write a poem about the function of the heart.",
        "Here is a story:\n```\nOnce upon a time there was a king.\n```\nGo on.",
        "Answer in JSON:\n```json\n{}\n```",
        "Design a training program to help new runners.",
        "[asy]\nimport graph;\ndraw((0,0)--(1,1));\n[/asy] What is the area?",
    ],
)
def test_what_only_sounds_like_code_is_not(text: str) -> None:
    assert not coding(asked(text))


def test_code_in_answers_counts_only_where_both_have_it() -> None:
    code, words = "```python\nprint(1)\n```", "Use a calculator."
    assert coding(texts_of(battle("How can I add numbers?", code, code)))
    assert not coding(texts_of(battle("How can I add numbers?", code, words)))


@pytest.mark.parametrize(
    "text",
    [
        r"Evaluate $\int_0^1 x^2\,dx$.",
        "Solve 3x + 5 = 20",
        "If f(x) = 2x, what is f(4)?",
        "Find the eigenvalues of a rotation.",
        "Tom has 3 apples and buys 4 more. How many apples does he have?",
        "A train runs for two hours at ninety km/h. How far does it get?",
        "What is 17 * 23?",
        "Compute 15% of 80.",
    ],
)
def test_problems_are_math(text: str) -> None:
    assert math(asked(text))


@pytest.mark.parametrize(
    "text",
    [
        "How many people live in France?",
        "Write a function to find the sum of two numbers, 3 tests please.",
        "x = 3;\ny = x + 4;\nprint(y);",
        "```\na = b + 1\n```\nWhat is wrong?",
        "It cost me $5 and then $10, what a day",
        "What happened in 1914 and in 1939?",
        "Tell me about the mean streets of the two towns. " * 20,
    ],
)
def test_numbers_alone_are_not_math(text: str) -> None:
    assert not math(asked(text))


def test_a_battle_is_in_all_categories_that_fit() -> None:
    assert derive(battle("hi", "a", "b")) == ("short_query",)
    found = derive(battle("Write a Python function that solves x + 1 = 3.", "a", "b", turns=3))
    assert found == ("coding", "exclude_short", "math", "multi_turn")
    assert [rule.__name__ for rule in RULES] == sorted(rule.__name__ for rule in RULES)


@pytest.mark.parametrize("name", ["", "17", "mt-bench-81"])
def test_a_prompt_that_is_only_a_name_has_no_text(name: str) -> None:
    assert texts_of(battle(name)) == Texts()
    assert derive(battle(name)) == ()


def test_a_prompt_without_conversations_is_text() -> None:
    assert derive(battle("What is 17 * 23 and why?")) == ("exclude_short", "math")
    assert derive(battle("法国的首都是哪里？")) == ("exclude_short",)


def test_one_side_may_be_missing() -> None:
    assert texts_of(battle("hello", "a")) == Texts(("hello",), (("a",),), 1)


@pytest.mark.parametrize(
    "text",
    [" " * 100_000, "write " + " " * 100_000, "\t" * 100_000, "```" * 30_000, "(" * 100_000,
     "a=" * 50_000, "1 + " * 25_000, "$ " * 50_000, "write a function " * 6_000, "```\n" * 25_000,
     "\n " * 50_000, "what the " * 11_000],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    coding(asked(text))
    math(asked(text))
    assert time.process_time() - began < 2


def lines(path: Path) -> list[dict[str, Any]]:
    # Not splitlines, which also parts at line ends of other kinds inside of texts.
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def texts(folder: Path, name: str) -> list[str]:
    """The prompts of one of the shared sets."""
    if name == "gsm8k":
        files = [folder / "gsm8k" / f"{part}.jsonl" for part in ("train", "test")]
        return [row["question"] for file in files for row in lines(file)]
    if name == "xstest":
        with (folder / "xstest" / "xstest_prompts.csv").open(newline="") as file:
            return [row["prompt"] for row in csv.DictReader(file)]
    if name == "topical_chat":
        rows = json.loads((folder / name / "topical_chat.json").read_text())
        return sorted({row["source"] for row in rows})
    if name.startswith("arena_hard"):
        rows = lines(folder / "arena_hard" / "questions.jsonl")
        kind = name.removeprefix("arena_hard_")
        return [row["prompt"] for row in rows if row["subcategory"] == kind]
    file, field = {
        "human_eval": ("HumanEval.jsonl", "prompt"),
        "mbpp": ("mbpp.jsonl", "text"),
        "math": ("math500_first250.jsonl", "problem"),
    }[name]
    return [row[field] for row in lines(folder / name / file)]


@pytest.mark.parametrize(
    ("rule", "name", "least", "most"),
    [  # measured: the comment behind each
        (coding, "human_eval", 0.98, 1.0),  # 1.000
        (coding, "mbpp", 0.98, 1.0),  # 0.998
        (coding, "arena_hard_coding", 0.68, 1.0),  # 0.715, of which many are not about code
        (coding, "arena_hard_creative_writing", 0.0, 0.01),  # 0.000
        (coding, "gsm8k", 0.0, 0.005),  # 0.000
        (coding, "math", 0.0, 0.01),  # 0.000
        (coding, "topical_chat", 0.0, 0.02),  # 0.000
        (coding, "xstest", 0.0, 0.01),  # 0.007: processes that are killed, and commands in SQL
        (math, "gsm8k", 0.97, 1.0),  # 0.986
        (math, "math", 0.93, 1.0),  # 0.956
        (math, "arena_hard_math", 0.33, 1.0),  # 0.364: most are not English, many not mathematics
        (math, "arena_hard_creative_writing", 0.0, 0.02),  # 0.008
        (math, "topical_chat", 0.0, 0.02),  # 0.000
        (math, "xstest", 0.0, 0.005),  # 0.000
        (math, "mbpp", 0.0, 0.07),  # 0.049: functions that compute areas and prime factors
    ],
)
def test_how_often_the_rules_say_yes(
    shared_data: Path, rule: Any, name: str, least: float, most: float
) -> None:
    if not (shared_data / ("arena_hard" if name.startswith("arena") else name)).is_dir():
        pytest.skip(f"no {name} at {shared_data}")
    found = texts(shared_data, name)
    assert least <= sum(rule(asked(text)) for text in found) / len(found) <= most


def test_long_queries_are_those_that_are_long(shared_data: Path) -> None:
    if not (shared_data / "arena_hard").is_dir():
        pytest.skip(f"no arena_hard at {shared_data}")
    rows = lines(shared_data / "arena_hard" / "questions.jsonl")
    for row in rows:
        size = len(row["prompt"].encode())
        assert long_query(asked(row["prompt"])) == (size >= 2000)
