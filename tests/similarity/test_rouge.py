"""ROUGE-L against the table that defines it, and the index against comparing all with all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.similarity.novelty import Novelty
from gristmill.similarity.rouge import NoveltyIndex, rouge_l
from gristmill.similarity.words import words

tokens = st.lists(st.sampled_from("abcd"), max_size=80)


def by_the_table(a: list[str], b: list[str]) -> float:
    rows = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            rows[i][j] = rows[i - 1][j - 1] + 1 if x == y else max(rows[i - 1][j], rows[i][j - 1])
    return 2 * rows[-1][-1] / (len(a) + len(b)) if a and b else 0.0


@given(tokens, tokens)
def test_rouge_l_is_what_the_table_gives(a: list[str], b: list[str]) -> None:
    assert rouge_l(a, b) == by_the_table(a, b)


@settings(max_examples=50)
@given(
    st.lists(tokens.map(" ".join), max_size=12),
    tokens.map(" ".join),
    st.sampled_from([0.3, 0.7, 1]),
)
def test_the_nearest_is_what_comparing_with_all_gives(
    texts: list[str], text: str, threshold: float
) -> None:
    index = NoveltyIndex(threshold)
    for each in texts:
        index.add(each)
    scores = [rouge_l(words(each), words(text)) for each in texts]
    best = max(scores, default=0.0)
    expected = (texts[scores.index(best)], best) if best >= threshold else None
    assert index.nearest(text) == expected


def test_the_index_can_grow_while_it_is_asked() -> None:
    rng = random.Random(0)
    index = NoveltyIndex()
    for _ in range(300):
        text = " ".join(rng.choices(["the", "a", "of", "cat", "dog", "sat", "ran", "mat"], k=12))
        index.nearest(text)
        index.add(text)
        assert index.nearest(text) == (text, 1.0) or index.nearest(text.upper())
    assert len(index) == 300


@pytest.mark.parametrize("method", ["rouge", "minhash"])
def test_a_small_change_is_not_new_and_another_topic_is(method: str) -> None:
    if method == "minhash":
        pytest.importorskip("rensa")
    novelty = Novelty(0.6, method)  # type: ignore[arg-type]
    first = "Write a short poem about the sea in winter that a child of six would understand well."
    assert novelty.seen(first) is None
    novelty.add(first)
    near = novelty.seen(first.replace("winter", "summer"))
    assert near is not None
    assert near[0] == first
    assert 0.6 <= near[1] < 1
    assert novelty.seen("How does a heat pump warm a house when it is freezing outside?") is None
    assert novelty.seen("") is None
    novelty.add("")
    assert novelty.seen("") is None
