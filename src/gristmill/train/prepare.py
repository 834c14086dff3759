"""From a config to what the loop works on: learner, objective, items, steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np

from gristmill.errors import ConfigError, DataError
from gristmill.intake.record import KINDS
from gristmill.page.text import plural
from gristmill.records import ATTRIBUTES
from gristmill.train import batches, model
from gristmill.train.config import (
    ChatConfig,
    DpoConfig,
    PretrainConfig,
    RewardConfig,
    RpoConfig,
    SftConfig,
    TrainConfig,
)
from gristmill.train.corpus import constant_labels
from gristmill.train.data import Data, encoded, stretches, unused_columns
from gristmill.train.encode import Encoder, ended
from gristmill.train.examples import KIND_OF, Compared, Rated
from gristmill.train.model import Learner
from gristmill.train.objectives import LanguageObjective, Objective, RewardObjective
from gristmill.train.optimizer import rates

FEW = 30
"""Labels below which an attribute is not learned, whatever the model."""
NAMED = 8
"""Columns that a warning names; `metrics.json` has them all."""
BOTH = (Rated, Compared)
"""What `loss: both` learns from."""


@dataclass(frozen=True)
class Work:
    """All that a run needs. data: all of it. stretches: what is learned from it in turn, and for
    how many steps where a phase says so. total: steps in all. fingerprint: a hash of the examples.
    warnings: what the user should know of the data, a sentence each."""

    learner: Learner
    objective: Objective | None
    data: Data
    stretches: tuple[tuple[Data, int | None], ...]
    total: int
    fingerprint: str
    warnings: list[str]

    def steps(self, config: TrainConfig) -> Iterator[batches.Step]:
        """All steps of all stretches, numbered through."""
        in_phases = sum(steps or 0 for _, steps in self.stretches)
        own = config.model_copy(update={"steps": in_phases}) if in_phases else config
        plans: dict[int, Iterator[batches.Step]] = {}
        done = 0
        for data, steps in self.stretches:
            # A later phase of the same mix goes on in the data where the earlier one stopped.
            fresh = batches.plan(data.corpus, data.items, own)
            for step in islice(plans.setdefault(id(data), fresh), steps):
                done += 1
                yield replace(step, number=done)


def prepare(config: TrainConfig) -> Work:
    """Load the model and read the data.

    Raises ConfigError, DataError (nothing to train on, naming why) or MissingExtra. The objective
    of DPO and RPO is left None: it needs the reference first.
    """
    objective = _objective(config)
    learner = model.load(config, objective.head if objective else "tokens")
    limits = [n for n in (config.max_length, learner.context) if n is not None]
    answers = isinstance(config, RewardConfig) and config.likelihood > 0
    encoder = Encoder(
        learner.tokenizer,
        ends=isinstance(config, RewardConfig),
        answers=answers,
        limit=min(limits, default=None),
        turns=config.turns if isinstance(config, SftConfig) else "all",
        reasoning=config.reasoning if isinstance(config, ChatConfig) else "keep",
    )
    data = encoded(config, encoder)
    if answers:
        data = replace(data, held=[ended(item) for item in data.held])
    _begin_head(learner, config, data)
    work = Work(
        learner,
        objective,
        data,
        stretches(config, data),
        0,
        _fingerprint((*data.items, *data.held)),
        _warnings(data, config),
    )
    total = sum(1 for _ in work.steps(config))
    if not total:
        raise DataError("data: the weights leave nothing in the epochs; raise weight, or epochs")
    alone = config.likelihood_steps if isinstance(config, RewardConfig) else 0
    if alone >= total:
        raise ConfigError(f"likelihood_steps: {alone} of {total} steps leave none for the labels")
    return replace(work, total=total)


def _objective(config: TrainConfig) -> Objective | None:
    if isinstance(config, RewardConfig):
        return RewardObjective(config)
    return None if isinstance(config, DpoConfig | RpoConfig) else LanguageObjective()


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
    if isinstance(config, RewardConfig) and config.loss == "both":
        kinds = {type(item.example) for item in data.items}
        absent = [KINDS[KIND_OF[kind]][0] for kind in BOTH if kind not in kinds]
        if absent:
            said.append(f"no {absent[0]} among the data, though loss is both")
    if isinstance(config, RewardConfig) and config.loss != "bradley_terry":
        rated = [item.example for item in data.items]
        for name, value in constant_labels(rated).items():
            said.append(f"{name}: every label is {value:g}; nothing but that is learned of it")
        known = Counter(
            name
            for example in rated
            if isinstance(example, Rated)
            for name, label in zip(ATTRIBUTES, example.labels, strict=True)
            if label is not None
        )
        missing = [name for name in ATTRIBUTES if not known[name]]
        if missing:
            said.append(f"no labels for {', '.join(missing)}: what the model says of them is noise")
        few = [f"{name} ({known[name]})" for name in ATTRIBUTES if 0 < known[name] < FEW]
        if few:
            said.append(f"too few labels to learn from: {', '.join(few)}")
        heavy = [n for n in ATTRIBUTES if known[n] < FEW and config.weights.get(n)]
        if heavy and len(heavy) < len(ATTRIBUTES):
            said.append(
                f"{', '.join(heavy)} weigh{'s' if len(heavy) == 1 else ''} in the reward all the "
                "same; leave out of `weights` what is not learned"
            )
    if unused := unused_columns(data):
        columns = [f"{name} ({count:,})" for name, count in unused.items()]
        more = [f"{len(columns) - NAMED} more"] if len(columns) > NAMED else []
        said.append(f"columns that nothing used, and rows: {', '.join(columns[:NAMED] + more)}")
    if config.validation and not data.held:
        said.append("nothing could be held out: a share of the prompts needs two of them at least")
    elif config.validation and len(data.held) < 50:
        held = plural(len(data.held), "validation example")
        said.append(f"only {held}: the figures are rough")
    return said


def _fingerprint(items: Any) -> str:
    found = blake2b(digest_size=16)
    for item in items:
        for sequence in item.sequences:
            found.update(sequence.ids.tobytes())
            found.update(b"|")
    return found.hexdigest()
