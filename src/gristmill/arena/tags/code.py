"""What code looks like, whichever language it is in."""

from __future__ import annotations

import re
from itertools import islice

LINES = 2
"""Lines of bare code that make a text code where none of them is certain."""

_LANGUAGES = (
    "asm|assembly|awk|bash|sh|shell|zsh|powershell|ps1|bat|cmd|c|h|cpp|c\\+\\+|cc|hpp|cs|csharp|c#|"
    "clojure|cmake|css|scss|less|cuda|dart|dockerfile|elixir|erlang|fortran|fsharp|glsl|go|golang|"
    "gradle|graphql|groovy|haskell|hs|html|java|javascript|js|jsx|julia|kotlin|lisp|lua|"
    "makefile|matlab|nasm|nginx|nix|objc|objective-c|ocaml|pascal|perl|php|prolog|proto|py|python|"
    "python3|r|racket|rb|ruby|rs|rust|scala|scheme|solidity|sql|mysql|postgresql|swift|tcl|"
    "terraform|ts|tsx|typescript|vb|vba|verilog|vhdl|vue|wgsl|zig"
)
"""Tags of fenced blocks. Formats of data (JSON, YAML) are missing: they are asked for by people
who do not program."""
_TAG = re.compile(_LANGUAGES, re.I)
_FENCE = re.compile(r"^[ \t]*+```[ \t]*+([\w+#.-]*+)[^\n`]*+\n(.*?)(?:^[ \t]*+```|\Z)", re.M | re.S)
_DRAWING = re.compile(r"\[asy\].*?(?:\[/asy\]|\Z)", re.S)
"""Figures of problems in geometry, which are code to draw with and are not what is asked about."""

_CERTAIN = re.compile(
    r"^[ \t]*+(?:"
    r"(?:async )?def \w+\(.{0,300}\).{0,100}:[ \t]*(?:#.*)?"
    r"|import (?:numpy|pandas|torch|os|sys|re|json|math|random|time|React)\b.{0,60}"
    r"|from [\w.]+ import [\w*, ({]+|#include ?[<\"][\w./]+[>\"]|#define \w+.{0,200}|<\?php.*"
    r"|(?:export )?(?:default )?(?:async )?function \w*\(.{0,200}\) ?\{.{0,200}"
    r"|(?:public|private|protected) (?:static )?(?:class|void|int|string|final)\b.{0,200}"
    r"|<!DOCTYPE html.*|#!/.{1,100}"
    r"|SELECT\b.{1,200}\bFROM\b.{0,200}|CREATE (?:TABLE|OR REPLACE|INDEX|VIEW)\b.{0,200}"
    r")[ \t\r]{0,99}$",
    re.M,
)

_LIKELY = re.compile(
    r"^[ \t]*+(?:"
    r"class \w+(?:\([\w., ]*\))?:|(?:from [\w.]+ )?import [\w.*{}, ]+(?: from ['\"].*)?;?"
    r"|(?:if|elif|for|while|with|try|except)\b.{0,200}[\w)\]'\"]:"
    r"|return\b.{0,200}[\w)\]}'\"];?|print\(.{0,200}\);?|>>> .{1,200}|assert .{1,200}==.{1,200}"
    r"|using (?:namespace )?[\w.:]+;"
    r"|(?:public|private|protected|static|final|const|let|var|int|void|float|double|char|bool"
    r"|auto|unsigned|string|String|long)\b[^.?!\n]{1,160}[;{=(,]"
    r"|\w+::\w+.{0,200};|(?:pub )?fn \w+.{0,200}|func \w*\(?.{0,200}\{|package [\w.]+;?"
    r"|impl\b.{0,100}\{|\}?[ \t]*+else(?: if\b.{0,200})?[ \t]*\{"
    r"|(?:if|for|while|switch) ?\(.{0,200}\)[ \t]*\{"
    r"|[\w.\[\]()>-]{1,80} ?[+*/|&-]?= ?[^=\n]{1,160};|[\w.>:\[\]-]{1,80}\([^\n]{0,160}\);|\}\)?;"
    r"|</?(?:html|head|body|div|span|script|style|table|form|ul|button|svg)\b[^>\n]{0,300}>.*"
    r"|(?:INSERT INTO|UPDATE \w+ SET|DELETE FROM|ALTER TABLE)\b.{0,200}"
    r"|\w{1,40}[ \t]*+=[ \t]*+(?:\w{1,40}\.){1,5}\w{1,40}\(.{0,200}\)?"
    r"|[\w.]{1,60}\.\w{1,40}\([^\n]{0,160}\)"
    r"|(?:\$|sudo|pip3? install|npm (?:install|run)|git \w+|docker \w+|apt(?:-get)?)[ \t].{1,160}"
    r")[ \t\r]{0,99}$",
    re.M,
)


def fenced_code(text: str) -> bool:
    """Whether a fenced block is tagged as a programming language or holds a line of code."""
    if "```" not in text:
        return False
    blocks = _FENCE.findall(text)
    return any(_TAG.fullmatch(tag) or _CERTAIN.search(b) or _LIKELY.search(b) for tag, b in blocks)


def bare_code(text: str) -> bool:
    """Whether lines are code without a fence around them: one that can be nothing else, or two
    that are likely to be."""
    text = _DRAWING.sub("", text)
    if _CERTAIN.search(text):
        return True
    return sum(1 for _ in islice(_LIKELY.finditer(text), LINES)) == LINES


def without_fences(text: str) -> str:
    """The text outside of fenced blocks."""
    return _FENCE.sub("", text) if "```" in text else text
