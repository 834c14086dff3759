"""Runs an answer against its tests: two sandboxes for a program of tests, and one for each pair of
input and output."""

from __future__ import annotations

import asyncio
import json
import py_compile
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gristmill.errors import BackendError
from gristmill.sandbox import Finished, Language, Limits, build, find_language, interpreter, run

_SOURCES = Path(__file__).parent / "_code"
_PACKAGE = "lib/gristmill/judges/_code"
_GRACE = 10.0
"""Seconds that the tests have beyond what the answer has."""
_SHOWN = 200
_ERROR = re.compile(
    r"^.*?(?:\b(?:fatal )?error(?:\[\w+\])?: |\berror TS\d+: |^[./\w]+\.go:\d+:).*$", re.M
)
_THROWN = re.compile(
    # Behind it, other languages than Python show where it was.
    r"^(?:Exception in thread .*|\w*Error(?: \[\w+\])?: .*|\s+Error: .*|.*Assertion .* failed\.?"
    r"|thread '.*' panicked at .*|panic: .*)$",
    re.M,
)


@dataclass(frozen=True, slots=True)
class Report:
    """How many of how many tests passed, and what failed first or why nothing could be tested."""

    passed: int
    total: int
    detail: str

    def noting(self, added: Sequence[str]) -> Report:
        """The same, saying which imports were added to the answer."""
        notes = [f"with `{line}`, which it left out" for line in added]
        return replace(self, detail="; ".join(filter(None, [self.detail, *notes])))


async def run_program(task: Mapping[str, Any], limits: Limits) -> Report:
    """Test an answer in Python with a program of tests.

    task: `blocks`: the answer's fenced code; `outside`: its other text, for an answer without any;
    `tests`; `asked`: the prompt's text; `given`: its fenced code; `strict`: whether no import is
    added. Raises BackendError where there is no verdict.
    """
    files = {**_inside(), "task.json": json.dumps(task)}
    longer = replace(
        limits,
        cpu=limits.cpu + _GRACE,
        wall=limits.wall + _GRACE,
        memory=max(limits.memory, Limits().memory),
    )
    one, other = socket.socketpair()
    with one, other:
        works = [
            asyncio.create_task(run(_start("tester"), files=files, stdin=one, limits=longer)),
            asyncio.create_task(run(_start("worker"), files=_inside(), stdin=other, limits=limits)),
        ]
        testing, answering = works
        try:
            tested = await testing
            found = _count(tested)
            if found.get("gone"):
                # The answer's process is ending; how it ends says why.
                await asyncio.wait([answering], timeout=2)
                if answering.done():
                    found["ended"] = answering.result()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
    return _report(found, limits)


async def run_pairs(
    code: str, pairs: Sequence[tuple[str, str]], language: Language, limits: Limits, every: bool
) -> Report:
    """Run a program on each input and compare what it prints, white space at the ends of lines
    and of the text aside. every: go on after one that failed."""
    program = await build(code, language)
    if program.error:
        return Report(0, len(pairs), f"it does not compile: {first_error(program.error)}")
    limits = replace(limits, address=language.address)
    passed, detail = 0, ""
    for number, (given, wanted) in enumerate(pairs, 1):
        stdin = given.encode("utf-8", "replace")
        done = await run(program.command, files=program.files, stdin=stdin, limits=limits)
        printed = done.stdout.decode("utf-8", "replace")
        if done.ok and _lines(printed) == _lines(wanted):
            passed += 1
            continue
        if done.ok:
            failure = f"printed {_short(printed)}, expected {_short(wanted)}"
        else:
            failure = ended(done, limits)
        detail = detail or f"test {number} of {len(pairs)}: {failure}"
        if not every:
            break
    return Report(passed, len(pairs), detail)


def _start(name: str) -> tuple[str, ...]:
    code = f"import sys; sys.path.insert(0, 'lib'); import {_PACKAGE[4:].replace('/', '.')}.{name}"
    main = f"{code} as program; sys.path.pop(0); program.main()"
    return (*interpreter(find_language("python")), "-c", main)


@cache
def _inside() -> dict[str, bytes]:
    """The files of both processes, compiled once: it would cost more than many a test."""
    found = {}
    with TemporaryDirectory() as folder:
        for source in _SOURCES.glob("*.py"):
            if source.stem != "__init__":
                to = str(Path(folder) / f"{source.stem}.pyc")
                py_compile.compile(str(source), to, source.name, doraise=True)
                found[f"{_PACKAGE}/{source.stem}.pyc"] = Path(to).read_bytes()
    return found


def _count(tested: Finished) -> dict[str, Any]:
    """What the tests' process reported."""
    try:
        return json.loads(tested.stdout)
    except ValueError:
        said = tested.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        why = f"{tested.reason}, status {tested.status}: {said}"[:_SHOWN]
        raise BackendError("bad_tests", f"the tests ended without a count ({why})") from None


def _report(found: dict[str, Any], limits: Limits) -> Report:
    if found.get("gone"):
        last = found.get("ended")
        why = ended(last, limits) if last else found["gone"]
        return Report(0, found.get("total", 1), f"the answer's code {why}")
    if why := found.get("bad") or found.get("unsendable"):
        raise BackendError("bad_tests", why)
    if "none" in found:
        return Report(0, 1, found["none"])
    report = Report(found["passed"], found["total"], "; ".join(found["failures"][:1]))
    return report.noting(found["added"])


def ended(done: Finished, limits: Limits) -> str:
    """How a program ended that should not have."""
    match done.reason:
        case "time":
            return f"took more than {limits.cpu:g} s"
        case "memory":
            return f"took more than {limits.memory >> 20} MiB"
        case "output":
            return f"printed more than {limits.output} bytes"
        case "disk":
            return f"made more than {limits.entries} files"
    said = _last_words(done.stderr.decode("utf-8", "replace"))
    return f"ended with status {done.status}: {said}"[:_SHOWN].removesuffix(": ")


def first_error(said: str) -> str:
    """The first error of a compiler's words, or their first line."""
    found = _ERROR.search(said)
    return (found[0] if found else said.strip().partition("\n")[0]).strip()[:_SHOWN]


def _last_words(said: str) -> str:
    """What says why a program ended: the line of its error, else the last line."""
    found = _THROWN.search(said)
    return found[0].strip() if found else said.strip().rpartition("\n")[2]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _short(text: str) -> str:
    text = repr(text.strip())
    return text if len(text) <= _SHOWN // 2 else f"{text[: _SHOWN // 2]}..."
