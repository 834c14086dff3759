"""Fenced blocks of code in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.lists.fences import Fence, fences, parts

CODE = "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    "text",
    [
        "```python\ndef f(x):\n    return x\n```",
        "~~~python\ndef f(x):\n    return x\n~~~\n",
        "~~~~ {.python .numberLines}\ndef f(x):\n    return x\n~~~~\n",
        "So:\n\n   ```python title=a.py\n   def f(x):\n       return x\n   ```\n",
        "\t```Python\n\tdef f(x):\n\t    return x\n\t```",
        "1. ```python\n   def f(x):\n       return x\n   ```\n2. Done",
        "- ```python\n  def f(x):\n      return x\n  ```",
        "> ```python\n> def f(x):\n>     return x\n> ```\n",
        "> > ```python\n> > def f(x):\n> >     return x\n> > ```\n",
        "```python\ndef f(x):\n    return x",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_block_is_found_however_it_is_fenced(text: str, end: str) -> None:
    (block,) = fences(text.replace("\n", end))
    assert (block.language, block.text) == ("python", CODE)


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("````md\n```python\nx\n```\n````\n", ["md"]),
        ("~~~\n```\nx\n~~~\n", [""]),
        ("```a\nx\n```\nand\n```b\ny\n```", ["a", "b"]),
        ("Use ```x``` here.\n```x```\n- ``` begins one\n", []),
        ("no code", []),
    ],
)
def test_what_is_inside_a_block_begins_none(text: str, languages: list[str]) -> None:
    assert [block.language for block in fences(text)] == languages


def test_lines_outside_are_given_too_and_a_block_knows_where_it_is() -> None:
    text = "one\r\n```py\r\nx\r\n\r\n```\r\ntwo"
    assert list(parts(text)) == ["one", Fence("py", 3, "x\n\n", True), "two"]
    assert fences("```py\nx") == [Fence("py", 2, "x\n", False)]


@given(st.text(alphabet="`~ >\n\r\t-1.py"))
def test_no_line_is_made_up(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for part in parts(text):
        if isinstance(part, str):
            assert part in lines
        else:
            assert all(any(line in whole for whole in lines) for line in part.text.split("\n"))


def test_a_long_line_takes_no_time() -> None:
    assert fences(" " * 100_000 + "x```") == []
    assert fences("> " * 100_000 + "x```") == []
