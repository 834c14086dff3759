"""What every filter is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from gristmill.parts import Options
from gristmill.records import Drop, Prompt, Sample

if TYPE_CHECKING:
    import numpy as np


class Filter(Options):
    """A validated config with one method. To add one, override `reason`.

    The class of `filters/my_filter.py` is called `MyFilter`; the config names it `my_filter`.
    A filter may remember what it has seen: it is built anew for each pass over the data, and
    sees the samples in the order of the input, whatever order they were finished in.
    """

    bars: ClassVar[bool] = False
    """Whether what it drops goes into `rejected` alone: not into `scored`, and not into
    `preference` as the worse answer, as what is merely not good enough does. Such a filter is asked
    about every response, those that another has dropped among them, and so must not remember what
    it saw."""

    def located(self, folder: Path) -> Self:
        """The filter with its files' relative paths starting from a folder, the config's."""
        return self

    def lacks(self, judges: Sequence[Options]) -> str:
        """What this filter needs of the run's judges and does not find among them, and what to do;
        empty where nothing is missing."""
        return ""

    def brings(self) -> Mapping[str, Any]:
        """A judge that this filter needs and brings along, as `judges` would name it; empty where
        it needs none. One that the run has already is not added."""
        return {}

    def embedder(self, judges: Sequence[Options]) -> Options | None:
        """Of the run's judges the one whose embeddings are compared with those of `rows`; None
        where there are no rows."""
        return None

    def rows(self) -> Iterator[tuple[str, str]]:
        """`file:line` and text of each row of files that is to be embedded before the run begins.
        Raises DataError."""
        return iter(())

    def told(self, vector: Callable[[str], np.ndarray]) -> None:
        """Told once, before anything is decided, how to look up the embedding of a row's text."""

    def check(self) -> None:
        """See that what it needs is installed, before anything is spent. Raises MissingExtra."""

    @property
    def needs_survey(self) -> bool:
        """True if the filter must see every sample (`survey`) before it can decide on one."""
        return False

    def survey(self, prompt: Prompt, sample: Sample) -> None:
        """Look at one sample before any decision. Called only if `needs_survey`."""

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        """Empty to keep; else why not, a few stable words: `threshold:correctness`, or these and
        the evidence as a `Drop`.

        Called with samples that have a response and all their verdicts.
        """
        raise NotImplementedError

    def change(self, prompt: Prompt, sample: Sample) -> str | None:
        """What the response is to read instead, for a filter that masks; None leaves it.

        Called with samples that this filter keeps; one that bars, also with what another dropped.
        """
        return None
