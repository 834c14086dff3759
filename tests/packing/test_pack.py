"""Where the tokens of a pack lie: every sequence whole, in order, and nothing laid out twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forests import shared_size, texts, trie_size
from gristmill.packing import Pack, Sequence, pack, packed_length


def whole(found: list[np.ndarray]) -> list[Sequence]:
    return [Sequence(text, np.arange(len(text))) for text in found]


def segments(packed: Pack) -> list[tuple[int, list[int]]]:
    """(length, ancestors) of each segment."""
    rows = packed.layout[0, 0].tolist()
    return [(length, [i for i in path if i >= 0]) for length, *path in rows]


@given(texts(), st.sampled_from([1, 2, 5, 16, None]))
def test_each_sequence_is_its_path(found: list[np.ndarray], least: int | None) -> None:
    packed = pack(whole(found), least)
    assert len(packed.rows) == len(packed.owners) == sum(map(len, found))
    spans = segments(packed)
    starts = np.cumsum([0, *(length for length, _ in spans)])
    assert starts[-1] == packed.tokens == len(packed.positions)
    segment_of = np.repeat(np.arange(len(spans)), [length for length, _ in spans])
    for owner, text in enumerate(found):
        rows = packed.rows[packed.owners == owner].numpy()
        assert packed.ids[rows].tolist() == text.tolist()
        assert packed.positions[rows].tolist() == list(range(len(text)))
        # What the last token looks at is exactly the sequence's own rows.
        last = segment_of[rows[-1]]
        path = [*spans[last][1], last]
        seen = np.concatenate([np.arange(starts[s], starts[s + 1]) for s in path])
        assert [r for r in seen if r <= rows[-1]] == rows.tolist()


@given(texts())
def test_the_tokens_are_those_of_the_trie(found: list[np.ndarray]) -> None:
    assert pack(whole(found), 1).tokens == packed_length(found, 1) == trie_size(found)


@given(texts(), st.sampled_from([2, 5, 16]))
def test_short_beginnings_are_repeated(found: list[np.ndarray], least: int) -> None:
    tokens = pack(whole(found), least).tokens
    assert tokens == packed_length(found, least) == shared_size(found, least)
    assert trie_size(found) <= tokens <= sum(map(len, found))


@given(texts())
def test_nothing_is_shared_unless_asked(found: list[np.ndarray]) -> None:
    packed = pack(whole(found), None)
    assert packed.tokens == sum(map(len, found))
    assert all(not path for _, path in segments(packed))


@given(texts(), st.data())
def test_reads_are_the_callers_in_order(found: list[np.ndarray], data: st.DataObject) -> None:
    sequences = []
    for text in found:
        chosen = data.draw(st.sets(st.integers(0, len(text) - 1)))
        sequences.append(Sequence(text, np.array(sorted(chosen), dtype=np.int64)))
    packed = pack(sequences)
    wanted = np.concatenate([s.ids[s.reads] for s in sequences])
    owners = [i for i, s in enumerate(sequences) for _ in s.reads]
    assert packed.ids[packed.rows].tolist() == wanted.tolist()
    assert packed.positions[packed.rows].tolist() == [r for s in sequences for r in s.reads]
    assert packed.owners.tolist() == owners


def test_a_long_chain_of_continuations() -> None:
    text = np.arange(16 * 200, dtype=np.int32)
    chain = [text[: 16 * n] for n in range(1, 201)]
    assert pack(whole(chain)).tokens == packed_length(chain) == len(text)


@pytest.mark.parametrize("found", [[], [[]], [[1, 2], []]])
def test_nothing_to_compute_is_refused(found: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="has no tokens"):
        pack(whole([np.array(text, dtype=np.int32) for text in found]))


def test_moving_leaves_the_layout_where_it_is_read() -> None:
    packed = pack(whole([np.arange(40, dtype=np.int32)]))
    moved = packed.to(torch.device("meta"))
    assert moved.layout is packed.layout
    assert moved.ids.device.type == moved.rows.device.type == "meta"
