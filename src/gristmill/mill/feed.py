"""What is still to do: the prompts in order, without those that the checkpoint has finished."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from gristmill.intake.cells import Refused
from gristmill.mill.config import Config
from gristmill.mill.examples import questions
from gristmill.mill.journal import Journal
from gristmill.mill.shard import Shard
from gristmill.mill.source import keyed_prompts
from gristmill.mill.tally import Tally
from gristmill.records import Graded, Prompt, Sample, facts_id

UNFINISHED = -1


@dataclass(frozen=True, slots=True)
class Work:
    """A prompt to do. `known` holds the samples that a crash or a failure left usable."""

    position: int
    key: int
    prompt: Prompt
    known: dict[int, Sample]


def items(
    config: Config, limit: int | None, unused: Counter[str] | None = None
) -> Iterator[tuple[Prompt, int] | Refused]:
    """All rows of the config's sources, prompts with their keys, the first `limit` of them."""
    shown = questions(chain.from_iterable(config.lineup().examples))
    found = keyed_prompts(config.sources, config.system, unused, shown, config.offered())
    return islice(found, limit)


class Feed:
    """Iterate over it for `Work`. `places[position]` is where a finished prompt's record lies.

    shard: whose prompts are looked at; by default all are.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        tally: Tally,
        limit: int | None,
        shard: Shard | None = None,
    ) -> None:
        self._shard = shard
        self._items = items(config, limit)
        self._journal = journal
        self._tally = tally
        self._next: Work | None = None
        self._unseen = len(journal.finished)
        self._facts = config.facts
        self._lineup = config.lineup()
        self.places: array[int] = array("q")

    def __iter__(self) -> Iterator[Work]:
        return self

    def __next__(self) -> Work:
        if not self.skip_finished():
            raise StopIteration
        work, self._next = self._next, None
        assert work is not None
        return work

    def skip_finished(self) -> bool:
        """Count what is finished up to the next prompt to do; False if there is none."""
        if self._next is None:
            self._next = self._advance()
        return self._next is not None

    def note_finished(self) -> None:
        """Note all that earlier runs finished, where this one stopped before it came to it."""
        while self._unseen and self._advance() is not None:
            pass

    def _advance(self) -> Work | None:
        for item in self._items:
            position = len(self.places)
            self.places.append(UNFINISHED)
            self._tally.read += 1
            if isinstance(item, Refused):
                self._tally.bad_input += 1
                continue
            prompt, key = item
            if self._shard is not None and not self._shard.has(key):
                continue
            place = self._journal.finished.get(key)
            if place is not None:
                # One with failures stays in the data until it is done anew.
                self.places[position] = place
                self._unseen -= 1
                if key not in self._journal.failed:
                    samples, facts = self._journal.finished_at(place, key)
                    same = facts == facts_id(prompt, self._facts)
                    if same and self._lineup.whole(prompt, samples):
                        self._tally.add(Graded(position, prompt, samples))
                        continue
            return Work(position, key, prompt, self._journal.take_partial(key, place))
        return None

    def finish(self, work: Work, place: int) -> None:
        """Note where the record of a finished prompt lies."""
        self.places[work.position] = place
