"""Runs an answer and its tests as one program, and reads how it ended."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace

from gristmill.errors import BackendError
from gristmill.judges._code_run import Report, ended, first_error
from gristmill.judges._programs import forms
from gristmill.judges._programs.whole import answer
from gristmill.sandbox import Language, Limits, Program, build, run

_RUSTS_END = re.compile(r"^test result: ok\. [1-9]\d* passed; 0 failed", re.M)
_MISSING = re.compile(
    r"cannot find package \"([^\"]+)\"|no required module provides package ([\w./-]+)"
    r"|fatal error: ([^:\n]+): No such file|package ([\w.]+) does not exist"
    r"|Cannot find module '([^']+)'"
    r"|(?:crate for|unresolved import|undeclared crate or module) `(\w+)"
)


async def run_whole(
    blocks: Sequence[str],
    outside: str,
    tests: str,
    asked: str,
    language: Language,
    limits: Limits,
    strict: bool,
) -> Report:
    """Test an answer in another language than Python with a program of tests.

    asked: the prompt's code. strict: what does not compile as it is gets no second try with the
    prompt's and the standard imports. Raises BackendError where there is no verdict.
    """
    code = answer(blocks, outside, asked, language.name)
    if not code.strip():
        return Report(0, 1, "no code was found in the answer")
    try:
        form = forms.form(language.name, tests)
    except ValueError as error:
        raise BackendError("bad_tests", str(error)) from None
    line = secrets.token_hex(16)
    made = await _build(form, code, tests, line, language)
    note = ""
    if made.error and form.standard and not strict:
        more = forms.with_standard(code, asked, form.standard, language.name)
        again = await _build(form, more, tests, line, language)
        if not again.error:
            made, note = again, "with the standard imports, which it left out"
    if made.error:
        return _not_built(made.error, tests + asked)
    done = await run(
        made.command, files=made.files, limits=replace(limits, address=language.address)
    )
    said = done.stdout.decode("utf-8", "replace")
    told = _RUSTS_END.search(said) if "--test" in form.options else line in said.split("\n")
    if done.ok and told:
        return Report(1, 1, note)
    if not done.ok:
        if package := _missing(done.stderr.decode("utf-8", "replace"), tests + asked):
            raise BackendError(
                "bad_tests", f"the tests or the prompt need '{package}', which is not here"
            )
        return Report(0, 1, ended(done, limits))
    return Report(0, 1, "the tests did not come to their end")


async def _build(form: forms.Form, code: str, tests: str, line: str, language: Language) -> Program:
    own = forms.only_answer(code, tests, language.name)
    source = form.program(own, tests, line)
    return await build(source, language, file=form.file, options=form.options)


def _not_built(error: str, known: str) -> Report:
    """Raises BackendError where it is the tests that need what is not here."""
    if package := _missing(error, known):
        raise BackendError(
            "bad_tests", f"the tests or the prompt need '{package}', which is not here"
        )
    return Report(0, 1, f"it does not compile: {first_error(error)}")


def _missing(error: str, known: str) -> str:
    """The package that was not found and that the tests or the prompt name, or nothing."""
    names = [next(filter(None, found.groups())) for found in _MISSING.finditer(error)]
    return next((name for name in names if name in known), "")
