"""What a source in a language with braces defines and opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_COMMON = r'//[^\n]*|/\*.*?(?:\*/|\Z)|"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"'
_QUIET = re.compile(
    # Texts of C++ and Rust without escapes; one letter in quotes, as Rust's lifetimes have one too.
    rf'R"(?P<raw>\w*)\(.*?\)(?P=raw)"|\br(?P<hashes>#+)".*?"(?P=hashes)|{_COMMON}'
    r"|'(?:\\[^'\n]{1,10}|[^'\\\n])'|`[^`]*`",
    re.S,
)
_QUIET_SCRIPT = re.compile(rf"{_COMMON}|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`", re.S)
_SCRIPTS = ("javascript", "typescript", "php")
_BEFORE = (
    r"(?:(?:export|default|declare|async|public|private|protected|static|final|abstract|sealed"
    r"|inline|constexpr|unsafe|extern|pub(?:\([^)\n]*\))?)\s+)*"
)
_DEFINES = re.compile(
    rf"^[ \t]*{_BEFORE}(?:(?:function\b\s*\*?|class|struct|enum(?:\s+class)?|interface|trait|type"
    r"|union|record|(?:const\s+)?fn|func|namespace"
    r"|(?:const|let|var)(?=\s+\w+\s*[=:;,]))\s*(?<=[\s*])(\w+)"
    # A function of C++: its type, its name, its arguments.
    r"|(?:template\s*<[^{};]*?>\s*)?[\w:<>,*&\[\] \t]*?[\w>*&\]][\s*&]+(\w+)\s*\([^;{}]*\)"
    r"\s*(?:const|noexcept)?\s*(?=\{))",
    re.M,
)
_NOT_NAMES = frozenset(("if", "for", "while", "switch", "catch", "return", "else", "do"))


class Definition(NamedTuple):
    """Something that a source defines at its top level, and where it stands."""

    name: str
    start: int
    end: int


def bare(source: str, language: str) -> str:
    """The source with blanks for its texts and comments, as long as before."""
    quiet = _QUIET_SCRIPT if language in _SCRIPTS else _QUIET
    return quiet.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def opened(plain: str) -> int:
    """Braces that a bare source opens and does not close; less than 0 where it closes more."""
    return plain.count("{") - plain.count("}")


def definitions(plain: str) -> Iterator[Definition]:
    """What a bare source defines at its top level; what it opens and does not close, to the end."""
    depths = _depths(plain)
    for found in _DEFINES.finditer(plain):
        name = found[1] or found[2]
        if depths[found.start()] == 0 and name not in _NOT_NAMES:
            yield Definition(name, found.start(), _end(plain, found.end(), depths))


def without(source: str, names: set[str], language: str) -> str:
    """The source without its definitions of these names."""
    kept, place = [], 0
    for found in definitions(bare(source, language)):
        if found.name in names and found.start >= place:
            kept.append(source[place : found.start])
            place = found.end
    return "".join([*kept, source[place:]])


def last_open(plain: str) -> int:
    """Where the definition begins whose braces a bare source leaves open, the innermost of them."""
    depth = 0
    for place in range(len(plain) - 1, -1, -1):
        depth += {"{": 1, "}": -1}.get(plain[place], 0)
        if depth > 0:
            before = max(plain.rfind(mark, 0, place) for mark in "{};")
            return before + 1
    return len(plain)


def _end(plain: str, place: int, depths: list[int]) -> int:
    """Behind the definition that begins before `place`: its closing brace, or its semicolon."""
    for mark in re.finditer(r"[{};]|\n\n", plain[place:]):
        at = place + mark.start()
        if mark[0] == "}" and depths[at + 1] == 0:
            rest = re.match(r"[ \t)]*;?", plain[at + 1 :])
            return at + 1 + (rest.end() if rest else 0)
        if depths[at] == 0 and mark[0] in (";", "\n\n"):
            return at + len(mark[0])
    return len(plain)


def _depths(plain: str) -> list[int]:
    found, depth = [0], 0
    for letter in plain:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        found.append(max(depth, 0))
    return found
