"""Shared runs of words and characters, against a search that compares everything."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.similarity.overlap import Overlaps
from gristmill.similarity.windows import WindowIndex, window_hashes

symbols = st.lists(st.integers(0, 2), max_size=40)


def longest(a: list[int], b: list[int]) -> int:
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            size = 0
            while i + size < len(a) and j + size < len(b) and a[i + size] == b[j + size]:
                size += 1
            best = max(best, size)
    return best


@settings(max_examples=200)
@given(symbols, symbols, st.integers(1, 6))
def test_runs_are_found_where_they_are_and_nowhere_else(
    item: list[int], text: list[int], width: int
) -> None:
    if len(item) < width:
        return
    index = WindowIndex([np.array(item)], [7], width)
    runs = index.runs(np.array(text, dtype=np.uint32))
    assert bool(runs) == (longest(item, text) >= width)
    for run in runs:
        shared = text[run.start : run.start + run.length]
        assert run.item == 7
        assert len(shared) == run.length >= width
        assert any(item[i : i + len(shared)] == shared for i in range(len(item)))
        windows = [tuple(item[i : i + width]) for i in range(len(item) - width + 1)]
        in_text = {tuple(text[i : i + width]) for i in range(len(text) - width + 1)}
        assert run.share == pytest.approx(sum(w in in_text for w in windows) / len(windows))


def test_hashes_of_equal_windows_are_equal_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        piece = rng.integers(0, 1 << 63, 20, dtype=np.uint64)
        before = rng.integers(0, 1 << 63, int(rng.integers(0, 3000)), dtype=np.uint64)
        found = window_hashes(np.concatenate([before, piece]), 20)
        assert found[-1] == window_hashes(piece, 20)[0]
        assert len(found) == len(before) + 1


def text_of(rng: random.Random, count: int) -> list[str]:
    return [f"w{rng.randrange(3000)}" for _ in range(count)]


def test_thirteen_words_are_found_and_twelve_are_not() -> None:
    rng = random.Random(1)
    items = [text_of(rng, 60) for _ in range(200)]
    overlaps = Overlaps(map(" ".join, items), 13)
    for number, item in enumerate(items):
        before, after = text_of(rng, 80), text_of(rng, 80)
        start = rng.randrange(40)
        thirteen = [*before, *item[start : start + 13], "end", *after]
        found = overlaps.find(" ".join(thirteen).upper().replace(" ", " - "))
        assert found is not None
        assert found.item == number
        assert found.words in (13, 14)
        assert " ".join(item[start : start + 13]) in found.text
        assert found.share <= 2 / 48
        twelve = [*before, "x", *item[start : start + 12], "end", *after]
        assert overlaps.find(" ".join(twelve)) is None


def test_a_share_asks_for_more_than_one_run() -> None:
    rng = random.Random(2)
    item = text_of(rng, 52)
    overlaps = Overlaps([" ".join(item)], 13)
    half = " ".join([*item[:32], *text_of(rng, 30)])
    found = overlaps.find(half, share=0.5)
    assert found is not None
    assert found.share == pytest.approx(0.5)
    assert overlaps.find(half, share=0.51) is None


def test_the_item_with_the_largest_share_is_named() -> None:
    rng = random.Random(3)
    common = text_of(rng, 15)
    items = [" ".join([*common, *text_of(rng, size)]) for size in (60, 5, 30)]
    found = Overlaps(items, 13).find(" ".join([*text_of(rng, 9), *common]))
    assert found is not None
    assert found.item == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is the capital of France?", True),
        ("what is the CAPITAL of france", True),
        ("Tell me: what is the capital of France?", False),
        ("Name nine planets and say which one is coldest of all", True),
        ("Please name nine planets and say which one is coldest of all, will you?", True),
        ("Name nine planets and say which one is coldest", False),
        ("", False),
        ("?!", False),
    ],
)
def test_short_items_must_be_there_as_a_whole(text: str, found: bool) -> None:
    items = [
        "What is the capital of France?",
        "Name nine planets and say which one is coldest of all",
        "",
        "...",
    ]
    assert (Overlaps(items, 13).find(text) is not None) == found


def test_a_substring_is_found_however_it_is_cut_into_words() -> None:
    rng = random.Random(4)
    letters = "".join(rng.choices("abcdefghij", k=400))
    item = " ".join(letters[i : i + 7] for i in range(0, 400, 7))
    copy = "xx" + " ".join(letters[i : i + 4] for i in range(120, 230, 4)) + " zz"
    assert Overlaps([item], 13).find(copy) is None
    found = Overlaps([item], 13, substring=100).find(copy)
    assert found is not None
    assert found.by == "substring"
    assert 100 / 400 <= found.share <= 115 / 400
    short = "xx " + letters[120:215] + " zz"
    assert Overlaps([item], 13, substring=100).find(short) is None


def test_scripts_without_spaces_are_compared_letter_by_letter() -> None:
    overlaps = Overlaps(["小明有五个苹果，他给了小红两个，请问他还剩下几个苹果？"], 13)
    found = overlaps.find("题目：他给了小红两个,请问他还剩下几个苹果")
    assert found is not None
    assert overlaps.find("他给了小红两个橘子，请问小红有几个橘子") is None
