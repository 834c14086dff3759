"""MinHash against exact Jaccard and against datasketch."""

from __future__ import annotations

import random

import pytest

from gristmill.similarity.minhash import MinHashIndex, bands_for
from gristmill.similarity.words import shingles, words

pytest.importorskip("rensa")


def jaccard(a: str, b: str) -> float:
    x, y = (set(shingles(words(t), 5)) for t in (a, b))
    return len(x & y) / len(x | y)


def pairs(count: int, rng: random.Random) -> list[tuple[str, str, float]]:
    """Texts of 120 words and changed copies, of any similarity, with what it is."""
    found = []
    for _ in range(count):
        text = [f"w{rng.randrange(5000)}" for _ in range(120)]
        other = list(text)
        for place in rng.sample(range(120), rng.randrange(10)):
            other[place] = "changed"
        a, b = " ".join(text), " ".join(other)
        found.append((a, b, jaccard(a, b)))
    return found


def test_the_estimate_is_within_its_error_of_the_exact_value() -> None:
    errors = []
    for a, b, exact in pairs(150, random.Random(1)):
        index = MinHashIndex(0.2, permutations=128)
        index.add("a", a)
        found = index.nearest(b)
        assert found is not None
        errors.append(found[1] - exact)
    assert abs(sum(errors) / len(errors)) < 0.01
    assert max(map(abs, errors)) < 4.5 * (0.25 / 128) ** 0.5


def test_it_finds_the_pairs_that_datasketch_finds_but_near_the_threshold() -> None:
    datasketch = pytest.importorskip("datasketch")
    ours = MinHashIndex(0.8)
    theirs = datasketch.MinHashLSH(threshold=0.8, num_perm=128)
    made = pairs(300, random.Random(2))
    for place, (a, _, _) in enumerate(made):
        ours.add(str(place), a)
        theirs.insert(str(place), sketched(datasketch, a))
    for place, (_, b, exact) in enumerate(made):
        found = ours.nearest(b)
        candidates = theirs.query(sketched(datasketch, b))
        if exact >= 0.9 or exact < 0.7:
            assert (found is not None) == (exact >= 0.8)
        if exact >= 0.9:
            assert found is not None
            assert [found[0]] == candidates == [str(place)]


def sketched(datasketch, text: str):
    sketch = datasketch.MinHash(num_perm=128)
    sketch.update_batch([each.encode() for each in shingles(words(text), 5)])
    return sketch


def test_the_nearest_of_several_wins_and_the_earlier_of_equals() -> None:
    rng = random.Random(3)
    text = [f"w{rng.randrange(5000)}" for _ in range(200)]
    index = MinHashIndex(0.5)
    for key, changed in (("far", 12), ("near", 2), ("same", 0), ("again", 0)):
        index.add(key, " ".join(text[: 200 - changed] + ["x"] * changed))
    assert index.nearest(" ".join(text)) == ("same", 1.0)
    assert index.nearest_or_add("new", "something else altogether, with seven words") is None
    assert index.nearest("Something else altogether with seven words!") == ("new", 1.0)
    assert len(index) == 5


def test_texts_without_words_are_their_characters_and_blank_ones_are_nothing() -> None:
    index = MinHashIndex()
    for key, text in (("smile", "🙂🙂"), ("blank", " \n"), ("zh", "今天天气很好我们去公园吧")):
        index.nearest_or_add(key, text)
    assert index.nearest("🙂 🙂") == ("smile", 1.0)
    assert index.nearest("") is None
    assert index.nearest("今天天气很好，我们去公园吧。") == ("zh", 1.0)
    assert len(index) == 2


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("permutations", [16, 64, 128, 136])
def test_the_bands_find_nine_of_ten_at_the_threshold(threshold: float, permutations: int) -> None:
    bands = bands_for(threshold, permutations)
    length, rest = divmod(permutations, bands)
    assert not rest
    assert 1 - (1 - threshold**length) ** bands >= 0.9 or bands == permutations


def test_another_seed_decides_otherwise_and_the_same_one_does_not() -> None:
    (a, b, _), *_ = [p for p in pairs(100, random.Random(4)) if 0.5 < p[2] < 0.8]
    found = []
    for seed in (0, 0, 1):
        index = MinHashIndex(0.3, seed=seed)
        index.add("a", a)
        found.append(index.nearest(b))
    assert found[0] == found[1] != found[2]
