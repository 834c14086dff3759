"""No test questions in the training data: what overlaps with a benchmark is dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

from pydantic import Field

from gristmill.backends.calling import Calling
from gristmill.filters._against import rows_in
from gristmill.filters._meaning import ByMeaning, embedder, look, packed_of
from gristmill.filters._texts import shown, texts_of
from gristmill.page.text import plural
from gristmill.parts import Options
from gristmill.records import Drop, Prompt, Sample
from gristmill.similarity.overlap import Overlap, Overlaps
from gristmill.similarity.vectors import VectorIndex


class Meaning(Calling):
    """How paraphrases are found: the model that embeds, called as any other, and how near is too
    near. It becomes a judge `embedding` of the run."""

    of: Literal["prompt", "response"] = "prompt"
    """What is compared with a benchmark's questions: the prompt as a whole, or the response, where
    that holds questions."""
    threshold: float = Field(default=0.75, gt=0, le=1)
    """Least cosine of a paraphrase. Measured with all-MiniLM-L6-v2: of 147 paraphrased solutions of
    HumanEval 67 % are found at 0.75, 42 % at 0.8, 82 % at 0.7; of 974 tasks of MBPP 0.8 %, 0.3 %
    and 3.5 % are taken for one of HumanEval's, some of them rightly. Where data and benchmark tell
    the same kind of story, 0.8 is safer: of GSM8K's own training questions 4 % are that near to one
    of its test at 0.75, and 0.3 % at 0.8. Another threshold costs no call."""
    prefix: str = ""
    """Put before every text, for models that were trained with one: `"query: "` for E5."""

    def judge(self) -> dict[str, Any]:
        """The options of the judge that makes these embeddings."""
        given = self.model_dump(exclude_unset=True, exclude={"threshold"})
        return {**given, "of": self.of}


class Decontamination(ByMeaning):
    """Drops what shares a run of words with an item of a benchmark, and with `meaning` what says
    the same in other words. Reason: `decontamination:prompt`, `decontamination:response` or
    `decontamination:meaning`; the evidence names the item.

    Compared are letters and digits alone, case and width of characters aside; a letter of a script
    without spaces is a word. An item shorter than `words` must be there as a whole, and one of
    fewer than 8 words must be the whole message. A paraphrase is found by `meaning` alone.
    """

    bars: ClassVar = True

    against: tuple[str, ...] = Field(min_length=1)
    """The benchmarks: JSONL, JSON, Parquet or CSV files, relative paths from the config's folder.
    Of each row the question is taken (see `column`)."""
    words: int = Field(default=13, ge=3, le=100)
    """Words in a run that counts. 13 is what GPT-3 and most since took (Brown et al. 2020, appendix
    C); 8 finds more, and phrases that everybody writes among it."""
    share: float = Field(default=0.0, ge=0, le=1)
    """Least share of an item's runs that a text must have; 0: any one is enough. Something like
    0.5 where items begin with the same instruction, or quote a passage that others quote too."""
    substring: int | None = Field(default=100, ge=20)
    """Characters, of letters and digits alone, in a common substring that counts too, and finds
    what was cut into other words. 100 are about 20 words. GPT-4's were 50 (OpenAI 2023, appendix
    C), which is less than most runs of 13 words. Null looks for none."""
    of: Literal["prompt", "response", "both"] = "both"
    """Where to look: in each message of the prompt but the system's, in the response, or both."""

    meaning: Meaning | None = None
    """Finds paraphrases, by embeddings: `{model: "http://localhost:8000/v1#my-embedder"}`. The
    items are embedded before the run begins, and kept in its checkpoint."""

    def brings(self) -> Mapping[str, Any]:
        return {"embedding": self.meaning.judge()} if self.meaning else {}

    def lacks(self, judges: Sequence[Options]) -> str:
        if (made := self.embedder(judges)) is None or self.meaning is None:
            return ""
        if (other := getattr(made, "prefix", "")) == self.meaning.prefix:
            return ""
        return (
            f"the judge 'embedding' of the same model has the prefix '{other}'; give one for both"
        )

    def embedder(self, judges: Sequence[Options]) -> Options | None:
        return embedder(judges, self.meaning.of, self.meaning.model) if self.meaning else None

    def rows(self) -> Iterator[tuple[str, str]]:
        return rows_in(self.against, self.column, "prompt")

    @cached_property
    def _given(self) -> VectorIndex:
        assert self.meaning is not None
        return self._index(self.meaning.threshold)

    @cached_property
    def _known(self) -> tuple[Overlaps, list[str]]:
        return _index(self.state(), self.column, self.words, self.substring)

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        said: str | Drop = ""
        if self.of != "response":
            said = self.once(prompt, lambda: self._look("prompt", prompt, sample))
        if self.of != "prompt":
            said = said or self._look("response", prompt, sample)
        return said or (self._nearest(sample, self.meaning) if self.meaning else "")

    def _nearest(self, sample: Sample, meaning: Meaning) -> str | Drop:
        packed = packed_of(sample, meaning.of, meaning.model)
        if not packed:
            return Drop("decontamination:no_embedding", f"nothing embedded its {meaning.of}")
        if not len(self._given):
            return ""
        found = look(packed, "decontamination", self._given.nearest)
        if found is None or isinstance(found, Drop):
            return found or ""
        return Drop("decontamination:meaning", f"{found[0]}, cosine {found[1]:.2f}")

    def _look(self, of: str, prompt: Prompt, sample: Sample) -> str | Drop:
        overlaps, places = self._known
        for place, text in texts_of(of, prompt, sample):
            if found := overlaps.find(text, self.share):
                return Drop(f"decontamination:{place}", _evidence(found, places[found.item]))
        return ""


def _evidence(found: Overlap, place: str) -> str:
    length = plural(found.words, "word")
    return f'{place}, {found.share:.0%} of it: "{shown(found.text)}" ({length})'


# An index costs seconds, and each pass builds its filters anew.
@lru_cache(maxsize=2)
def _index(
    state: tuple[tuple[str, int, int], ...], column: str | None, size: int, substring: int | None
) -> tuple[Overlaps, list[str]]:
    rows = list(rows_in((path for path, *_ in state), column, "prompt"))
    return Overlaps((text for _, text in rows), size, substring), [where for where, _ in rows]
