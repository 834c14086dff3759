"""Whether code parses, in the languages that have a parser here. Nothing is run."""

from __future__ import annotations

import ast
import json
import re
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import yaml

from gristmill.errors import MissingExtra


@dataclass(frozen=True, slots=True)
class Fault:
    """Where code does not parse: a line, from 1, and what stands there or what is wrong."""

    line: int
    what: str


_GRAMMARS = {
    "bash": ("bash", "language"),
    "c": ("c", "language"),
    "cpp": ("cpp", "language"),
    "csharp": ("c_sharp", "language"),
    "css": ("css", "language"),
    "go": ("go", "language"),
    "java": ("java", "language"),
    "javascript": ("javascript", "language"),
    "julia": ("julia", "language"),
    "kotlin": ("kotlin", "language"),
    "lua": ("lua", "language"),
    "php": ("php", "language_php_only"),
    "ruby": ("ruby", "language"),
    "rust": ("rust", "language"),
    "scala": ("scala", "language"),
    "swift": ("swift", "language"),
    "tsx": ("typescript", "language_tsx"),
    "typescript": ("typescript", "language_typescript"),
}
"""Language -> the wheel `tree-sitter-...` and the function in it that gives the grammar."""

ALIASES = {
    "py": "python", "python3": "python", "py3": "python", "ipython": "python",
    "js": "javascript", "jsx": "javascript", "mjs": "javascript", "node": "javascript",
    "nodejs": "javascript", "ts": "typescript", "c++": "cpp", "cxx": "cpp", "cc": "cpp",
    "hpp": "cpp", "h": "c", "c#": "csharp", "cs": "csharp", "golang": "go", "rb": "ruby",
    "rs": "rust", "kt": "kotlin", "jl": "julia", "sh": "bash", "zsh": "bash", "yml": "yaml",
}  # fmt: skip
"""What else a fence calls a language."""


def fault_in(language: str, code: str) -> Fault | None:
    """The first fault of code in one of `LANGUAGES`; None where it parses. Raises MissingExtra."""
    code = code.encode("utf-8", "replace").decode()
    own = _OWN.get(language)
    return own(code) if own else _tree_sitter(language, code)


def _python(code: str) -> Fault | None:
    code = _notebook(code)
    try:
        with warnings.catch_warnings():
            # An odd escape in a string warns, and is no fault.
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        return Fault(error.lineno or 1, f"{error.msg}: {_line(code, error.lineno or 1)}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Fault(1, str(error) or "nested too deeply")
    return None


def _notebook(code: str) -> str:
    """Python as it is typed: without prompts and output of a session, without a notebook's
    commands."""
    lines = code.splitlines()
    if any(line.startswith(">>> ") for line in lines):
        # Other lines stay as empty ones, so that a fault's line is right.
        typed = (line[4:] if line.startswith((">>> ", "... ")) else "" for line in lines)
        return "\n".join(typed)
    return re.sub(r"(?m)^([ \t]*)[!%]{1,2}(?=[A-Za-z]).*$", r"\1pass", code)


def _json(code: str) -> Fault | None:
    try:
        json.loads(code)
    except json.JSONDecodeError as error:
        # One document a line is JSON too.
        if error.msg == "Extra data" and all(map(_is_json, code.split("\n"))):
            return None
        return Fault(error.lineno, f"{error.msg}: {_line(code, error.lineno)}")
    except (RecursionError, ValueError) as error:
        return Fault(1, str(error))
    return None


def _is_json(line: str) -> bool:
    try:
        return not line.strip() or json.loads(line) is not Ellipsis
    except (ValueError, RecursionError):
        return False


_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where it is there: in Python brackets within brackets take quadratic time."""


def _yaml(code: str) -> Fault | None:
    try:
        # Events alone: nothing is built, and tags of a program's own are no fault.
        for _ in yaml.parse(code, Loader=_YAML):
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        return Fault(line, f"{getattr(error, 'problem', None) or error}: {_line(code, line)}")
    except RecursionError as error:
        return Fault(1, str(error))
    return None


def _toml(code: str) -> Fault | None:
    try:
        tomllib.loads(code)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = re.search(r"line (\d+)", str(error))
        return Fault(int(where[1]) if where else 1, str(error))
    return None


_OWN: dict[str, Callable[[str], Fault | None]] = {
    "python": _python,
    "json": _json,
    "toml": _toml,
    "yaml": _yaml,
}

LANGUAGES = frozenset(_OWN) | frozenset(_GRAMMARS)


@cache
def _parser(language: str) -> Any:
    name, function = _GRAMMARS[language]
    try:
        import tree_sitter

        grammar = import_module(f"tree_sitter_{name}")
    except ImportError:
        raise MissingExtra(f"parsing {language}", "curate") from None
    return tree_sitter.Parser(tree_sitter.Language(getattr(grammar, function)()))


def _tree_sitter(language: str, code: str) -> Fault | None:
    if language == "php":
        # Between `?>` and `<?php` there is HTML, which is always right.
        code = re.sub(r"<\?(?:php|=)?|\?>", lambda tag: " " * len(tag[0]), code)
    tree = _parser(language).parse(code.encode())
    if not tree.root_node.has_error:
        return None
    line = _first_error(tree.root_node)
    return Fault(line, _line(code, line))


def _first_error(node: Any) -> int:
    """The line of the first error or missing token below a node that has one."""
    while not node.is_missing:
        inner = next((c for c in node.children if c.has_error or c.is_missing), None)
        if inner is None:
            break
        node = inner
    return node.start_point[0] + 1


def _line(code: str, number: int) -> str:
    lines = code.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else "the end"
