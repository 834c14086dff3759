"""Exact duplicates, as a reader would call them the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.filters.dedup import Dedup, normalise
from mills import prompt, sample


def reasons(filter_: Dedup, *pairs: tuple[str, str]) -> list[str]:
    return [filter_.reason(prompt(asked), sample(0, said)) for asked, said in pairs]


def test_the_first_of_each_stays() -> None:
    assert reasons(Dedup(), ("q", "a"), ("q", "b"), ("q", "a"), ("q", "b")) == [
        "", "", "dedup", "dedup",
    ]  # fmt: skip


def test_two_prompts_may_share_a_short_answer_unless_told_otherwise() -> None:
    pairs = (("2 + 2?", "4"), ("1 + 3?", "4"))
    assert reasons(Dedup(), *pairs) == ["", ""]
    assert reasons(Dedup(of="response"), *pairs) == ["", "dedup"]


@pytest.mark.parametrize(
    "other",
    [
        "CAFÉ  au lait.",
        "  cafe\u0301 au\n\tlait.  ",
        "ｃａｆé au\u3000lait.",
        "cafÉ au lait.",
    ],
)
def test_case_spaces_and_the_way_of_writing_a_letter_do_not_count(other: str) -> None:
    assert reasons(Dedup(), ("q", "café au lait."), ("q", other)) == ["", "dedup"]


@pytest.mark.parametrize("other", ["cafe au lait.", "café au lait", "café au lait. ."])
def test_what_differs_in_letters_or_signs_stays(other: str) -> None:
    assert reasons(Dedup(), ("q", "café au lait."), ("q", other)) == ["", ""]


def test_each_pass_begins_with_nothing_seen() -> None:
    assert reasons(Dedup(), ("q", "a")) == reasons(Dedup(), ("q", "a")) == [""]


@given(st.text())
def test_normalising_is_the_unicode_definition_for_ascii_and_all_else(text: str) -> None:
    expected = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    assert normalise(text) == expected


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=20))
def test_exactly_the_repeated_rows_are_dropped(pairs: list[tuple[str, str]]) -> None:
    keys = [(normalise(q), normalise(a)) for q, a in pairs]
    expected = ["dedup" if key in keys[:i] else "" for i, key in enumerate(keys)]
    assert reasons(Dedup(), *pairs) == expected


# Few, so that whole digests and halves of them come again.
digests = st.binary(min_size=1, max_size=1).map(lambda b: b * 8)


@given(st.lists(st.tuples(digests, digests), max_size=60))
def test_a_digest_is_known_by_both_of_its_halves(pairs: list[tuple[bytes, bytes]]) -> None:
    dedup, seen = Dedup(), set()
    for first, second in pairs:
        known = (first, int.from_bytes(second, "big") >> 1)
        assert dedup._is_new(first + second) == (known not in seen)
        seen.add(known)
