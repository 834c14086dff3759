"""What a job learns from and what it measures on, and the order of an epoch.

No prompt is on both sides, whoever answered it however often: responses to one prompt are alike,
and a model measured on a prompt that it has seen is measured on its memory.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b

from gristmill.errors import ConfigError, DataError
from gristmill.intake.cells import Refused
from gristmill.records import ATTRIBUTES
from gristmill.train.examples import Example, Rated, prompt_of
from gristmill.train.sources import TrainingSource, read

LARGEST_SHARE = 0.5


@dataclass(frozen=True)
class Counts:
    """What became of one source of the training data.

    rows: read. train, validation: its examples on either side. refused: how many for each reason.
    unused_columns: those that nothing used, and in how many rows.
    """

    file: str
    weight: float
    rows: int
    train: int
    validation: int
    refused: Mapping[str, int]
    unused_columns: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """Both sides, and what was left out.

    weights: how often each example of `train` is seen in an epoch.
    sources: what became of each source of the training data, in the order given.
    origins, held_origins: which of these each example of `train`, and of `validation`, is from;
    the latter empty where validation has sources of its own.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    weights: tuple[float, ...]
    refused: tuple[Refused, ...]
    sources: tuple[Counts, ...]
    origins: tuple[int, ...] = ()
    held_origins: tuple[int, ...] = ()

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Indices into `train`, those of one prompt together, prompts in order of appearance."""
        found: dict[str, list[int]] = {}
        for index, example in enumerate(self.train):
            found.setdefault(prompt_of(example), []).append(index)
        return tuple(tuple(group) for group in found.values())


@dataclass(frozen=True, slots=True)
class _Item:
    example: Example
    key: str
    origin: int


def gather(
    sources: Sequence[TrainingSource],
    wanted: tuple[type, ...],
    *,
    validation: float | Sequence[TrainingSource] = 0.05,
    seed: int = 0,
) -> Corpus:
    """Read the sources, put aside what cannot be used, and keep the two sides apart.

    validation: a share of the prompts, 0 to 0.5, chosen by a hash of prompt and seed, so that
    more data does not move a prompt to the other side; or sources of their own, whose prompts
    are taken out of the training data.
    Raises DataError where a source cannot be read or nothing is left to train on, ConfigError for
    another share.
    """
    refused: list[list[Refused]] = []
    items: list[_Item] = []
    rows: list[int] = []
    unused: list[Counter[str]] = []
    for origin, source in enumerate(sources):
        unused.append(Counter())
        found, put_aside, count = _read(source, wanted, unused[-1])
        items += (_Item(example, prompt_of(example), origin) for example in found)
        refused.append(put_aside)
        rows.append(count)
    if isinstance(validation, float | int):
        items = _distinct(items, refused)
        keys = _chosen((item.key for item in items), validation, seed)
        measured = [item for item in items if item.key in keys]
        train = [item for item in items if item.key not in keys]
        apart, others = tuple(item.example for item in measured), []
    else:
        measured = []
        apart, others = _apart(validation, wanted)
        train = _distinct(_unleaked(items, {prompt_of(e) for e in apart}, refused), refused)
    counts = tuple(
        replace(one, unused_columns=dict(columns.most_common()))
        for one, columns in zip(
            _counts(sources, rows, refused, train, measured), unused, strict=True
        )
    )
    if not train:
        left_out = sum((Counter(c.refused) for c in counts), Counter[str]())
        reasons = ", ".join(f"{n} {reason}" for reason, n in left_out.most_common())
        raise DataError(f"no example is left to train on ({reasons}); add data")
    return Corpus(
        train=tuple(item.example for item in train),
        validation=apart,
        weights=tuple(sources[item.origin].weight for item in train),
        refused=tuple(one for each in [*refused, others] for one in each),
        sources=counts,
        origins=tuple(item.origin for item in train),
        held_origins=tuple(item.origin for item in measured),
    )


def _read(
    source: TrainingSource, wanted: tuple[type, ...], unused: Counter[str] | None = None
) -> tuple[list[Example], list[Refused], int]:
    """(examples, refused rows, how many rows). unused: see `sources.read`."""
    found: list[Example] = []
    refused: list[Refused] = []
    rows, last = 0, ""
    for item in read(source, wanted, unused):
        # A row may give several examples, one behind the other.
        rows += item.where != last
        last = item.where
        if isinstance(item, Refused):
            refused.append(item)
        else:
            found.append(item)
    return found, refused, rows


def _apart(
    sources: Sequence[TrainingSource], wanted: tuple[type, ...]
) -> tuple[tuple[Example, ...], list[Refused]]:
    found: list[Example] = []
    refused: list[Refused] = []
    for source in sources:
        examples, put_aside, _ = _read(source, wanted)
        found += examples
        refused += put_aside
    return tuple(found), refused


def _distinct(items: Iterable[_Item], refused: list[list[Refused]]) -> list[_Item]:
    """Each example once, the first time; its repetitions are put aside."""
    seen: dict[Example, str] = {}
    kept = []
    for item in items:
        where, content = item.example.where, replace(item.example, where="")
        if content in seen:
            detail = f"the same as {seen[content]}"
            refused[item.origin].append(Refused(where, "duplicate", detail))
        else:
            seen[content] = where
            kept.append(item)
    return kept


def _unleaked(items: Iterable[_Item], keys: set[str], refused: list[list[Refused]]) -> list[_Item]:
    kept = []
    for item in items:
        if item.key in keys:
            detail = "its prompt is in the validation data"
            where = item.example.where
            refused[item.origin].append(Refused(where, "leaks_into_validation", detail))
        else:
            kept.append(item)
    return kept


def _chosen(keys: Iterable[str], share: float, seed: int) -> set[str]:
    """The prompts to measure on. Of two or more prompts, at least one is on either side."""
    if not 0 <= share <= LARGEST_SHARE:
        raise ConfigError(f"validation: {share:g} is no share from 0 to {LARGEST_SHARE:g}")
    places = {key: _place(key, seed) for key in dict.fromkeys(keys)}
    if not share or len(places) < 2:
        return set()
    chosen = {key for key, place in places.items() if place < share}
    if not chosen:
        return {min(places, key=places.__getitem__)}
    if len(chosen) == len(places):
        chosen.remove(max(places, key=places.__getitem__))
    return chosen


def _place(key: str, seed: int) -> float:
    digest = blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _counts(
    sources: Sequence[TrainingSource],
    rows: Sequence[int],
    refused: Sequence[Sequence[Refused]],
    train: Iterable[_Item],
    measured: Iterable[_Item],
) -> tuple[Counts, ...]:
    trained = Counter(item.origin for item in train)
    validated = Counter(item.origin for item in measured)
    return tuple(
        Counts(
            source.file,
            source.weight,
            rows[origin],
            trained[origin],
            validated[origin],
            Counter(one.reason for one in refused[origin]),
        )
        for origin, source in enumerate(sources)
    )


def epoch(corpus: Corpus, number: int, seed: int) -> list[int]:
    """Indices into `corpus.train` in the order of one epoch, the same for the same arguments.

    Prompts come in random order and all examples of one behind each other, for they share the
    computation of their beginning. A weight of 2 shows a prompt twice, once in each half of the
    epoch; 0.5 shows a random half of the prompts; 1.3 all once and a random 30 % once more.
    """
    rng = random.Random(f"gristmill.epoch:{seed}:{number}")
    times = _times(corpus, rng)
    placed: list[tuple[float, int, list[int]]] = []
    for number_of_group, group in enumerate(corpus.groups):
        counts = [times[corpus.weights[index]][number_of_group] for index in group]
        most = max(counts)
        for turn in range(most):
            members = [i for i, count in zip(group, counts, strict=True) if count > turn]
            # In its own share of the epoch, so that two turns of a prompt lie apart.
            placed.append(((turn + rng.random()) / most, number_of_group, members))
    placed.sort()
    return [index for _, _, members in placed for index in members]


def _times(corpus: Corpus, rng: random.Random) -> dict[float, dict[int, int]]:
    """For each weight: how often each group's examples of that weight are seen."""
    having: dict[float, dict[int, None]] = {}
    for number, group in enumerate(corpus.groups):
        for index in group:
            having.setdefault(corpus.weights[index], {})[number] = None
    times = {}
    for weight, numbers in having.items():
        whole = int(weight)
        exact = (weight - whole) * len(numbers)
        # The part of a group that is left over is drawn too, so that the mean is the weight.
        more = int(exact) + (rng.random() < exact - int(exact))
        extra = set(rng.sample(list(numbers), more))
        times[weight] = {n: whole + (n in extra) for n in numbers}
    return times


def constant_labels(examples: Iterable[Example]) -> dict[str, float]:
    """Attributes whose label is the same wherever it is given: nothing can be learned of them."""
    values: dict[str, set[float]] = {name: set() for name in ATTRIBUTES}
    for example in examples:
        if isinstance(example, Rated):
            for name, label in zip(ATTRIBUTES, example.labels, strict=True):
                if label is not None:
                    values[name].add(label)
    return {name: found.pop() for name, found in values.items() if len(found) == 1}
