"""Near duplicates in meaning, by embeddings: the first one in the input's order stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from gristmill.filters._against import rows_in
from gristmill.filters._meaning import ByMeaning, embedder, look, packed_of
from gristmill.parts import Options
from gristmill.records import Drop, Prompt, Sample, response_id
from gristmill.similarity.vectors import VectorIndex

ADVICE = "add `embedding: {{model: ..., of: {of}}}` to `judges`"


class SemanticDuplicates(ByMeaning):
    """Drops what means nearly the same as something earlier, or as a row of given files. Reason:
    `semantic_duplicates`; the evidence names that row and the cosine of the two embeddings.

    The embeddings are made by the judge `embedding`, whose `of` must be the same as here; of
    several such judges the first counts. It embeds the rows of `against` before the run begins;
    they are kept in the checkpoint. Every pair is compared, none is missed. A vector of 384
    numbers takes 2 kB of memory, twice while a run is being decided. What is dropped is not
    compared with; what a later filter drops is, so put this one last, behind `near_duplicates`,
    which finds for less what shares its words.
    """

    of: Literal["response", "prompt", "row"] = "response"
    """What must be new: `response` and `prompt` are these alone, `row` is both together."""
    threshold: float = Field(default=0.9, gt=0, le=1)
    """Least cosine of a duplicate. 0.9 is cautious for most models: with all-MiniLM-L6-v2, of 1,200
    questions of GSM8K two pairs are that close, each one story with another unknown (embeddings
    hardly see what changes in a number); at 0.8 it is 18, among them stories that are only alike.
    Models differ, so look at the evidence: another threshold costs no call."""

    @property
    def compared_with(self) -> str:
        return self.of

    def lacks(self, judges: Sequence[Options]) -> str:
        made = [of for judge in judges if (of := getattr(judge, "embeds", ""))]
        if self.of in made:
            return ""
        found = f"embeds the {self.of} (only {', '.join(made)})" if made else "embeds anything"
        return f"no judge {found}; {ADVICE.format(of=self.of)}"

    def embedder(self, judges: Sequence[Options]) -> Options | None:
        return embedder(judges, self.of) if self.against else None

    def rows(self) -> Iterator[tuple[str, str]]:
        return rows_in(self.against, self.column, self.of)

    @cached_property
    def _given(self) -> VectorIndex:
        return self._index(self.threshold)

    @cached_property
    def _seen(self) -> VectorIndex:
        return VectorIndex(self.threshold)

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        if self.of != "prompt":
            return self._look(sample, response_id(prompt.id, sample.index))
        return self.once(prompt, lambda: self._look(sample, prompt.id))

    def _look(self, sample: Sample, key: str) -> str | Drop:
        packed = packed_of(sample, self.of)
        if not packed:
            return Drop("semantic_duplicates:no_embedding", ADVICE.format(of=self.of))

        def find(vector: np.ndarray) -> tuple[str, float] | None:
            given = self._given.nearest(vector) if len(self._given) else None
            return given or self._seen.nearest_or_add(key, vector)

        found = look(packed, "semantic_duplicates", find)
        if found is None or isinstance(found, Drop):
            return found or ""
        return Drop("semantic_duplicates", f"of {found[0]}, cosine {found[1]:.2f}")
