"""Answers as Markdown that is harmless and says what the model wrote."""

import time
from html import unescape

import pytest

from gristmill.arena.web.arena import LONGEST
from gristmill.arena.web.clean import markdown, quoted, whole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y>"),
        ("<!-- note -->", "&lt;!-- note -->"),
        ("![pixel](http://evil/x.png)", "\\![pixel](http://evil/x.png)"),
        ("![pixel][1]", "\\![pixel][1]"),
        ("1 < 2, a<b, <https://x.org>", "1 < 2, a<b, <https://x.org>"),
        ("`<b>` and <b>", "`<b>` and &lt;b>"),
        ("`` ` <b> `` <b>", "`` ` <b> `` &lt;b>"),
        ("`open <b>", "`open &lt;b>"),
        ("`one\n\n<b>` two", "`one\n\n&lt;b>` two"),
        ("\\`<b>`", "\\`&lt;b>`"),
        ("```html\n<b>\n```\n<b>", "```html\n<b>\n```\n&lt;b>"),
        ("~~~\n```\n<b>\n~~~", "~~~\n```\n<b>\n~~~"),
        ("```\n<b> half", "```\n<b> half\n```"),
        ("nul \0 and \u202eleft", "nul ⟦U+0000⟧ and ⟦U+202E⟧left"),
    ],
)
def test_answers(text, shown):
    assert markdown(text) == shown


def test_a_visitor_is_quoted():
    said = "# <b>*x*</b>\n    1. `y`"
    made = quoted(said)
    assert not set(made) & set("*`<>[]()") and "\u00a0" * 4 in made
    assert unescape(made).replace("\u00a0", " ") == said


def test_what_a_formula_begins_with_is_apart():
    assert quoted("\\(a") == "<span>&#92;</span>&#40;a"
    assert quoted("$$") == "<span>&#36;</span>" * 2


def test_half_a_surrogate_pair():
    assert whole("a\ud83db") == "a?b"


def test_hostile_answers_take_no_time():
    start = time.perf_counter()
    for text in ("`a `` b ``` c ", "<a ", "[", "![", "`", "\n\n`", "```\n"):
        markdown(text * (LONGEST // len(text)))
    assert time.perf_counter() - start < 3
