"""The answer as one source: which of its blocks count, and what the prompt's head gives it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gristmill.judges._programs.scan import bare, definitions, last_open, opened, without

TOP = {
    "cpp": re.compile(r"[ \t]*(?:#[ \t]*(?:include|define)\b.*|using\b[^;{]*;.*)"),
    "go": re.compile(r"(?:package \w+|import .*|[ \t]+(?:\w+ )?\"[\w./-]+\"|\))"),
    "java": re.compile(r"(?:import|package) [\w.* ]+;.*"),
    "rust": re.compile(r"(?:#!?\[.*\]|(?:pub )?use [^;]*;|extern crate .*).*"),
    "typescript": re.compile(r"(?:import .*|declare .*)"),
    "javascript": re.compile(r"(?:import .*|.*\brequire\(.*)"),
}
"""Lines that stand at the top of a file."""
_BEGINS = {
    "cpp": r"#\s*include|using namespace|template\b|struct \w+|class \w+"
    r"|[A-Za-z_][\w:<>,*&]*(?:\s+[\w:<>,*&]+){0,2}\s+[*&]?\w+\s*\([^()]*\)\s*\{",
    "go": r"package \w+$|import [(\"]|func |type \w+ |var \w+ ",
    "java": r"import [\w.]+\.|(?:public |final |abstract )*(?:class|interface|enum|record) \w+"
    r"|\s*(?:(?:public|private|protected|static) )+[\w<>\[\], ]+\(",
    "rust": r"use [\w:]+.*;|(?:pub )?(?:fn|struct|enum|trait|mod) \w+|impl\b|#\[",
    "javascript": r"(?:async )?function\b|(?:const|let|var|class) \w+|\W*require\(",
}
_BEGINS["typescript"] = rf"{_BEGINS['javascript']}|(?:export|interface|type|declare) "


def answer(blocks: Sequence[str], outside: str, asked: str, language: str) -> str:
    """The code of an answer: its blocks without those of which a later one defines something anew,
    or what is code in its text; behind what the prompt begins, where it is the rest of that.

    asked: the prompt's code.
    """
    code = _joined(blocks, language) if any(b.strip() for b in blocks) else outside
    if not blocks:
        code = unfenced(outside, language) or code
    if language not in TOP or not code.strip():
        return code
    head, own = bare(asked, language), bare(code, language)
    left = opened(head)
    if left > 0 and opened(own) == -left:
        return f"{asked.rstrip()}\n{code}"
    before = asked[: last_open(head)] if left > 0 else asked
    names = {found.name for found in definitions(own)}
    if left > 1 and opened(own) == 0 and not names & _types(head):
        # A method alone, of a class that the prompt begins.
        return f"{before}\n{code}\n{'}' * (left - 1)}"
    helpers = {found.name for found in definitions(bare(before, language))} - names - {"main"}
    if left <= 1 and helpers and names:
        return behind(without(before, {*names, "main"}, language), code, language)
    return code


def behind(before: str, code: str, language: str) -> str:
    """The code behind other code, without the top lines of that which it has itself."""
    top, own = set(top_lines(before, language)), set(top_lines(code, language))
    lines = before.split("\n")
    return "\n".join([*(x for x in lines if x not in top or x not in own), code])


def top_lines(source: str, language: str) -> list[str]:
    """Lines of a source that stand at the top of a file."""
    top = TOP.get(language)
    return [line for line in source.split("\n") if top and top.fullmatch(line)]


def unfenced(text: str, language: str) -> str:
    """What is code in a text without fences: from the first line that looks like it to the last
    that ends like it."""
    begins = re.compile(_BEGINS.get(language, r"(?!)"))
    plain = re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.S)
    lines = plain.split("\n")
    first = next((n for n, line in enumerate(lines) if begins.match(line)), len(lines))
    ends = [n for n, line in enumerate(lines) if re.search(r"[{};)]\s*(?://.*)?$", line)]
    return "\n".join(text.split("\n")[first : max(ends, default=-1) + 1])


def _types(plain: str) -> set[str]:
    return set(re.findall(r"\b(?:class|struct|interface|enum|record|impl)\s+(\w+)", plain))


def _joined(blocks: Sequence[str], language: str) -> str:
    """The blocks that define something or only import, each name by the last that does; where none
    defines anything, the last that is the rest of something, or just the last."""
    if language not in TOP:
        return blocks[-1]
    names = {b: {found.name for found in definitions(bare(b, language))} for b in blocks}
    if not any(names.values()):
        rests = [b for b in blocks if opened(bare(b, language)) < 0]
        return (rests or blocks)[-1]
    kept: list[str] = []
    known: set[str] = set()
    for block in reversed(blocks):
        if (names[block] and not names[block] & known) or _only_imports(block, language):
            kept.append(block)
            known |= names[block]
    return "\n".join(reversed(kept))


def _only_imports(block: str, language: str) -> bool:
    return len(top_lines(block, language)) == sum(bool(x.strip()) for x in block.split("\n"))
