"""Answers with code, and what the judge of code says of them."""

from __future__ import annotations

import asyncio
from typing import Any

from gristmill.judges.code import Code
from gristmill.records import Message, Prompt, Response, Verdict

ADD = "assert add(1, 2) == 3\nassert add(2, 2) == 4\nassert add(0, 7) == 7"


def judged(
    answer: str, tests: str | None, asked: str = "", language: str | None = None, **options: Any
) -> Verdict:
    """The verdict on one answer, in sandboxes."""

    async def work() -> Verdict:
        judge = Code(**{"seconds": 5, **options})
        prompt = Prompt("p", (Message("user", asked),), tests=tests, language=language)
        async with judge.open() as backend:
            return await judge.judge(backend, prompt, Response(answer, "m"))

    return asyncio.run(work())


def fenced(code: str, tag: str = "python") -> str:
    """Code as a model shows it."""
    return f"Here it is:\n\n```{tag}\n{code}\n```\n\nIt works."
