"""The data of a run: sources read, examples encoded, and what each phase learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gristmill.errors import DataError
from gristmill.intake.cells import Refused
from gristmill.train.config import DpoConfig, PretrainConfig, RewardConfig, RpoConfig, TrainConfig
from gristmill.train.corpus import Corpus, Counts, gather
from gristmill.train.encode import Encoder, Item
from gristmill.train.examples import Compared, Conversation, Document, Example, Rated

Placed = list[tuple[int, Refused]]
"""Rows put aside, each with its place among the examples."""


@dataclass(frozen=True)
class Data:
    """Encoded examples. `items` lie at the places of `corpus.train`; `held` are only measured."""

    corpus: Corpus
    items: list[Item]
    held: list[Item]
    refused: tuple[Refused, ...]


def wanted(config: TrainConfig) -> tuple[type, ...]:
    """The kinds of example that a kind of training learns from."""
    if isinstance(config, RewardConfig):
        kinds = {"regression": (Rated,), "bradley_terry": (Compared,), "both": (Rated, Compared)}
        return kinds[config.loss]
    if isinstance(config, DpoConfig | RpoConfig):
        return (Compared,)
    return (Document,) if isinstance(config, PretrainConfig) else (Conversation,)


def encoded(config: TrainConfig, encoder: Encoder) -> Data:
    """Read the sources and encode their examples. Raises DataError where nothing is left."""
    corpus = gather(config.data, wanted(config), validation=config.validation, seed=config.seed)
    items, places, refused = _encoded(corpus.train, config, encoder)
    held, _, held_refused = _encoded(corpus.validation, config, encoder)
    put_aside = (*corpus.refused, *(row for _, row in (*refused, *held_refused)))
    if not items:
        reasons = Counter(row.reason for row in put_aside)
        said = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "no rows"
        first = next(iter((*(row for _, row in refused), *put_aside)), None)
        example = f"; the first: {first.where}: {first.detail}" if first else ""
        raise DataError(f"data: nothing to train on ({said}){example}")
    sources = _recounted(corpus, refused, held_refused)
    corpus = replace(_at(corpus, places), refused=put_aside, sources=sources)
    return Data(corpus, items, held, put_aside)


def _encoded(
    examples: Sequence[Example], config: TrainConfig, encoder: Encoder
) -> tuple[list[Item], list[int], Placed]:
    """(items, the place of each one's example, what cannot be learned from)."""
    items: list[Item] = []
    places: list[int] = []
    refused: Placed = []
    for place, found in enumerate(encoder.encode(examples)):
        found = _unscored(examples[place], config) or found
        if isinstance(found, Refused):
            refused.append((place, found))
        else:
            items += found
            places += [place] * len(found)
    return items, places, refused


def _unscored(example: Example, config: TrainConfig) -> Refused | None:
    """RPO learns from a reward model's gap: pairs without scores are put aside."""
    if not isinstance(config, RpoConfig):
        return None
    assert isinstance(example, Compared)
    if None not in (example.chosen_score, example.rejected_score):
        return None
    detail = "rpo needs chosen_score and rejected_score; score the data, or use dpo"
    return Refused(example.where, "no_score", detail)


def _recounted(corpus: Corpus, refused: Placed, held: Placed) -> tuple[Counts, ...]:
    """What became of each source, now that some examples could not be encoded."""
    train = [(corpus.origins[place], row.reason) for place, row in refused]
    # Sources of their own for the validation are not counted.
    apart = [(corpus.held_origins[at], row.reason) for at, row in held if corpus.held_origins]
    return tuple(
        replace(
            counts,
            train=counts.train - sum(origin == number for origin, _ in train),
            validation=counts.validation - sum(origin == number for origin, _ in apart),
            refused=Counter(counts.refused)
            + Counter(reason for origin, reason in (*train, *apart) if origin == number),
        )
        for number, counts in enumerate(corpus.sources)
    )


def unused_columns(data: Data) -> dict[str, int]:
    """Columns of the training data that nothing used, and in how many rows, most first."""
    found = sum((Counter(source.unused_columns) for source in data.corpus.sources), Counter[str]())
    return dict(found.most_common())


def _at(corpus: Corpus, places: Sequence[int]) -> Corpus:
    """The corpus with these of its training examples."""
    return replace(
        corpus,
        train=tuple(corpus.train[i] for i in places),
        weights=tuple(corpus.weights[i] for i in places),
        origins=tuple(corpus.origins[i] for i in places),
    )


def stretches(config: TrainConfig, data: Data) -> tuple[tuple[Data, int | None], ...]:
    """What is learned from in turn, and for how many steps where a phase says so."""
    if not isinstance(config, PretrainConfig) or not config.phases:
        return ((data, None),)
    mixes: dict[Any, Data] = {}
    found = []
    for number, phase in enumerate(config.phases):
        key = None if phase.weights is None else tuple(phase.weights)
        if key not in mixes:
            mixes[key] = data if key is None else _mixed(data, key, f"phases[{number}]")
        found.append((mixes[key], phase.steps))
    return tuple(found)


def _mixed(data: Data, weights: Sequence[float], where: str) -> Data:
    """The same data with other weights of its sources; 0 leaves one out."""
    origins = data.corpus.origins
    places = [i for i, origin in enumerate(origins) if weights[origin] > 0]
    if not places:
        raise DataError(f"{where}: nothing to train on; give a source with rows a weight above 0")
    corpus = _at(data.corpus, places)
    corpus = replace(corpus, weights=tuple(float(weights[origin]) for origin in corpus.origins))
    return replace(data, corpus=corpus, items=[data.items[i] for i in places])
