"""Sets and mappings of 64-bit numbers, beside Python's own."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from gristmill.keys import Keys, Places

# Few that differ only in their low bits, so that many fall to the same slots; and all there are.
numbers = (
    st.integers(0, 40) | st.integers(0, 2**64 - 1) | st.integers(0, 20).map(lambda n: 2**64 - 1 - n)
)


@given(st.lists(numbers, max_size=300))
def test_a_set(keys: list[int]) -> None:
    ours, theirs = Keys(), set()
    for key in keys:
        assert (key in ours) == (key in theirs)
        assert ours.add(key) == (key not in theirs)
        theirs.add(key)
        assert key in ours
    assert len(ours) == len(theirs)


@given(st.lists(st.tuples(numbers, st.integers(0, 2**63 - 1)), max_size=300))
def test_a_mapping(pairs: list[tuple[int, int]]) -> None:
    ours, firsts = Places(), Places()
    theirs: dict[int, int] = {}
    for key, value in pairs:
        ours[key] = value
        assert ours.first(key, value ^ 1) == value
        other = theirs.setdefault(key ^ 2, value)
        assert firsts.first(key ^ 2, value) == other
    assert firsts == theirs
    theirs = dict(pairs)
    assert ours == theirs
    for key, _ in pairs:
        other = key ^ 1
        assert (other in ours, ours.get(other)) == (other in theirs, theirs.get(other))


def test_many_of_them() -> None:
    """Grown several times, and a fifth of what Python's take."""
    keys, places = Keys(), Places()
    numbers = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(20_000)]
    for place, number in enumerate(numbers):
        assert keys.add(number)
        places[number] = place
    assert len(keys) == len(places) == 20_000
    assert all(number in keys and places[number] == n for n, number in enumerate(numbers))
    assert not any(number + 1 in keys or number + 1 in places for number in numbers)
    each = sys.getsizeof(keys._keys) / 20_000
    assert each < 27
