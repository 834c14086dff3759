"""One spelling of an answer: numbers, roots and powers as they are compared."""

from __future__ import annotations

import re
import unicodedata

RAISED, LOWERED = "\u2070\u00b9\u00b2\u00b3\u2074-\u2079", "\u2080-\u2089"
"""Digits of powers and of bases, within a class of characters."""

_SETTING = (
    (re.compile(rf"[{RAISED}]+"), lambda m: f"^{{{unicodedata.normalize('NFKC', m[0])}}}"),
    (re.compile(rf"[{LOWERED}]+"), lambda m: f"_{{{unicodedata.normalize('NFKC', m[0])}}}"),
    (re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])"), lambda _: " "),
)
"""What NFKC would put beside a number as if it were more of it."""
_THOUSANDS = re.compile(
    r"(?<![\d.,])([1-9]\d{0,2})((?P<by>,\\!|\\[,;:! ]|\{[, ]\}|\{\\,\}|[ ~])\d{3}"
    r"(?:(?P=by)\d{3})*)(?!\d|\s*/)"
)
_COMMANDS = (
    (re.compile(r"\\[dt]?frac\s*\{\s*(-?[\d.]+)\s*\}\s*\{\s*(-?[\d.]+)\s*\}"), r" \1/\2"),
    (re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)"), r" \1/\2"),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})"), "\u00b0 "),
    (re.compile(r"\\times|\\cdot"), "*"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:left|right|displaystyle|,|!|;|:| |quad)|[$]{2}|\\[()\[\]]|~"), " "),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\\$"), "$"),
    (re.compile(r"\s+"), " "),
)


def simple(text: str) -> str:
    """The text without what only sets it."""
    text = spelled(text)
    if len(text) > 1 and text[0] == text[-1] == "$":
        text = text[1:-1]
    for pattern, new in _COMMANDS:
        text = pattern.sub(new, text)
    return text.strip(" *_`.").replace("- ", "-")


def spelled(text: str) -> str:
    """Formulas in one spelling: numbers without separators of thousands other than commas, and
    roots as `\\sqrt{2}`."""
    for pattern, new in _SETTING:
        text = pattern.sub(new, text)
    text = unicodedata.normalize("NFKC", text.strip()).replace("\u2212", "-").replace("\u2044", "/")
    text = _THOUSANDS.sub(lambda m: m[1] + m[2].replace(m["by"], ""), text)
    return _roots(text)


def _roots(text: str) -> str:
    """`\\sqrt(2)`, `sqrt(2)`, `\u221a2` and `\u221a(2)` as `\\sqrt{2}`."""
    text = re.sub(r"\u221a\s*(\d+(?:\.\d+)?|[A-Za-z])", r"\\sqrt{\1}", text)
    text = re.sub(r"(\\sqrt\s*\[[^\]]*\])\s*([\dA-Za-z])", r"\1{\2}", text)
    text = re.sub(r"\u221a\s*(?=[({])|(?<![\\A-Za-z])sqrt(?=\s*[({])", r"\\sqrt", text)
    for root in reversed(list(re.finditer(r"\\sqrt\s*(?:\[[^\]]*\])?\s*(?=\()", text))):
        depth = 0
        for place in range(root.end(), len(text)):
            depth += {"(": 1, ")": -1}.get(text[place], 0)
            if depth == 0:
                inside = text[root.end() + 1 : place]
                text = f"{text[: root.end()]}{{{inside}}}{text[place + 1 :]}"
                break
    return text
