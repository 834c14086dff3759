"""How numbers and texts read on every page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.page import text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.whole(12345), "12,345"),
        (text.whole(None), "–"),
        (text.brief(9_999), "9,999"),
        (text.brief(45_600), "45.6 k"),
        (text.brief(7_800_000), "7.8 M"),
        (text.brief(9.1e9), "9.1 B"),
        (text.brief(None), "–"),
        (text.percent(0.624), "62.4\u202f%"),
        (text.percent(0.99999), "> 99.9\u202f%"),
        (text.percent(0.00001), "< 0.1\u202f%"),
        (text.percent(0.004, 0), "< 1\u202f%"),
        (text.percent(1), "100.0\u202f%"),
        (text.percent(0), "0.0\u202f%"),
        (text.percent(-0.25), "−25.0\u202f%"),
        (text.percent(float("nan")), "–"),
        (text.decimal(-0.001), "0.00"),
        (text.decimal(-1234.5), "−1,234.50"),
        (text.decimal(0.12345, 4), "0.1235"),
        (text.decimal(float("inf")), "–"),
        (text.decimal(14.23, 1, signed=True), "+14.2"),
        (text.decimal(-0.04, 1, signed=True), "+0.0"),
        (text.decimal(-0.06, 1, signed=True), "−0.1"),
        (text.duration(8.2), "8.2 s"),
        (text.duration(59.4), "59 s"),
        (text.duration(59.7), "1 min 00 s"),
        (text.duration(134), "2 min 14 s"),
        (text.duration(7412), "2 h 03 min"),
        (text.duration(None), "–"),
        (text.dollars(0.0042), "$0.0042"),
        (text.plural(1, "pair"), "1 pair"),
        (text.plural(2000, "pair"), "2,000 pairs"),
        (text.plural(2, "reply", "replies"), "2 replies"),
        (text.plural(None, "pair"), "– pairs"),
        (text.one_line("a b\nc\u2028d"), "a b c d"),
        (text.one_line("one two three", 10), "one two…"),
        (text.one_line("x" * 20, 10), "x" * 10 + "…"),
        (text.label("https://me:s3cret@host/v1#m"), "https://…@host/v1#m"),
        (text.visible("a\tb\r\nc\u200b"), "a\tb\nc⟦U+200B⟧"),
        (text.visible("👩\u200d💻 ا\u200cب"), "👩\u200d💻 ا\u200cب"),
        (text.visible("\ud800\x00"), "⟦U+D800⟧⟦U+0000⟧"),
    ],
)
def test_how_numbers_and_texts_read(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.text(), st.integers(2, 200))
def test_one_line_is_one_line_of_bounded_length(value: str, limit: int) -> None:
    line = text.one_line(value, limit)
    assert len(line.splitlines()) <= 1 and len(line) <= limit + 1
    assert line == text.visible(line)
