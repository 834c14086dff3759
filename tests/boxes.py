"""Sandboxes for tests: whether there are any here, and one program in one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gristmill.errors import ConfigError
from gristmill.sandbox import Finished, Limits, build, check, find_language, run


def _missing() -> str:
    try:
        check()
    except ConfigError as error:
        return str(error)
    return ""


needs_sandbox = pytest.mark.skipif(bool(_missing()), reason=_missing() or "sandboxes work here")
"""Skips a test, saying why, where sandboxes cannot be had."""


def boxed(code: str, stdin: bytes = b"", language: str = "python", **limits: float) -> Finished:
    """How a program ended."""
    kind = find_language(language)
    allowed = {"cpu": 5, "wall": 10, **limits}
    if not kind.address:
        allowed["address"] = False
    chosen = Limits(**allowed)  # type: ignore[arg-type]

    async def work() -> Finished:
        made = await build(code, kind)
        assert not made.error, made.error
        return await run(made.command, files=made.files, stdin=stdin, limits=chosen)

    return asyncio.run(work())


def processes_with(mark: str) -> list[int]:
    """Processes of this machine whose command line holds the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if mark.encode() in line:
            found.append(int(entry.name))
    return found
