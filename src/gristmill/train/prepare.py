"""From a config to what the loop works on: learner, objective, items, steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from gristmill.errors import DataError
from gristmill.records import ATTRIBUTES
from gristmill.train import batches, model
from gristmill.train.config import (
    DpoConfig,
    Phase,
    PretrainConfig,
    RewardConfig,
    RpoConfig,
    SftConfig,
    TrainConfig,
)
from gristmill.train.corpus import Corpus, constant_labels, gather
from gristmill.train.encode import Encoder, Item
from gristmill.train.examples import Compared, Conversation, Document, Example, Rated, Refused
from gristmill.train.loop import rates
from gristmill.train.model import Learner
from gristmill.train.objectives import LanguageObjective, Objective, RewardObjective


@dataclass(frozen=True)
class Data:
    """Encoded examples. `items` lie at the places of `corpus.train`; `held` are only measured."""

    corpus: Corpus
    items: list[Item]
    held: list[Item]
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class Work:
    """All that a run needs. stretches: data, and the steps on it where a phase says so. total:
    steps in all. fingerprint: a hash of the examples. warnings: what the user should know of the
    data, a sentence each."""

    learner: Learner
    objective: Objective | None
    stretches: tuple[tuple[Data, int | None], ...]
    total: int
    fingerprint: str
    warnings: list[str]

    @property
    def main(self) -> Data:
        """The first stretch's data, which is all of it unless there are phases."""
        return self.stretches[0][0]

    def steps(self, config: TrainConfig) -> Iterator[batches.Step]:
        """All steps of all stretches, numbered through."""
        done = 0
        for data, steps in self.stretches:
            own = config if steps is None else config.model_copy(update={"steps": steps})
            for step in batches.plan(data.corpus, data.items, own):
                yield replace(step, number=done + step.number)
            done += batches.count(data.corpus, data.items, own)


def prepare(config: TrainConfig) -> Work:
    """Load the model and read the data.

    Raises ConfigError, DataError (nothing to train on, naming why) or MissingExtra. The objective
    of DPO and RPO is left None: it needs the reference first.
    """
    objective = _objective(config)
    learner = model.load(config, objective.head if objective else "tokens")
    limits = [n for n in (config.max_length, learner.context) if n is not None]
    encoder = Encoder(
        learner.tokenizer,
        ends=isinstance(config, RewardConfig),
        limit=min(limits, default=None),
        turns=config.turns if isinstance(config, SftConfig) else "all",
    )
    stretches: list[tuple[Data, int | None]] = []
    if isinstance(config, PretrainConfig):
        stretches = [(_phase_data(config, p, encoder), p.steps) for p in config.phases]
    stretches = stretches or [(_data(config, encoder), None)]
    warnings = _warnings(stretches[0][0], config)
    _begin_head(learner, config, stretches[0][0])
    fingerprint = _fingerprint(i for data, _ in stretches for i in (*data.items, *data.held))
    work = Work(learner, objective, tuple(stretches), 0, fingerprint, warnings)
    return replace(work, total=sum(1 for _ in work.steps(config)))


def wanted(config: TrainConfig) -> tuple[type, ...]:
    """The kinds of example that a kind of training learns from."""
    if isinstance(config, RewardConfig):
        kinds = {"regression": (Rated,), "bradley_terry": (Compared,), "both": (Rated, Compared)}
        return kinds[config.loss]
    if isinstance(config, DpoConfig | RpoConfig):
        return (Compared,)
    return (Document,) if isinstance(config, PretrainConfig) else (Conversation,)


def _objective(config: TrainConfig) -> Objective | None:
    if isinstance(config, RewardConfig):
        return RewardObjective(config)
    return None if isinstance(config, DpoConfig | RpoConfig) else LanguageObjective()


def _data(config: TrainConfig, encoder: Encoder) -> Data:
    corpus = gather(config.data, wanted(config), validation=config.validation, seed=config.seed)
    train, weights, items, refused = [], [], [], list(corpus.refused)
    for example, weight, found in _encoded(corpus, config, encoder):
        if isinstance(found, Refused):
            refused.append(found)
            continue
        items.extend(found)
        train.extend([example] * len(found))
        weights.extend([weight] * len(found))
    held: list[Item] = []
    usable, unscored = _scored(corpus.validation, config)
    refused.extend(unscored)
    for found in encoder.encode(usable):
        if isinstance(found, Refused):
            refused.append(found)
        else:
            held.extend(found)
    if not items:
        reasons = Counter(r.reason for r in refused)
        said = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "no rows"
        first = f"; the first: {refused[0].where}: {refused[0].detail}" if refused else ""
        raise DataError(f"data: nothing to train on ({said}){first}")
    corpus = replace(corpus, train=tuple(train), weights=tuple(weights), refused=tuple(refused))
    return Data(corpus, items, held, tuple(refused))


def _encoded(
    corpus: Corpus, config: TrainConfig, encoder: Encoder
) -> Iterator[tuple[Example, float, list[Item] | Refused]]:
    usable, refused = _scored(corpus.train, config)
    kept = {id(example) for example in usable}
    weights = [w for e, w in zip(corpus.train, corpus.weights, strict=True) if id(e) in kept]
    yield from zip(usable, weights, encoder.encode(usable), strict=True)
    for row in refused:
        yield corpus.train[0], 0.0, row


def _scored(
    examples: Sequence[Example], config: TrainConfig
) -> tuple[list[Example], list[Refused]]:
    """RPO learns from a reward model's gap: pairs without scores are put aside."""
    if not isinstance(config, RpoConfig):
        return list(examples), []
    usable: list[Example] = []
    refused = []
    for example in examples:
        assert isinstance(example, Compared)
        if example.chosen_score is None or example.rejected_score is None:
            detail = "rpo needs chosen_score and rejected_score; score the data, or use dpo"
            refused.append(Refused(example.where, "no_score", detail))
        else:
            usable.append(example)
    return usable, refused


def _phase_data(config: PretrainConfig, phase: Phase, encoder: Encoder) -> Data:
    if phase.weights is None:
        return _data(config, encoder)
    pairs = zip(config.data, phase.weights, strict=True)
    mix = [source.model_copy(update={"weight": w}) for source, w in pairs if w > 0]
    return _data(config.model_copy(update={"data": mix}), encoder)


def rate_of(config: TrainConfig, total: int) -> Callable[[int], float]:
    """The learning rate of a step: one schedule over all, or flat phases and falling ones."""
    phases = config.phases if isinstance(config, PretrainConfig) else []
    if not phases:
        return rates(config.optimizer, total)
    flat = rates(config.optimizer.model_copy(update={"schedule": "constant"}), total)
    ends = np.cumsum([phase.steps for phase in phases])

    def rate(step: int) -> float:
        at = min(int(np.searchsorted(ends, step)), len(phases) - 1)
        if not phases[at].decay:
            return flat(step)
        return flat(step) * max(0.0, (ends[at] - step + 1) / phases[at].steps)

    return rate


def _begin_head(learner: Learner, config: TrainConfig, data: Data) -> None:
    """A new regression head starts at the mean label; one that was trained already stays."""
    if not isinstance(config, RewardConfig) or config.loss == "bradley_terry":
        return
    if learner.has_new_head:
        means = []
        for column in range(len(ATTRIBUTES)):
            known = [
                label
                for item in data.items
                if isinstance(item.example, Rated)
                and (label := item.example.labels[column]) is not None
            ]
            means.append(sum(known) / len(known) if known else 0.0)
        model.start_at(learner.module, means)


def _warnings(data: Data, config: TrainConfig) -> list[str]:
    said = []
    if isinstance(config, RewardConfig) and config.loss != "bradley_terry":
        rated = [item.example for item in data.items]
        for name, value in constant_labels(rated).items():
            said.append(f"{name}: every label is {value:g}; nothing but that is learned of it")
        known = {
            name
            for example in rated
            if isinstance(example, Rated)
            for name, label in zip(ATTRIBUTES, example.labels, strict=True)
            if label is not None
        }
        missing = [name for name in ATTRIBUTES if name not in known]
        if missing:
            said.append(f"no labels for {', '.join(missing)}; what the model says of them is noise")
    if config.validation and len(data.held) < 50:
        said.append(f"only {len(data.held)} validation examples: its figures are rough")
    return said


def _fingerprint(items: Any) -> str:
    found = blake2b(digest_size=16)
    for item in items:
        for sequence in item.sequences:
            found.update(sequence.ids.tobytes())
            found.update(b"|")
    return found.hexdigest()
