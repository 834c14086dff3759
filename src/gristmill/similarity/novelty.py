"""Is a text new among those before it?"""

from __future__ import annotations

from typing import Literal

from gristmill.similarity.minhash import MinHashIndex
from gristmill.similarity.rouge import NoveltyIndex


class Novelty:
    """Texts that were seen, and which of them a new one is too much like.

    threshold: likeness at which a text is no longer new, above 0 to 1. method: `rouge` is ROUGE-L
    over words, exact and fit for some ten thousand texts; `minhash` is the Jaccard similarity of
    runs of three words, estimated, for any number; at the same threshold it calls more texts new.
    """

    def __init__(
        self, threshold: float = 0.7, method: Literal["rouge", "minhash"] = "rouge"
    ) -> None:
        self.threshold, self.method = threshold, method
        # Prompts are short: a change of one word in ten costs five of six shingles of five words.
        self._index = (
            NoveltyIndex(threshold) if method == "rouge" else MinHashIndex(threshold, size=3)
        )

    def __len__(self) -> int:
        return len(self._index)

    def seen(self, text: str) -> tuple[str, float] | None:
        """The most similar text before at or above the threshold, and how alike they are; or
        None."""
        return self._index.nearest(text)

    def add(self, text: str) -> None:
        """Remember a text."""
        if isinstance(self._index, NoveltyIndex):
            self._index.add(text)
        else:
            self._index.add(text, text)
