"""The judge of mathematics: a solution's final answer against the prompt's."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, cast

from pydantic import Field

from gristmill.backends.base import Backend
from gristmill.errors import BackendError, MissingExtra
from gristmill.judges._answers import right_answers
from gristmill.judges.base import GroundTruth, Rules
from gristmill.records import Prompt, Response, Verdict

_START = 120.0
"""Seconds that a process may take to load what it needs."""
_SHOWN = 100


class Math(GroundTruth):
    """Compares the final answer of a response with the prompt's `answer`: reward 1 or 0.

    Plain quantities are compared as exact numbers (`1,234.0`, `3/4`, `2 1/2`, `$5`, `5 km`, `75%`,
    `x = 4`), words as words, and everything else by math-verify: formulas, sets, intervals,
    equations. All of a formula must be read, or it equals nothing; a number in another base, a
    ratio, a time and what goes on in dots equal the same text alone. `answer` may be a whole
    solution that ends in `#### 42` or holds a `\\boxed{42}`, or a JSON list of texts, any of which
    is right. No answer is a wrong one. An `answer` that is no mathematics gives no verdict.
    """

    seconds: float = Field(default=5.0, gt=0)
    """Time to compare one answer; one that takes longer, such as a tower of powers, is wrong."""
    processes: int | None = Field(default=None, ge=1)
    """Processes that compare, about 100 MB each; at most four where it is not given, and no more
    than there are processors."""

    @property
    def needs(self) -> str:
        return "answer"

    def open(self) -> Comparers:
        """Raises MissingExtra where math-verify is not installed."""
        if find_spec("math_verify") is None:
            raise MissingExtra("the judge 'math' (math-verify)", "curate")
        return Comparers(self.processes or min(4, len(os.sched_getaffinity(0))), self.seconds)

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        answers = right_answers(prompt)
        if not answers:
            return Verdict("math", "math-verify", None)
        bad, told = "", None
        for answer in answers:
            found = await cast(Comparers, backend).compare(answer, response.text, prompt.language)
            if "bad" in found:
                bad = bad or found["bad"]
                continue
            told = found if told is None or found["right"] else told
            if found["right"]:
                break
        if told is None:
            raise BackendError("bad_truth", f"the prompt's answer: {bad}")
        return Verdict("math", "math-verify", float(told["right"]), detail=_detail(told))


class Comparers(Rules):
    """Processes that compare, in the place of a model.

    They are apart because an expression of a few characters can take any time and memory, and
    math-verify's own limit is a signal, which neither works in threads nor stops a long
    multiplication. A process that takes too long is killed, and another one takes its place.
    """

    def __init__(self, count: int, seconds: float) -> None:
        super().__init__("math-verify")
        self._seconds = seconds
        self._free: asyncio.Queue[Process | None] = asyncio.Queue()
        for _ in range(count):
            self._free.put_nowait(None)
        self._all: set[Process] = set()

    async def __aexit__(self, *exc_info: object) -> None:
        for process in list(self._all):
            await self._end(process)

    async def compare(self, gold: str, text: str, language: str | None = None) -> dict[str, Any]:
        """What the comparison found: `right`, `gold` and `found`; or `bad`, what is wrong with the
        gold answer. language: of both, where it is known. Raises BackendError("judge") where a
        process cannot be started or broke."""
        process = await self._free.get()
        try:
            if process is None:
                process = await self._begin()
            found = await self._ask(process, {"gold": gold, "text": text, "language": language})
        except BaseException:
            if process is not None:
                await self._end(process)
            self._free.put_nowait(None)
            raise
        if "late" in found:
            await self._end(process)
            process = None
        self._free.put_nowait(process)
        return found

    async def _ask(self, process: Process, asked: dict[str, Any]) -> dict[str, Any]:
        assert process.stdin is not None
        line = json.dumps(asked) + "\n"
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(line.encode())
            await process.stdin.drain()
        try:
            found = await _said(process, self._seconds)
        except TimeoutError:
            found = {"bad": f"it was not read in {self._seconds:g} s"}
            return {**found, "late": True}
        try:
            return {**found, **await _said(process, self._seconds)}
        except TimeoutError:
            return {**found, "late": True, "right": False, "why": f"over {self._seconds:g} s"}

    async def _begin(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "gristmill.judges._math_worker"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=1 << 24,
            start_new_session=True,
        )
        self._all.add(process)
        try:
            await _said(process, _START)
        except BaseException:
            await self._end(process)
            raise
        return process

    async def _end(self, process: Process) -> None:
        self._all.discard(process)
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _said(process: Process, seconds: float) -> dict[str, Any]:
    """The next line. Raises TimeoutError, and BackendError if there is none."""
    assert process.stdout is not None
    async with asyncio.timeout(seconds):
        line = await process.stdout.readline()
    if not line:
        raise BackendError("judge", "the process that compares answers has ended")
    return json.loads(line)


def _detail(found: dict[str, Any]) -> str:
    if found.get("found") is None and "late" not in found:
        return "no final answer found"
    given = str(found.get("found", "the answer"))[:_SHOWN]
    sign = "=" if found["right"] else "≠"
    why = f" ({found['why']})" if "why" in found else ""
    return f"{given} {sign} {found['gold'][:_SHOWN]}{why}"
