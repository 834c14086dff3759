"""The tools of a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson

from gristmill.errors import DataError
from gristmill.foreign import read_json
from gristmill.intake.calls import tools_of
from gristmill.intake.cells import Unusable
from gristmill.page.text import one_line


def read_tools(file: str) -> tuple[str, ...]:
    """The tools of a file, each the JSON of one in OpenAI's form: a list, one a line, or as an MCP
    server lists them, `{"tools": [...]}`. Raises DataError."""
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"{file}: cannot read it: {error.strerror}") from None
    try:
        given = read_json(text)
    except orjson.JSONDecodeError:
        given = [line for line in text.splitlines() if line.strip()]
    if isinstance(given, dict) and "tools" in given:
        given = given["tools"]
    try:
        tools = orjson.loads(tools_of(given, "tools") or "[]")
    except Unusable as error:
        raise DataError(f"{file}: {error.detail}") from None
    names = Counter(tool["function"]["name"] for tool in tools)
    if not names:
        raise DataError(f"{file}: there is no tool in it")
    for name, count in names.items():
        if count > 1:
            raise DataError(f"{file}: {count} tools are called '{one_line(name, 60)}'")
    return tuple(orjson.dumps(tool).decode() for tool in tools)
