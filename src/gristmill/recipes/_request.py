"""What a recipe asks, and whether an item only says it again, as weak models do.

A model that does not follow "Write 2 problems of mathematics on ..." may write that very line as an
item, or the one behind it, with a word changed. Such an item is made of the template's own words.
What the template was given (a topic, a draft, a document) is no sign of one: an item may quote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gristmill.languages.scripts import SPACELESS
from gristmill.lists.words import PREFACE
from gristmill.recipes._replies import squeezed
from gristmill.recipes._templates import GIVEN, SHUT
from gristmill.records import Message
from gristmill.similarity.words import words

RUN = 4.0
"""Words in a row, as the request has them, that are its own words. "The cost of a ..." and its like
are common to any two texts."""

LETTER = 0.5
"""Of a word that a letter counts for in scripts without spaces between words."""

MOST = 0.75
"""Share of an item's words, those aside that it has from what the template was given, from which on
it says nothing of its own. What is changed in an echo is a number, a name, the first word."""

WHOLE = 0.5
"""Share of the request's own words that no item has which is not the request, however long what
else is in it."""

SHORT = 12
"""Words of a topic and its like, whose words alone say nothing of an item. Longer is a text."""

EDGE = int(RUN / LETTER / 2)
"""Words of what a template was given that are at most in one run with its own."""

_SPACELESS = re.compile(f"[{SPACELESS}]")
_DIGITS = re.compile(r"\d+")
_MARK = re.compile(r"\s*(?:[-*+•·・#>]+|\(?\w{1,3}[.)、])\s+")
_LEAD = re.compile(rf"(?:{PREFACE.pattern})[\s,.!，。！]{{0,4}}", PREFACE.flags)


@dataclass(frozen=True)
class Request:
    """A template that was filled in, to be asked.

    text: as the model gets it. mark: gives the same with what the template was given between marks
    (`Templates.marked`). after: the request before it in the conversation, which was answered by
    what was `said`.
    """

    text: str
    mark: Callable[[], str]
    after: Request | None = None
    said: str = ""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that ends with it."""
        before = (*self.after.messages, Message("assistant", self.said)) if self.after else ()
        return (*before, Message("user", self.text))

    def echoed(self, item: str) -> bool:
        """Whether an item only repeats what is asked, in nearly the same words."""
        if self.after is not None and self.after.echoed(item):
            return True
        if squeezed(item) in self._lines:
            return True
        lead = _LEAD.match(item)
        found = _words(item[lead.end() :] if lead else item)
        own = _covered(found, self._runs)
        said = sum(_weight(found[place]) for place in own)
        if said < RUN:
            return False
        given = _covered(found, self._given_runs)
        left = (
            _weight(word)
            for place, word in enumerate(found)
            if place not in own and place not in given and word not in self._short
        )
        return said >= WHOLE * self._size or said >= MOST * (said + sum(left))

    def gave(self, item: str) -> bool:
        """Whether an item is what the template was given, such as its topic, and nothing else."""
        within = self.after is not None and self.after.gave(item)
        return within or squeezed(item) in self._given

    @cached_property
    def _marked(self) -> str:
        return self.mark()

    @cached_property
    def _parts(self) -> list[tuple[str, bool]]:
        """The request in parts, and whether each was given."""
        own, *rest = self._marked.split(GIVEN)
        parts = [(own, False)]
        for part in rest:
            given, _, own = part.partition(SHUT)
            parts += [(given, True), (own, False)]
        return parts

    @cached_property
    def _lines(self) -> frozenset[str]:
        """Whole lines of the template itself, such as its examples, which may be a word long."""
        lines = (
            line for line in self._marked.split("\n") if GIVEN not in line and SHUT not in line
        )
        return frozenset(squeezed(_MARK.sub("", line, count=1)) for line in lines) - {""}

    @cached_property
    def _given(self) -> frozenset[str]:
        return frozenset(squeezed(part) for part, given in self._parts if given) - {""}

    @cached_property
    def _short(self) -> frozenset[str]:
        found = (_words(part) for part, given in self._parts if given)
        return frozenset(word for part in found if _size(part) <= SHORT for word in part)

    @cached_property
    def _given_runs(self) -> frozenset[tuple[str, ...]]:
        found = (_words(part) for part, given in self._parts if given)
        return frozenset(run for part in found for _, run in _runs(part))

    @cached_property
    def _size(self) -> float:
        return sum(_size(_words(part)) for part, given in self._parts if not given)

    @cached_property
    def _runs(self) -> frozenset[tuple[str, ...]]:
        """The runs of the request of which half or more is the template's own."""
        told: list[tuple[str, bool]] = []
        for part, given in self._parts:
            found = _words(part)
            if given and len(found) > 2 * EDGE:
                # What lies farther from the template's own words is in no such run.
                found = (*found[:EDGE], *("",) * 2 * EDGE, *found[-EDGE:])
            told += [(word, not given) for word in found]
        starts = _runs([word for word, _ in told])
        return frozenset(
            run
            for start, run in starts
            if 2 * sum(own for _, own in told[start : start + len(run)]) >= len(run)
        )


@lru_cache(maxsize=2048)
def _words(text: str) -> tuple[str, ...]:
    """The words, with one digit for all numbers: an echo may ask for more or fewer."""
    return tuple(words(_DIGITS.sub("0", text)))


def _weight(word: str) -> float:
    return LETTER if _SPACELESS.match(word) else 1.0


def _size(found: Sequence[str]) -> float:
    return sum(map(_weight, found))


def _runs(found: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each place, and the words from there on that are a run together."""
    weights = [_weight(word) for word in found]
    end, size = 0, 0.0
    for start in range(len(found)):
        while size < RUN and end < len(found):
            size += weights[end]
            end += 1
        if size < RUN:
            return
        yield start, tuple(found[start:end])
        size -= weights[start]


def _covered(found: Sequence[str], runs: frozenset[tuple[str, ...]]) -> set[int]:
    """The places of words that are in one of the runs."""
    return {
        place
        for start, run in _runs(found)
        if run in runs
        for place in range(start, start + len(run))
    }
