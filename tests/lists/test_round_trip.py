"""Any list, written in any form, is read back as it was."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gristmill.lists.parse import parse_list
from gristmill.lists.thought import split_thought

NAMED = [
    "1984",
    "Yes",
    "no",
    "12:30",
    "2024-01-02",
    "null",
    "~",
    "true",
    "Topic: sub",
    "# hash",
    "{x} marks it",
    "[y]",
    "3 Idiots",
    "3.14",
    "0x1F",
    "1e3",
    "iPhone",
    "ÖBB",
    "a: b: c",
    "C#: x",
    "- 5 degrees",
    "1. FC Köln",
    "2) of them",
    "a) option",
    "* star",
    "don't",
    'say "hi" twice',
    "naïve café",
    "🌍 Climate",
    "👨‍👩‍👧 Family",
    "机器学习：入门",
    "القهوة",
    "हिन्दी",
    "**Bold**: rest",
    "x | y",
    "<b>bold</b> tag",
    "<li>",
    "C:\\new",
    "$\\frac{1}{2}$",
    "a, b, and c",
    "@home",
    "%d",
    "&amp;",
    "!important",
    "? why",
    "key:",
    "Here is a list:",
    "I'm sorry, but I can't.",
    "I. Newton",
    "`code` here",
    "Let me know if you need more",
    "--- x",
    "> quoted",
    "=1+1",
    "「京都」の夏",
    "...",
    "?",
]

# Control characters, line ends and invisible characters are no part of a one-line text.
CHARACTERS = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf", "Co", "Cn"), exclude_characters="\u00a0"
)
STARTS = [
    "",
    "1. ",
    "3 ",
    "- ",
    "# ",
    "* ",
    '"',
    "'",
    "{",
    "[",
    "(",
    "**",
    "`",
    "12:",
    "Topic: ",
    "|",
    "> ",
]
NASTY = st.builds(
    lambda start, middle, end: f"{start}{middle}{end}",
    st.sampled_from(STARTS),
    st.text(CHARACTERS, min_size=1, max_size=25),
    st.sampled_from(["", ":", ".", "?", ",", '"', "'", "}", "]", "**", " #x", ": y", "\\", "`"]),
)
TEXTS = (st.sampled_from(NAMED) | NASTY | st.text(CHARACTERS, min_size=1, max_size=40)).map(
    lambda text: " ".join(text.split())
)
LISTS = st.lists(TEXTS.filter(bool), min_size=1, max_size=8).filter(lambda i: clear_of_tokens(i))

_FORMED = re.compile(r"([\"'“„«»‹「『‘《*_`]).*[\"'”“»«›」』’》*_`][,，;]?", re.DOTALL)
_MARKED = re.compile(
    r"\W{0,3}(?:[-*+•‣⁃∙●○■□▪▫◆◇►▶▸➤☐☑☒・◦–—−·→»➢➔➜⇒✓✔✅★☆✦❖]|[\[(（【#]?\s?\w{1,7}\s?[.)、:：．）\]。】\-–—]"
    r"|[\u2460-\u249b\u2776-\u2793\u3220-\u325f]|\d\ufe0f?\u20e3)"
)
_LABELLED = re.compile(r"\W*\w+\W*\d*\W*[:：]")


def clear_of_tokens(items: list[str]) -> bool:
    """A thought and the tokens at the end of a reply are taken off before anything is read."""
    return not any("think>" in item or "</s>" in item or "|>" in item for item in items)


def clear_on_a_line(items: list[str]) -> bool:
    """What no reader could tell apart in a marked list.

    - Quotes, emphasis or backticks around a whole item: they are what models dress items in.
    - Boxes after a bullet, code fences, horizontal rules: these are Markdown's.
    - Every item begins with another mark, or with the same label: models mark twice.
    - Commas, semicolons or backslashes after all items but the last: they join the list.
    - A mark that ends a thought: what stands before it was thought (lists/thought.py).
    """
    if any(split_thought(f"1. {item}").thought for item in items):
        return False
    if any(_FORMED.fullmatch(item) for item in items):
        return False
    if any(re.match(r"\[[ xX✓✔]\](\s|$)|[`~]{3}|[|>][-+1-9]{0,2}( #.*)?$", item) for item in items):
        return False
    if any(not item.strip("-*_=— ") for item in items):
        return False
    if all(_MARKED.match(item) for item in items):
        return False
    if all(_LABELLED.match(item) for item in items):
        return False
    return len(items) < 3 or not any(all(i.endswith(s) for i in items[:-1]) for s in ",;，；\\")


def rows(mark: str, items: list[str]) -> str:
    return "\n".join(f"{mark.format(n)} {item}" for n, item in enumerate(items, 1))


PREFACES = [
    "",
    "Sure! Here are the items:\n\n",
    "以下是列表：\n",
    "## Items\n\n",
    "I chose these.\n\n",
]
REMARKS = ["", "\n\nLet me know if you need more!", "\n\n---\nThat is all."]


@pytest.mark.parametrize(
    "mark", ["{}.", "{})", "({})", "**{}.**", "{}:", "#{}", "{}、", "-", "*", "•", "+"]
)
@given(items=LISTS, preface=st.sampled_from(PREFACES), remark=st.sampled_from(REMARKS))
@example(items=NAMED, preface="", remark="")
@example(items=[*NAMED[::-1], "1984"], preface=PREFACES[1], remark=REMARKS[1])
def test_a_marked_list_is_read_back(mark: str, items: list[str], preface: str, remark: str) -> None:
    assume(clear_on_a_line(items))
    # `#1 [` and `1: -` alone are no list to anybody.
    assume(len(items) > 1 or mark not in ("#{}",))
    assert parse_list(preface + rows(mark, items) + remark) == tuple(items)


@pytest.mark.parametrize("mark", ["{}.", "-", "*"])
@given(items=LISTS)
def test_blank_lines_and_windows_line_ends_change_nothing(mark: str, items: list[str]) -> None:
    assume(clear_on_a_line(items))
    assert parse_list(rows(mark, items).replace("\n", "\r\n\r\n")) == tuple(items)


SENTENCES = st.builds(
    lambda word, text: f"{word} {text}", st.sampled_from(["Find", "Ценá", "請問", "Why"]), TEXTS
)


@given(
    items=st.lists(
        st.lists(SENTENCES, min_size=2, max_size=4).map("\n".join), min_size=1, max_size=4
    )
)
def test_items_of_many_lines_are_read_back(items: list[str]) -> None:
    assume(clear_of_tokens(items))
    assume(clear_on_a_line(items))
    text = "\n".join(f"{n}. " + item.replace("\n", "\n   ") for n, item in enumerate(items, 1))
    assert parse_list(text) == tuple(items)


ANY_TEXT = (TEXTS | st.text(CHARACTERS | st.just("\n"), max_size=60)).map(str.strip).filter(bool)
ANY_LISTS = st.lists(ANY_TEXT, min_size=1, max_size=8).filter(clear_of_tokens)


def clear_in_quotes(items: list[str]) -> bool:
    """What is taken off strings too: numbers before, labels before, and bold around all of them."""
    counted = len(items) > 1 and all(_MARKED.match(i) or _LABELLED.match(i) for i in items)
    return not counted and not all(i.startswith("**") for i in items)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    "form", ["{}", "```json\n{}\n```", "Here it is:\n\n```\n{}\n```\n\nEnjoy!", "Sure:\n{}\nDone."]
)
@given(items=ANY_LISTS, key=st.sampled_from(["", "topics", "whatever"]))
@example(items=NAMED, key="")
def test_json_is_read_back(
    form: str, ascii_only: bool, indent: int | None, items: list[str], key: str
) -> None:
    assume(clear_in_quotes(items))
    # A lone text that is itself a list is read as one.
    assume(len(items) > 1 or "\n" not in items[0])
    value = {key: items} if key else items
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parse_list(form.replace("{}", text)) == tuple(items)


@given(items=ANY_LISTS, cut=st.integers(0, 400))
def test_json_that_is_cut_off_gives_its_whole_items(items: list[str], cut: int) -> None:
    assume(all(clear_in_quotes(items[:count]) for count in range(1, len(items) + 1)))
    text = json.dumps(items, ensure_ascii=False)[: 2 + cut]
    found = parse_list(text)
    assert list(found) == items[: len(found)]
    # What the text holds of the list of the first items, all but its closing bracket.
    ends = [len(json.dumps(items[:n], ensure_ascii=False)) - 1 for n in range(1, len(items) + 1)]
    assert len(found) == sum(end <= len(text) for end in ends)


@given(items=ANY_LISTS)
def test_python_lists_are_read_back(items: list[str]) -> None:
    assume(clear_in_quotes(items))
    assume(not any("'" in item or '"' in item for item in items))
    assert parse_list(f"topics = {items!r}") == tuple(items)


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("form", ["```yaml\n{}```", "Here is the list:\n\n```yml\n{}\n```\nEnjoy!"])
@given(items=ANY_LISTS, style=st.sampled_from([None, '"', "'", "|", ">"]))
@example(items=NAMED, style=None)
def test_fenced_yaml_is_read_back(
    form: str, unicode: bool, items: list[str], style: str | None
) -> None:
    assume(clear_in_quotes(items) and clear_on_a_line(items))
    assume(not any("```" in item or "~~~" in item for item in items))
    text = yaml.safe_dump(items, allow_unicode=unicode, default_style=style)
    assert parse_list(form.replace("{}", text)) == tuple(items)


@pytest.mark.parametrize("unicode", [True, False])
@given(items=ANY_LISTS, key=st.sampled_from(["", "topics:\n"]))
@example(items=NAMED, key="")
def test_yaml_without_a_fence_is_read_back(unicode: bool, items: list[str], key: str) -> None:
    assume(clear_in_quotes(items) and clear_on_a_line(items))
    assume(not any("```" in item or "~~~" in item for item in items))
    # Without a fence nothing says that a line that goes on was folded: it is not, here.
    text = yaml.safe_dump(items, allow_unicode=unicode, width=10**6)
    assert parse_list(key + text) == tuple(items)


@pytest.mark.parametrize("end", ["", ","])
@given(
    items=LISTS.filter(lambda items: len(items) > 1),
    preface=st.sampled_from(PREFACES[:3]),
)
@example(items=NAMED, preface="")
def test_quoted_lines_are_read_back(end: str, items: list[str], preface: str) -> None:
    assume(clear_on_a_line(items) and clear_in_quotes(items))
    # Quotes within, and backslashes before them, need a rule of their own: see the corpus.
    assume(not any('"' in item or "\\" in item for item in items))
    assert parse_list(preface + "\n".join(f'"{item}"{end}' for item in items)) == tuple(items)


@given(text=st.text(max_size=300))
def test_no_text_makes_it_fail(text: str) -> None:
    items = parse_list(text)
    assert all(item and item == item.strip() for item in items)


PIECES = st.lists(
    st.sampled_from(
        [
            "1. ",
            "- ",
            "* ",
            "\n",
            "\n\n",
            "   ",
            "```",
            "```json\n",
            "[",
            "]",
            "{",
            "}",
            '"',
            "'",
            ",",
            ":",
            "|",
            "|---|",
            "<li>",
            "</li>",
            "<a>",
            "<topic>",
            "</topic>",
            "#",
            "# ",
            "**",
            "`",
            "\\",
            "a",
            "Topic",
            "1984",
            "Here are:",
            "<think>",
            "</think>",
            "a) ",
            "ii. ",
            "①",
            "1️⃣",
            "~~~",
            "> ",
            ">-\n",
            "|\n",
            "$$",
            "\t",
            "\r",
            "\u200b",
            "\ufeff",
            "\u00a0",
            "null",
            "//",
            "/*",
            "Answer: ",
        ]
    ),
    max_size=60,
).map("".join)


@given(text=PIECES)
def test_no_heap_of_marks_makes_it_fail(text: str) -> None:
    items = parse_list(text)
    assert isinstance(items, tuple)
    assert all(item and item == item.strip() for item in items)
