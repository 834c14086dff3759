"""No text makes a filter slow: patterns that would take quadratic time would hang here."""

from __future__ import annotations

from typing import Any

import pytest

from gristmill.parts import open_part
from mills import prompt, sample

FILTERS: list[dict[str, Any]] = [
    {"leaked_template": {"of": "both"}}, {"length": {"min_words": 1}}, {"personal_data": {}},
    {"refusal": {"max_characters": 10**7}}, {"repetition": {}}, {"truncated": {"ending": True}},
    {"code_syntax": {}}, {"language": {}},
]  # fmt: skip
PIECES = [
    "\n", " \n", "a", "a ", "是", "`", "```\n", "{", "<", "[", "$", "#", "I ", "no, ", "1", "@",
    "a@", "sorry ", "here is a ", "> ", "1.", "::", "http", "\u0301", "- ",
]  # fmt: skip


@pytest.mark.parametrize("spec", FILTERS, ids=lambda spec: next(iter(spec)))
@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_a_long_text_takes_no_longer_than_it_must(spec: dict[str, Any], piece: str) -> None:
    pytest.importorskip("lingua")
    filter_ = open_part("gristmill.filters", spec, "k")
    text = piece * (60_000 // len(piece))
    filter_.reason(prompt(text), sample(0, text))
    filter_.reason(prompt("x"), sample(0, text + "x"))
