"""Sequences that have beginnings in common, as hypothesis draws them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

VOCABULARY = 128


@st.composite
def texts(draw: st.DrawFn, most: int = 7, longest: int = 60) -> list[np.ndarray]:
    """Up to `most` texts: fresh ones, single tokens, beginnings, continuations and repetitions of
    others, of few different tokens so that chance makes some alike too."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tokens = draw(st.sampled_from([2, 3, VOCABULARY]))

    def fresh(least: int = 1) -> np.ndarray:
        return rng.integers(0, tokens, draw(st.integers(least, longest))).astype(np.int32)

    found = [fresh()]
    for _ in range(draw(st.integers(0, most - 1))):
        other = found[draw(st.integers(0, len(found) - 1))]
        kind = draw(st.sampled_from(["fresh", "single", "beginning", "longer", "same", "fork"]))
        cut = draw(st.integers(1, len(other)))
        found.append(
            {
                "fresh": lambda: fresh(),
                "single": lambda: fresh()[:1],
                "beginning": lambda other=other, cut=cut: other[:cut],
                "longer": lambda other=other: np.concatenate([other, fresh()]),
                "same": lambda other=other: other.copy(),
                "fork": lambda other=other, cut=cut: np.concatenate([other[:cut], fresh()]),
            }[kind]()
        )
    return [found[i] for i in draw(st.permutations(range(len(found))))]


def trie_size(found: list[np.ndarray]) -> int:
    """Distinct beginnings: the nodes of the texts' trie."""
    return len({tuple(text[: n + 1].tolist()) for text in found for n in range(len(text))})


def shared_size(found: list[np.ndarray], least: int, done: int = 0) -> int:
    """Tokens laid out where beginnings are shared that go on for `least` tokens at once."""
    if len(found) == 1:
        return len(found[0]) - done
    common = 0
    for column in zip(*(text.tolist() for text in found), strict=False):
        if len(set(column)) > 1:
            break
        common += 1
    if common - done >= least:
        return common - done + shared_size(found, least, common)
    # Those that share enough from here on stay together.
    families: dict[object, list[np.ndarray]] = {}
    for number, text in enumerate(found):
        start = tuple(text[done : done + least].tolist())
        families.setdefault(start if len(start) == least else number, []).append(text)
    return sum(shared_size(family, least, done) for family in families.values())
