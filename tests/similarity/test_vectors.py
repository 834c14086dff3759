"""Embeddings as text, and a search that misses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.similarity import vectors
from gristmill.similarity.vectors import VectorIndex, pack, unit, unpack


def cloud(seed: int, count: int, width: int, shared: float = 0.0) -> np.ndarray:
    """Unit vectors, a third of them close to an earlier one; `shared` of their squared length is
    one direction that all have in common."""
    rng = np.random.default_rng(seed)
    found = rng.standard_normal((count, width)) / np.sqrt(width)
    for i in range(3, count, 3):
        found[i] = found[rng.integers(i)] + rng.uniform(0, 0.8) * found[i]
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found = np.sqrt(1 - shared) * found + np.sqrt(shared) * np.eye(width)[0]
    return np.stack([unit(row) for row in found])


def by_hand(rows: np.ndarray, threshold: float) -> list[tuple[str, float] | None]:
    """What the index finds, computed in the plainest way."""
    kept: list[int] = []
    found: list[tuple[str, float] | None] = []
    for i, row in enumerate(rows.astype(np.float64)):
        cosines = np.round(rows[kept].astype(np.float64) @ row, 6) if kept else np.zeros(0)
        best = int(cosines.argmax()) if len(cosines) else -1
        if best >= 0 and cosines[best] >= threshold:
            found.append((str(kept[best]), float(cosines[best])))
        else:
            found.append(None)
            kept.append(i)
    return found


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9, 0.97, 1.0])
@pytest.mark.parametrize(("width", "shared"), [(1, 0.0), (2, 0.0), (17, 0.0), (96, 0.0), (96, 0.8)])
def test_it_finds_what_comparing_every_pair_finds(
    monkeypatch: pytest.MonkeyPatch, threshold: float, width: int, shared: float
) -> None:
    # Small blocks and an early look, so that every way through them is taken.
    monkeypatch.setattr(vectors, "BLOCK", 0)
    monkeypatch.setattr(vectors, "SAMPLE", 300)
    monkeypatch.setattr(vectors, "SPARSE", 4)
    rows = cloud(width, 900, width, shared)
    index = VectorIndex(threshold)
    assert [index.nearest_or_add(str(i), row) for i, row in enumerate(rows)] == by_hand(
        rows, threshold
    )
    assert len(index) <= 900


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 0.9]), st.floats(0.05, 1))
def test_pairs_at_the_threshold_itself_are_found(
    seed: int, shared: float, threshold: float
) -> None:
    rows = cloud(seed, 40, 24, shared)
    cosine = float(np.round(rows[0].astype(np.float64) @ rows[1].astype(np.float64), 6))
    if cosine > 0:
        index = VectorIndex(cosine)
        assert index.nearest_or_add("a", rows[0]) is None
        assert index.nearest_or_add("b", rows[1]) == ("a", cosine)
    index = VectorIndex(threshold)
    found = [index.nearest_or_add(str(i), row) for i, row in enumerate(rows)]
    assert found == by_hand(rows, threshold)


def test_the_earlier_of_equals_is_named_and_a_vector_is_like_itself() -> None:
    index = VectorIndex(0.7)
    a, b = unit([1, 0, 1]), unit([1, 0, -1])
    assert index.nearest_or_add("first", a) is None
    assert index.nearest_or_add("second", b) is None
    assert index.nearest_or_add("both", unit([1, 0, 0])) == ("first", 0.707107)
    for width in range(1, 2000, 40):
        vector = cloud(width, 1, width)[0]
        exact = VectorIndex(1.0)
        assert exact.nearest_or_add("x", vector) is None
        assert exact.nearest_or_add("y", vector) == ("x", 1.0)


def test_vectors_of_another_length_are_refused() -> None:
    index = VectorIndex(0.9)
    index.nearest_or_add("x", unit([1, 2, 3]))
    with pytest.raises(ValueError, match="2 numbers where the first has 3"):
        index.nearest_or_add("y", unit([1, 2]))


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, min_size=1, max_size=50).filter(lambda row: any(row)))
def test_any_finite_list_but_zeros_has_length_one(row: list[float]) -> None:
    vector = unit(row)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    again = unpack(pack("response", vector))
    assert float(again @ vector) == pytest.approx(1, abs=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 600))
def test_what_a_checkpoint_keeps_changes_a_cosine_by_less_than_a_thousandth(
    seed: int, width: int
) -> None:
    a, b = cloud(seed, 2, width)
    kept = unpack(pack("row", a)) @ unpack(pack("row", b))
    assert abs(float(kept - a @ b)) < 0.001


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "not a list of numbers"),
        ([[1.0, 2.0]], "not a list of numbers"),
        ([[1.0], [1.0, 2.0]], "not a list of numbers"),
        (["1.0", "2.0"], "not a list of numbers"),
        ([1.0, None], "not a list of numbers"),
        ([True, False], "not a list of numbers"),
        (None, "not a list of numbers"),
        ("abc", "not a list of numbers"),
        ({"a": 1}, "not a list of numbers"),
        (3.0, "not a list of numbers"),
        ([0.0, 0.0], "all its numbers are zero"),
        ([1.0, float("nan")], "not finite"),
        ([1.0, float("inf")], "not finite"),
    ],
)
def test_what_is_no_embedding_is_told(values: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        unit(values)


def test_the_text_begins_with_what_was_embedded() -> None:
    assert pack("prompt", unit([1.0, 0.0])) == "prompt:ADwAAA=="
