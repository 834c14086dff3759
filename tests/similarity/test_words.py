"""What counts as a word, in any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.similarity.words import shingles, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The fox -- isn't\there!", ["the", "fox", "isn", "t", "here"]),
        ("x_y = f(a1)", ["x", "y", "f", "a1"]),
        ("Straße ＡＢＣ ﬁne", ["strasse", "abc", "fine"]),
        ("e\u0301te\u0301 été", ["été", "été"]),
        ("Привет, мир", ["привет", "мир"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("私はABCです", ["私", "は", "abc", "で", "す"]),
        ("ไทยนี้", ["ไ", "ท", "ย", "นี้"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("🙂 ... —", []),
        ("a\ud800b", ["a", "b"]),
    ],
)  # fmt: skip
def test_words_are_letters_digits_and_their_marks(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text())
def test_case_and_composition_do_not_count(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found
    assert all(found)


def test_shingles_are_runs_and_a_short_text_is_one() -> None:
    assert shingles(list("abcd"), 3) == ["a b c", "b c d"]
    assert shingles(list("ab"), 3) == ["a b"]
    assert shingles([], 3) == []
