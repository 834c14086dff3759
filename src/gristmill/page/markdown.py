"""One line of anybody's text as Markdown: as plain text, or as code."""

from __future__ import annotations

import re


def plain(line: str) -> str:
    """The line as plain text: nothing in it may start something."""
    return re.sub(r"([\\`*\[\]<>#|~&$]|(?<!\w)_|_(?!\w))", r"\\\1", line)


def code(line: str) -> str:
    """The line as a code span, with a fence longer than any run of backticks in it."""
    line = line or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    # A pipe ends a table cell even inside a code span.
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")
