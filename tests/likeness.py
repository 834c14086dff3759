"""Whether two texts are near duplicates, whichever of them comes first."""

from __future__ import annotations

from gristmill.similarity.minhash import MinHashIndex


def alike(one: str, other: str, size: int = 5) -> bool:
    """Whether either is a near duplicate of the other."""
    found = []
    for first, second in ((one, other), (other, one)):
        index = MinHashIndex(size=size)
        index.add("first", first)
        found.append(index.nearest(second) is not None)
    assert found[0] == found[1]
    return found[0]
