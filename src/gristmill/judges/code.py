"""The judge of code: runs what an answer proposes against the prompt's tests, in a sandbox.

In Python the answer and its tests never share a process (see `_code/`): an answer that ends the
process, patches the interpreter, returns objects that equal everything or prints what a pass would
print gains nothing by it. In other languages they are one program (see `_programs/`). What is
trusted is the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import cast

from pydantic import Field, field_validator

from gristmill.backends.base import Backend
from gristmill.errors import BackendError, ConfigError
from gristmill.judges._code import pick
from gristmill.judges._code_run import Report, run_pairs, run_program
from gristmill.judges._programs import forms
from gristmill.judges._programs.run import run_whole
from gristmill.judges._programs.whole import answer, unfenced
from gristmill.judges.base import GroundTruth, Rules
from gristmill.lists.fences import Fence, one_line_end, parts
from gristmill.page.text import plural
from gristmill.records import Prompt, Response, Verdict
from gristmill.sandbox import (
    LANGUAGES,
    Language,
    Limits,
    check,
    find_language,
    guard,
    interpreter,
)


class Sandboxes(Rules):
    """In the place of a model: how many sandboxes may run at once."""

    def __init__(self, at_once: int) -> None:
        super().__init__("sandbox")
        self.slots = asyncio.Semaphore(at_once)


class Code(GroundTruth):
    """Runs the code of an answer against the prompt's `tests`; reward 1 if all pass, else 0.

    `tests` is a Python program: asserts (as in MBPP), a function `check(candidate)` (as in
    HumanEval), functions and classes for pytest or unittest. In another language it is a program
    of that language, with its `main`, Go's `Test...` or Rust's `#[test]`. Or, for any language,
    JSON: `[{"input": "1 2", "output": "3"}]`, what the program reads and must print. Standard
    library alone. Needs bubblewrap, and refuses to open without it.
    """

    language: str = "python"
    """What answers are written in, where the prompt's own `language` is none of those that can be
    run: python, javascript, typescript, java, go, rust, cpp, bash, perl, ruby, lua, php, r."""
    seconds: float = Field(default=10.0, gt=0, le=3600)
    """Processor time for all tests of one answer, or for each pair of input and output. It may
    take three times as long by the clock, as a busy machine must not fail an answer."""
    memory_mb: int = Field(default=512, ge=64)
    """Memory for one answer, in MiB."""
    concurrency: int | None = Field(default=None, ge=1)
    """Answers that run at once; as many as there are processors where it is not given."""
    partial: bool = False
    """The share of tests that passed as the reward, and not 1 for all and 0 for less."""
    strict: bool = False
    """Take the code as it is: no import of the standard library is added that it left out."""

    @field_validator("language")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return find_language(name).name
        except ConfigError as error:
            raise ValueError(str(error)) from None

    def open(self) -> Sandboxes:
        """Raises ConfigError where there can be no sandbox, or no interpreter."""
        check()
        interpreter(find_language(self.language))
        return Sandboxes(self.concurrency or len(os.sched_getaffinity(0)))

    @property
    def notice(self) -> str:
        check()
        return f"judges.code: the memory of its sandboxes is {guard()}"

    @property
    def needs(self) -> str:
        return "tests"

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        if prompt.tests is None:
            return Verdict("code", "sandbox", None)
        language = self._language(prompt)
        async with cast(Sandboxes, backend).slots:
            try:
                report = await self._test(prompt, response.text, language)
            except ConfigError as error:
                raise BackendError("sandbox", str(error)) from error
        share = report.passed / report.total
        reward = share if self.partial else float(share == 1)
        detail = f"{report.passed} of {plural(report.total, 'test')} passed"
        detail += f"; {report.detail}" if report.detail else ""
        return Verdict("code", language.name, reward, detail=detail)

    async def _test(self, prompt: Prompt, text: str, language: Language) -> Report:
        tests = one_line_end(prompt.tests or "")
        limits = Limits(cpu=self.seconds, wall=3 * self.seconds, memory=self.memory_mb << 20)
        blocks, outside = code_in(text, language)
        if pairs := pairs_in(tests):
            code, added = self._program(blocks, outside, language)
            report = await run_pairs(code, pairs, language, limits, self.partial)
            return report.noting(added)
        asked = prompt.messages[-1].content
        given, around = code_in(asked, language)
        if language.name != "python":
            head = given[-1] if given else unfenced(around, language.name)
            return await run_whole(
                blocks, outside, tests, head, language, limits, strict=self.strict
            )
        task = {"blocks": blocks, "outside": outside, "tests": tests, "asked": asked}
        return await run_program({**task, "given": given, "strict": self.strict}, limits)

    def _program(
        self, blocks: list[str], outside: str, language: Language
    ) -> tuple[str, tuple[str, ...]]:
        """The program that reads input and prints, and the imports that it lacked."""
        if language.name == "python" and (pieces := pick.blocks_of(blocks, outside)):
            return pick.program(pieces, self.strict)
        code = answer(blocks, outside, "", language.name)
        return forms.program(code, language.name), ()

    def _language(self, prompt: Prompt) -> Language:
        # Not by two letters: `pl` is Polish there, not Perl.
        named = (prompt.language or "").lower()
        known = (kind for kind in LANGUAGES if named in (kind.name, *kind.aliases))
        own = find_language(self.language)
        return own if len(named) < 3 and named != "go" else next(known, own)


def code_in(text: str, language: Language) -> tuple[list[str], str]:
    """The fenced blocks of a text that are tagged as the language, and the text outside of all.

    A block without a tag counts where none has one, and in Python where it defines something:
    beside tagged ones it is mostly what a program prints.
    """
    found = list(parts(text))
    outside = "\n".join(part for part in found if isinstance(part, str))
    blocks = [part for part in found if isinstance(part, Fence) and part.text.strip()]
    own = [b for b in blocks if not b.language or b.language in language.aliases]
    if any(block.language for block in own):
        python = language.name == "python"
        own = [b for b in own if b.language or (python and pick.Block.of(b.text).has_definition)]
    return [block.text for block in own], outside


def pairs_in(tests: str) -> list[tuple[str, str]]:
    """The pairs of input and output that tests are, or nothing where they are a program."""
    if not tests.lstrip().startswith("["):
        return []
    try:
        found = json.loads(tests)
        return [(one_line_end(_text(pair["input"])), _text(pair["output"])) for pair in found]
    except (ValueError, RecursionError, KeyError, TypeError):
        return []


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
