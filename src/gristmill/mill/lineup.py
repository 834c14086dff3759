"""The models of `generate`: who answers which prompt, and which of its responses are whose."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, chain, pairwise

from gristmill.backends.use import AROUND, PER_MESSAGE, tokens_in, tokens_of
from gristmill.intake.turns import Turns
from gristmill.mill.examples import read_examples
from gristmill.mill.generate import Generate
from gristmill.records import Graded, Message, Prompt, Sample, sample_seed

Placed = Sequence[tuple[str, Generate]]
"""The entries of `generate`, each with the key where it stands."""


class Lineup:
    """Responses to a prompt are numbered through the entries: those of the first come first. So a
    number says whose a response is, and an entry that is added behind the others moves none.

    entries: as `Config.entries` has them. owners: the entry of each number. groups: the entries
    that answer the same prompts, all together, or with weights each alone; shares: of the prompts,
    those of each group. most, least: responses that a prompt gets. apart: whether each entry has a
    system message of its own; plain: whether every model gets a prompt as it is.
    """

    def __init__(self, entries: Placed, seed: int) -> None:
        self._entries, self._seed = entries, seed
        self.each = [entry for _, entry in entries]
        self.owners = [k for k, entry in enumerate(self.each) for _ in range(entry.responses)]
        weights = [entry.weight for entry in self.each if entry.weight is not None]
        places = range(len(self.each))
        self.groups = [[k] for k in places] if weights else [[*places]]
        self._bounds = list(accumulate(weights)) or [1.0]
        self.shares = [weight / self._bounds[-1] for weight in weights or [1.0]]
        ends = accumulate(sum(self.each[k].responses for k in group) for group in self.groups)
        self._numbers = [range(a, b) for a, b in pairwise([0, *ends])]
        self.most, self.least = max(map(len, self._numbers)), min(map(len, self._numbers))
        systems = [entry.system for entry in self.each]
        self.apart = len(set(systems)) > 1
        self._systems = systems if self.apart else [None] * len(systems)
        self.plain = not self.apart and not any(entry.examples for entry in self.each)

    @property
    def names(self) -> list[str]:
        """What each entry is called: by its model, and where that is another's too by its key."""
        models = [entry.model for entry in self.each]
        return [
            entry.model if models.count(entry.model) == 1 else f"{entry.model} ({key})"
            for key, entry in self._entries
        ]

    def group(self, prompt: Prompt) -> int:
        """Which group answers a prompt: drawn by weight, from the seed and the prompt alone."""
        if len(self.groups) == 1:
            return 0
        drawn = sample_seed(self._seed, prompt.id, -1) / (1 << 31) * self._bounds[-1]
        return min(bisect(self._bounds, drawn), len(self.groups) - 1)

    def numbers(self, prompt: Prompt) -> range:
        """The numbers of a prompt's responses."""
        return self._numbers[self.group(prompt)]

    def whole(self, prompt: Prompt, samples: Sequence[Sample]) -> bool:
        """Whether a finished prompt has all its responses: an entry may have been added since."""
        return len(samples) >= self.most or len(samples) >= len(self.numbers(prompt))

    def shown(self, prompt: Prompt, number: int) -> Prompt:
        """The prompt as judges and data have it: where each entry has a system message of its own,
        behind that of this response's."""
        system = self._systems[self.owners[number]] if self.apart else None
        if system is None or prompt.messages[0].role == "system":
            return prompt
        return replace(prompt, messages=(Message("system", system), *prompt.messages))

    def shown_in(self, graded: Graded, number: int) -> Graded:
        """The same of a finished prompt."""
        if not self.apart:
            return graded
        return replace(graded, prompt=self.shown(graded.prompt, number))

    def asked(self, prompt: Prompt, number: int) -> Prompt:
        """The prompt as the model of this response gets it: with its examples, too."""
        prompt = self.shown(prompt, number)
        if not (before := self._before[self.owners[number]]):
            return prompt
        first = int(prompt.messages[0].role == "system")
        turns = (*prompt.messages[:first], *before, *prompt.messages[first:])
        return replace(prompt, messages=turns)

    @cached_property
    def examples(self) -> list[list[Turns]]:
        """The examples of each entry. Raises DataError where they cannot be read."""
        return [read_examples(one.examples, f"{key}.examples") for key, one in self._entries]

    def beside(self, entry: int) -> tuple[int, int]:
        """The tokens, at most, that an entry adds to a prompt: of its own system message, which
        judges read, too, and of its examples."""
        system = self._systems[entry]
        said = PER_MESSAGE + tokens_in(system) if system is not None else 0
        return said, tokens_of(self._before[entry]) - AROUND

    @cached_property
    def _before(self) -> list[Turns]:
        return [tuple(chain.from_iterable(examples)) for examples in self.examples]


def common(systems: Iterable[str | None]) -> str | None:
    """The system message of all entries, which is then the prompts'; None where they differ."""
    found = set(systems)
    return found.pop() if len(found) == 1 else None
