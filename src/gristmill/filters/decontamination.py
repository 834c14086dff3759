"""No test questions in the training data: what overlaps with a benchmark is dropped."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Literal

from pydantic import Field

from gristmill.filters._against import Against, texts_in
from gristmill.filters._texts import shown, texts_of
from gristmill.records import Drop, Prompt, Sample
from gristmill.similarity.overlap import Overlap, Overlaps


class Decontamination(Against):
    """Drops what shares a run of words with an item of a benchmark. Reason:
    `decontamination:prompt` or `decontamination:response`; the evidence names the item.

    Compared are letters and digits alone, case and width of characters aside; a letter of a script
    without spaces is a word. An item shorter than `words` must be there as a whole, and one of
    fewer than 8 words must be the whole message. A paraphrase is not found.
    """

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

    @cached_property
    def _known(self) -> tuple[Overlaps, list[str]]:
        return _index(self.state(), self.column, self.words, self.substring)

    @cached_property
    def _last(self) -> dict[Prompt, str | Drop]:
        """What was said of the last prompt, for its other samples."""
        return {}

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        if self.of != "response":
            if prompt not in self._last:
                self._last.clear()
                self._last[prompt] = self._look("prompt", prompt, sample)
            if said := self._last[prompt]:
                return said
        return "" if self.of == "prompt" else self._look("response", prompt, sample)

    def _look(self, of: str, prompt: Prompt, sample: Sample) -> str | Drop:
        overlaps, places = self._known
        for place, text in texts_of(of, prompt, sample):
            if found := overlaps.find(text, self.share):
                return Drop(f"decontamination:{place}", _evidence(found, places[found.item]))
        return ""


def _evidence(found: Overlap, place: str) -> str:
    length = f"{found.words} word" + "s" * (found.words != 1)
    return f'{place}, {found.share:.0%} of it: "{shown(found.text)}" ({length})'


# An index costs seconds, and each pass builds its filters anew.
@lru_cache(maxsize=2)
def _index(
    state: tuple[tuple[str, int, int], ...], column: str | None, size: int, substring: int | None
) -> tuple[Overlaps, list[str]]:
    rows = [row for path, *_ in state for row in texts_in(path, column, "user")]
    return Overlaps((text for _, text in rows), size, substring), [where for where, _ in rows]
