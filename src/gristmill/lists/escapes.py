"""Backslashes in the strings of JSON and YAML, and LaTeX that was written there without doubling
them."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_JSON = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_PYTHON = _JSON | {"'": "'", "\n": ""}
_YAML = _JSON | {
    "0": "\0", "a": "\a", "v": "\v", "e": "\x1b", " ": " ", "\t": "\t",
    "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")

_LATEX = re.compile(
    r"[\a\b\v\f\r\x1b](?=[A-Za-z])|"
    r"\t(?=(?:imes|heta|extbf|extit|ext|an|anh|au|frac|riangle|o|op)(?![a-z]))|"
    r"\n(?=(?:abla|eq|otin|leq)(?![a-z]))"
)
_LETTER = {"\a": "a", "\b": "b", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e", "\t": "t", "\n": "n"}


def unescape(text: str, kind: str = "python") -> str:
    """What a quoted text stands for. kind: `yaml`, or `python` for Python and loose JSON. A
    backslash before anything else stays, as in `\\alpha`."""
    if "\\" not in text:
        return text
    table = _YAML if kind == "yaml" else _PYTHON
    return repair(_ESCAPE.sub(lambda found: _one(found, table), text))


def repair(text: str) -> str:
    """LaTeX commands that were read as control characters, as they were meant: nobody writes a
    form feed before `rac{1}{2}`. Surrogates are joined; one alone is U+FFFD."""
    text = _LATEX.sub(lambda found: "\\" + _LETTER[found[0]], text)
    return _SURROGATES.sub(lambda found: _joined(found[0]), text)


def _one(found: re.Match[str], table: dict[str, str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is None:
        return table.get(found[4], found[0])
    number = int(code, 16)
    return chr(number) if number <= 0x10FFFF else found[0]


def _joined(pair: str) -> str:
    return pair.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
