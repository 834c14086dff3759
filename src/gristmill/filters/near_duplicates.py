"""Near duplicates: the first one in the input's order stays."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Literal

from pydantic import Field

from gristmill.filters._against import Against, rows_in
from gristmill.filters._texts import calls_of, texts_of
from gristmill.records import Drop, Prompt, Sample, response_id
from gristmill.similarity.minhash import MinHashIndex


class NearDuplicates(Against):
    """Drops what is nearly the same as an earlier row, or as a row of given files. Reason:
    `near_duplicates`; the evidence names that row and how similar it is.

    Similarity is the share of runs of words that two texts have in common (Jaccard), estimated by
    MinHash with a standard error of 0.035 at the default. However similar, texts are none where one
    of them may be wrong: code and formulas that differ in an operator, a number, a bracket or
    Python's indentation; and two short texts, of up to 100 words each (200 letters in scripts
    without spaces), that differ in a number or its sign, in an operator, in C, C++ or C#, or in how
    often they say no. In longer prose such a place is one word of many; but where formulas or sums
    are, the numbers beside them count at any length.

    A text takes about 2 kB of memory, a short one with its own length more. What is dropped is not
    compared with; what a later filter drops is, so put this one last.
    """

    of: Literal["response", "prompt", "row"] = "response"
    """What must be new: `response` and `prompt` are these alone, `row` is both together (where a
    long prompt makes all its responses alike)."""
    threshold: float = Field(default=0.8, gt=0, le=1)
    """Least similarity of a near duplicate. At 0.8 a long text with one word in 50 changed is one,
    and with two in 50 it is not."""
    words: int = Field(default=5, ge=1, le=50)
    """Words in a run; in scripts without spaces a letter is a word. Fewer call more texts similar;
    a text with fewer words is one run."""
    permutations: int = Field(default=128, ge=16, le=1024, multiple_of=8)
    """Values in a sketch: more estimate better, at 4 bytes each a text."""
    seed: int = Field(default=0, ge=0, lt=1 << 64)
    """Of the sketches: another seed decides otherwise on pairs close to the threshold."""

    @property
    def compared_with(self) -> str:
        return self.of

    def check(self) -> None:
        super().check()
        self._empty()

    @cached_property
    def _seen(self) -> MinHashIndex:
        return self._empty()

    def _empty(self) -> MinHashIndex:
        return MinHashIndex(self.threshold, self.words, self.permutations, self.seed)

    @cached_property
    def _given(self) -> MinHashIndex | None:
        if not self.against:
            return None
        like = (self.threshold, self.words, self.permutations, self.seed)
        return _index(self.state(), self.column, self.of, like)

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        if self.of != "prompt":
            return self._look(prompt, sample, response_id(prompt.id, sample.index))
        return self.once(prompt, lambda: self._look(prompt, sample, prompt.id))

    def _look(self, prompt: Prompt, sample: Sample, key: str) -> str | Drop:
        which = "both" if self.of == "row" else self.of
        texts = [text for _, text in texts_of(which, prompt, sample)]
        if which != "prompt" and (calls := calls_of(sample)):
            texts.append(calls)
        text = "\n".join(texts)
        found = self._given.nearest(text) if self._given is not None else None
        found = found or self._seen.nearest_or_add(key, text)
        if not found:
            return ""
        return Drop("near_duplicates", f"of {found[0]}, similarity {found[1]:.2f}")


# Each pass builds its filters anew; the files are the same.
@lru_cache(maxsize=2)
def _index(
    state: tuple[tuple[str, int, int], ...],
    column: str | None,
    of: str,
    like: tuple[float, int, int, int],
) -> MinHashIndex:
    index = MinHashIndex(*like)
    for where, text in rows_in((path for path, *_ in state), column, of):
        # Equal texts of a corpus would be candidates of each other for ever.
        index.nearest_or_add(where, text)
    return index
