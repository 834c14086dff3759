"""Every judge looks at the answer alone: a thought before it is neither right nor wrong."""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import gristmill.judges
from boxes import needs_sandbox
from coded import ADD
from gristmill.backends import Embedded
from gristmill.judges.base import GroupJudge, Judge
from gristmill.parts import open_part
from gristmill.records import Criterion, Message, Prompt, Response, Sampling, Score, Verdict

RIGHT, WRONG = "def add(a, b): return a + b", "def add(a, b): return a - b"

KNOWING: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "math": ({"processes": 1}, {"answer": "4"}, "\\boxed{4}", "\\boxed{5}"),
    "truth": ({"match": "contains"}, {"answer": "Paris"}, "It is Paris.", "It is Rome."),
    "tutor": ({}, {"messages": (Message("user", "What is 47 plus 38?"),)}, "85.", "84."),
    "format": ({}, {"constraints": ('{"no_commas": {}}',)}, "Yes.", "Yes, no."),
    "code": ({}, {"tests": ADD}, f"```python\n{RIGHT}\n```", f"```python\n{WRONG}\n```"),
}
"""Options, what the prompt says is right, a right answer and a wrong one."""

ASKING: dict[str, dict[str, Any]] = {
    "reward": {"model": "m:x"},
    "turns": {"model": "m:x"},
    "embedding": {"model": "m:x", "of": "row"},
    "llm": {"model": "m:x"},
    "genrm": {"model": "m:x"},
    "rubric": {"model": "m:x"},
}


SAID = """[[A]]
{"score_1": 4, "score_2": 2, "ranking": 2}
1: yes"""
"""A verdict to whoever asks."""


class Ear:
    """In the place of any model: it keeps what it is asked."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        self.heard += [message.content for message in prompt.messages]
        return Response(SAID, "ear", "stop")

    async def score(self, turns: Sequence[Message]) -> Score:
        self.heard += [f"{turn.content}{turn.reasoning}" for turn in turns]
        return Score("ear", scalar=1.0)

    async def embed(self, text: str) -> Embedded:
        self.heard.append(text)
        return Embedded(np.ones(1, np.float32), 1)


def opened(name: str, options: dict[str, Any]) -> Judge:
    return open_part("gristmill.judges", {name: options}, "judges[0]")


def test_every_judge_is_walked() -> None:
    names = {name for _, name, _ in pkgutil.iter_modules(gristmill.judges.__path__)}
    assert {n for n in names if n[0] != "_"} - {"base"} == {
        *KNOWING,
        *ASKING,
        "tools",
    }  # looks at no text


@pytest.mark.parametrize("name", [pytest.param(n, marks=needs_sandbox if n == "code" else ())
                                  for n in KNOWING])  # fmt: skip
def test_a_thought_is_neither_right_nor_wrong(name: str) -> None:
    if name == "math":
        pytest.importorskip("math_verify")
    options, known, right, wrong = KNOWING[name]

    async def work() -> list[float | None]:
        judge = opened(name, options)
        asked = Prompt(**{"id": "p", "messages": (Message("user", "?"),), **known})
        async with judge.open() as backend:
            said = [Response(right, "m", reasoning=wrong), Response(wrong, "m", reasoning=right)]
            return [(await judge.judge(backend, asked, one)).reward for one in said]

    assert asyncio.run(work()) == [1, 0]


@pytest.mark.parametrize("name", ASKING)
def test_no_model_that_judges_hears_a_thought(name: str) -> None:
    judge, ear = opened(name, ASKING[name]), Ear()
    earlier = Message("assistant", "It depends.", reasoning="SECRET one")
    turns = (Message("user", "Why?"), earlier, Message("user", "On what?"))
    asked = Prompt("p", turns, rubric=(Criterion("Says on what."),))
    answers = [Response(f"On {what}.", "m", reasoning="SECRET two") for what in ("this", "that")]

    async def work() -> Sequence[Verdict | Exception]:
        if isinstance(judge, GroupJudge):
            return await judge.compare(ear, asked, answers)  # type: ignore[arg-type]
        return [await judge.judge(ear, asked, one) for one in answers]  # type: ignore[arg-type]

    assert all(isinstance(found, Verdict) for found in asyncio.run(work()))
    heard = "\n".join(ear.heard)
    assert "On this." in heard and "On what?" in heard
    if name not in ("reward", "turns"):
        assert "SECRET" not in heard
    assert "SECRET two" not in heard
