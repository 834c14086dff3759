"""What is still to do: the prompts in order, without those that the checkpoint has finished."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gristmill.mill.config import Config
from gristmill.mill.journal import Journal
from gristmill.mill.source import BadLine, prompt_key, read_prompts
from gristmill.mill.tally import Tally
from gristmill.records import Graded, Prompt, Sample

UNFINISHED = -1


@dataclass(frozen=True, slots=True)
class Work:
    """A prompt to do. `known` holds the samples that a crash or a failure left usable."""

    position: int
    key: int
    prompt: Prompt
    known: dict[int, Sample]


def items(config: Config, limit: int | None) -> Iterator[Prompt | BadLine]:
    """All lines of the config's prompt files, the first `limit` of them."""
    files = [source.file for source in config.prompts]
    return islice(read_prompts(files, config.generate.system), limit)


class Feed:
    """Iterate over it for `Work`. `offsets[position]` is where a finished prompt's record lies."""

    def __init__(self, config: Config, journal: Journal, tally: Tally, limit: int | None) -> None:
        self._items = items(config, limit)
        self._journal = journal
        self._tally = tally
        self._responses = config.generate.responses
        self.offsets: array[int] = array("q")
        self.exhausted = False

    def __iter__(self) -> Iterator[Work]:
        return self

    def __next__(self) -> Work:
        for item in self._items:
            position = len(self.offsets)
            self.offsets.append(UNFINISHED)
            self._tally.read += 1
            if isinstance(item, BadLine):
                self._tally.bad_input += 1
                continue
            key = prompt_key(item)
            offset = self._journal.finished.get(key)
            if offset is not None and key not in self._journal.failed:
                self.offsets[position] = offset
                self._tally.add(Graded(position, item, self._journal.samples(offset)))
                continue
            return Work(position, key, item, self._journal.take_partial(key, offset))
        self.exhausted = True
        raise StopIteration

    def finish(self, work: Work, offset: int) -> None:
        """Note where the record of a finished prompt lies."""
        self.offsets[work.position] = offset
