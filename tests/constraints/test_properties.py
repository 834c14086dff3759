"""What holds of every text: counts are right, nothing crashes, a long text is no trouble."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.constraints import Constraint, Outcome
from gristmill.constraints._sentences import sentences_of
from gristmill.constraints._text import paragraphs_of, phrase_pattern, words_of
from gristmill.parts import open_part, part_names

ROOM = "gristmill.constraints"
SMALLEST = {
    "paragraphs": {"count": 2},
    "sentences": {"at_most": 2},
    "words": {"at_least": 2},
    "characters": {"at_most": 20},
    "lines": {"count": 2},
    "bullets": {"count": 2},
    "numbered_list": {"count": 2},
    "sections": {"count": 2},
    "headings": {"count": 2},
    "highlights": {"count": 2},
    "placeholders": {"count": 2},
    "capital_words": {"at_least": 2},
    "keyword_frequency": {"keyword": "a*", "count": 2},
    "letter_frequency": {"letter": "a", "at_least": 2},
    "keywords": {"words": ["a", ")("]},
    "forbidden_words": {"words": ["a b"]},
    "repeat_request": {"request": "a"},
    "choice": {"options": ["a", "b c"]},
    "start_with": {"phrase": "İ"},
    "end_with": {"phrase": "ß"},
    "paragraph_start": {"count": 1, "paragraph": 1, "word": "a"},
    "table": {"columns": 2},
    "sentence_length": {"at_most": 2},
    "paragraph_length": {"at_most": 2},
}
# Lingua loads a gigabyte for short texts of every script; what feeds it is tested elsewhere.
NAMES = [name for name in part_names(ROOM) if name != "language"]


def smallest(name: str) -> Constraint:
    return open_part(ROOM, {name: SMALLEST.get(name, {})}, "here")


ALL = [smallest(name) for name in NAMES]
WORDS = st.sampled_from(["tea", "Haus", "l'eau", "well-known", "ñandú", "3.14", "ÜBER", "e-mail"])
MARKUP = st.text(alphabet="ab1.*#-|`~<>[]()\n \"'!?。「」,", max_size=80)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), MARKUP))
def test_no_text_crashes_a_checker_and_loose_is_never_stricter(text: str) -> None:
    for constraint in ALL:
        outcome = constraint.check(text)
        assert isinstance(outcome, Outcome) and outcome.evidence
        assert not outcome or constraint.check_loose(text)
        if not text.strip():
            assert not outcome


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=9), min_size=1, max_size=6))
def test_paragraphs_sentences_and_words_are_counted_as_they_were_made(
    blocks: list[list[str]],
) -> None:
    # Each paragraph is two sentences: "The", the words, a full stop.
    made = ["The " + " ".join(words) + " end. And so on!" for words in blocks]
    text = "\n\n".join(made)
    assert len(paragraphs_of(text)) == len(blocks)
    assert len(sentences_of(text)) == 2 * len(blocks)
    assert len(words_of(text)) == sum(len(words) + 5 for words in blocks)
    for amount in ({"count": len(blocks)}, {"at_least": len(blocks)}, {"at_most": len(blocks)}):
        assert open_part(ROOM, {"paragraphs": amount}, "").check(text)
    assert not open_part(ROOM, {"paragraphs": {"count": len(blocks) + 1}}, "").check(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=9), st.sampled_from(["\r\n", "\r", "\n"]))
def test_lists_are_counted_as_they_were_made_whatever_the_line_ends(
    items: list[str], end: str
) -> None:
    amount = {"count": len(items)}
    bullets = end.join(f"- {item}" for item in items)
    assert open_part(ROOM, {"bullets": amount}, "").check(bullets)
    numbered = end.join(f"{n}. {item}" for n, item in enumerate(items, 1))
    assert open_part(ROOM, {"numbered_list": amount}, "").check(numbered)
    assert open_part(ROOM, {"lines": amount}, "").check(numbered)
    assert open_part(ROOM, {"sentences": amount}, "").check(numbered)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40).filter(str.strip), st.text(max_size=40))
def test_a_phrase_is_found_where_it_stands_alone(phrase: str, around: str) -> None:
    assert phrase_pattern(phrase).search(f"{around} \u2014 {phrase.strip()} \u2014 {around}")


NASTY = {
    "one line": "word " * 50_000,
    "stars": "*" * 1_000_000,
    "stars and words": "*a " * 82_000,
    "open stars": "*a b" * 62_000,
    "points": "." * 1_000_000,
    "points and spaces": ". " * 125_000,
    "brackets": "[" * 1_000_000,
    "angles": "<<a" * 82_000,
    "line ends": "\n" * 125_000 + "a" + "\n \t" * 37_000 + "a",
    "fences": "```\n" * 62_000,
    "one word": "a" * 1_000_000,
    "joined": "a-" * 125_000,
    "points in words": "a." * 125_000,
    "tables": "|-" * 125_000 + "\n|-|",
    "rows": "|a|b|\n|-|-|\n" * 20_000,
    "quotes": '"' * 1_000_000,
    "accents": "a" + "\u0301" * 75_000,
    "accents out of order": "a" + "\u0301\u0316" * 125_000,
    "nested JSON": "[" * 25_000 + "]" * 25_000,
    "markers": "Section" * 35_000,
    "spaces": "a" + " " * 250_000 + "a",
    "hashes": "#" * 1_000_000,
    "CJK": "文。" * 75_000,
    "options": "a b c " * 40_000,
}


@pytest.mark.parametrize("kind", NASTY)
def test_a_long_text_of_anything_is_no_trouble(kind: str) -> None:
    # What takes quadratic time would not come to an end here.
    for constraint in ALL:
        constraint.check(NASTY[kind])
