"""Code that only makes sense behind the prompt's: a body alone, where the prompt gives the head;
and code that stands in prose without a fence."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from textwrap import dedent, indent
from typing import NamedTuple

_BEGINS = re.compile(r"(?:async[ \t]+def|def|class|import|from)[ \t]+[\w.]+|@\w")
_GOES_ON = re.compile(
    # At the margin, behind code: more of it, a bracket that closes, a comment, a value.
    rf"{_BEGINS.pattern}|[)\]}}#]|(?:if|for|while|with|try|else|elif|except|finally|return)\b.*:?$"
    r"|[\w.\[\], ]+ ?(?:[-+*/|&]|//|\*\*)?=[^=]|[\w.]+\(.*\)$"
)
_LONGEST = 200
"""Lines at the end of a piece that are tried without before it is no code."""


class Head(NamedTuple):
    """A function that the prompt begins. source: the code that ends with it; name: what it is
    called; indent: the spaces before its body; before: the code in front of it."""

    source: str
    name: str
    indent: str
    before: str


def parsed(source: str) -> ast.Module | None:
    """The tree of a source, None where it is no Python."""
    try:
        with warnings.catch_warnings():
            # An odd escape in a string warns, and is no fault.
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def pieces(text: str) -> list[str]:
    """The code in a text without fences: from a line that begins a definition or an import, as far
    as it can be parsed. A head without a body is code as well."""
    lines = text.split("\n")
    found: list[str] = []
    place = 0
    while place < len(lines):
        if not _BEGINS.match(lines[place]):
            place += 1
            continue
        end = place + 1
        while end < len(lines) and _continues(lines, end):
            end += 1
        code, used = _longest(lines[place:end])
        place += max(used, 1)
        if code:
            found.append(code)
    return found


def head_of(sources: Sequence[str]) -> Head | None:
    """The function without a body that the last of the prompt's pieces of code ends with."""
    for source in reversed(sources):
        tree = parsed(source) or parsed(f"{source.rstrip()} ...")
        last = tree.body[-1] if tree and tree.body else None
        while isinstance(last, ast.ClassDef) and last.body:
            last = last.body[-1]
        if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
            # `def f(x): ...` on one line, and placeholders below it, are not part of the head.
            lines = source.rstrip().split("\n")
            body = [n for n in last.body if not _says_nothing(n)]
            if body:
                continue
            first = next((n.lineno for n in last.body if _is_placeholder(n)), len(lines) + 1)
            kept = "\n".join(lines[: first - 1] if first > last.lineno else lines)
            kept = re.sub(r":[ \t]*(?:\.\.\.|pass)[ \t]*\Z", ":", kept)
            start = min([last.lineno, *(d.lineno for d in last.decorator_list)]) - 1
            before = "\n".join(lines[:start])
            return Head(kept, last.name, " " * (last.col_offset + 4), before)
    return None


def bodies(head: Head, code: str) -> Iterator[str]:
    """What the head and a body may be together: with the body as it is, where it is indented, as
    far as it is code; as a block; and as a block whose first line has lost its indent."""
    if re.match(r"\n*[ \t]+\S", code):
        yield _longest(f"{head.source}\n{code}".split("\n"))[0]
    text = dedent(code).strip("\n")
    yield f"{head.source}\n{indent(text, head.indent)}"
    yield f"{head.source}\n{head.indent}{text}"


def _continues(lines: list[str], place: int) -> bool:
    line = lines[place]
    return not line.strip() or line[0] in " \t" or bool(_GOES_ON.match(line))


def _longest(lines: list[str]) -> tuple[str, int]:
    """The longest start of the lines that is code, and how many lines that are."""
    for end in range(len(lines), max(0, len(lines) - _LONGEST), -1):
        code = "\n".join(lines[:end])
        if end < len(lines) and not lines[end - 1].strip():
            continue
        if parsed(code) or (code.rstrip().endswith(":") and parsed(f"{code.rstrip()} ...")):
            return code, end
    return "", 1


def _says_nothing(node: ast.stmt) -> bool:
    return (
        _is_placeholder(node)
        or isinstance(node, ast.Import | ast.ImportFrom)
        or (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )
    )


def _is_placeholder(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and node.value.value is Ellipsis
    )
