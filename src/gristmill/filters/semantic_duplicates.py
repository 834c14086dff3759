"""Near duplicates in meaning, by embeddings: the first one in the input's order stays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from gristmill.filters.base import Filter
from gristmill.parts import Options
from gristmill.records import Drop, Prompt, Sample, response_id
from gristmill.similarity.vectors import VectorIndex, unpack

ADVICE = "add `embedding: {{model: ..., of: {of}}}` to `judges`"


class SemanticDuplicates(Filter):
    """Drops what means nearly the same as something earlier. Reason: `semantic_duplicates`; the
    evidence names the earlier one and the cosine of the two embeddings.

    The embeddings are made by the judge `embedding`, whose `of` must be the same as here; of
    several such judges the first counts. Every pair is compared, none is missed. A vector of 384
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

    def lacks(self, judges: Sequence[Options]) -> str:
        made = [of for judge in judges if (of := getattr(judge, "embeds", ""))]
        if self.of in made:
            return ""
        found = f"embeds the {self.of} (only {', '.join(made)})" if made else "embeds anything"
        return f"no judge {found}; {ADVICE.format(of=self.of)}"

    @cached_property
    def _seen(self) -> VectorIndex:
        return VectorIndex(self.threshold)

    @cached_property
    def _last(self) -> dict[Prompt, str | Drop]:
        """What was said of the last prompt, for its other samples: they are no duplicates of it."""
        return {}

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        if self.of != "prompt":
            return self._look(sample, response_id(prompt.id, sample.index))
        if prompt not in self._last:
            self._last.clear()
            self._last[prompt] = self._look(sample, prompt.id)
        return self._last[prompt]

    def _look(self, sample: Sample, key: str) -> str | Drop:
        vectors = (v.vector for v in sample.verdicts if v.vector.startswith(f"{self.of}:"))
        text = next(vectors, None)
        if text is None:
            return Drop("semantic_duplicates:no_embedding", ADVICE.format(of=self.of))
        try:
            found = self._seen.nearest_or_add(key, unpack(text))
        except ValueError as error:
            # The server has another model behind the same name by now.
            return Drop("semantic_duplicates:other_model", f"its embedding has {error}")
        return Drop("semantic_duplicates", f"of {found[0]}, cosine {found[1]:.2f}") if found else ""
