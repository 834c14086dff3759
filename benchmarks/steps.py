"""Steps of our trainer beside TRL's, for `packing.py`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from gristmill.train import model
from gristmill.train.batches import Step
from gristmill.train.config import DpoConfig, Optimizer, RewardConfig
from gristmill.train.encode import Item
from gristmill.train.loop import Trainer
from gristmill.train.objectives import PreferenceObjective, RewardObjective
from gristmill.train.parallel import joined
from shapes import PAIRS, Reference, Shape, grouped_steps, pairs, plain_steps, reference, settings
from trl_side import Job, now, train

AT_ONCE = (1, 2, 4, 8, 16, 32)
"""Pairs that TRL's trainer is tried with."""
PART_TOKENS = (2_048, 4_096, 16_384)
"""Tokens at once that ours is tried with."""
LR = 1e-5
HOPELESS = 1.3
"""Times the fastest from which on more pairs at once are not tried."""
TRIED_TWICE = 3
"""Settings of TRL that are measured again before the fastest is chosen."""


def our_trainer(job: Job, tokens: int) -> Trainer:
    """Ready to step, `tokens` at once."""
    common: dict[str, Any] = {
        "model": f"hf:{job.folder}",
        "data": {"file": "random"},
        "precision": "bf16" if job.bf16 else "fp32",
        "batch": {"examples": PAIRS, "tokens": tokens},
        "optimizer": {"lr": job.lr, "betas": job.betas, "weight_decay": 0, "clip": 1},
    }
    if job.kind == "reward":
        config = RewardConfig(loss="bradley_terry", **common)
        objective = RewardObjective(config)
    else:
        config = DpoConfig(sft_weight=0, **common)
        objective = PreferenceObjective(config, job.reference)
    with joined() as world:
        learner = model.load(config, objective.head)
        return Trainer(learner, objective, config, job.folder, world)


def our_step(trainer: Trainer, items: list[Item]) -> tuple[float, float, int]:
    """Seconds, loss and tokens computed."""
    before = trainer.facts.computed
    begun = now()
    loss = trainer.step(Step(1, 1, items), LR)["loss"]
    return now() - begun, loss, trainer.facts.computed - before


def jobs(kind: str, folder: Path, shape: Shape, args: Namespace) -> dict[str, Job]:
    """The steps to compare, the first to warm up, in both orders of the pairs."""
    items = pairs(kind, shape, 50 * PAIRS, settings(args.model)["max_position_embeddings"])
    given: Reference = reference(items) if kind == "dpo" else {}
    count = args.rounds + 1
    steps = {"as they come": plain_steps(items, count), "by length": grouped_steps(items, count)}
    betas = Optimizer().betas
    return {o: Job(kind, folder, s, LR, betas, args.bf16, given) for o, s in steps.items()}


def trl_fastest(orders: dict[str, Job]) -> tuple[tuple[str, int], dict[tuple[str, int], float]]:
    """TRL's fastest order and number of pairs at once; seconds a token of each setting."""
    middles = {o: replace(job, steps=[job.steps[len(job.steps) // 2]]) for o, job in orders.items()}

    def measure(setting: tuple[str, int]) -> float:
        middle = middles[setting[0]]
        return train(middle, setting[1]).seconds[0] / sum(i.tokens for i in middle.steps[0])

    measure((next(iter(orders)), 1))  # to warm up
    found: dict[tuple[str, int], float] = {}
    for order in orders:
        fastest = float("inf")
        for number in AT_ONCE:
            found[order, number] = measure((order, number))
            fastest = min(fastest, found[order, number])
            # More at once means more padding, and memory that others may need.
            if found[order, number] > HOPELESS * fastest:
                break
    for setting in sorted(found, key=found.__getitem__)[:TRIED_TWICE]:
        found[setting] = min(found[setting], measure(setting))
    return min(found, key=found.__getitem__), found


def our_fastest(job: Job) -> int:
    """Our fastest number of tokens at once."""
    seconds = {}
    for tokens in PART_TOKENS:
        trainer = our_trainer(job, tokens)
        seconds[tokens] = min(our_step(trainer, list(job.steps[1]))[0] for _ in range(2))
    return min(seconds, key=seconds.__getitem__)


def compare(kind: str, folder: Path, shape: Shape, args: Namespace) -> dict[str, Any]:
    """Both sides in turn, on the same pairs, each with what is fastest for it."""
    orders = jobs(kind, folder, shape, args)
    (order, number), tried = trl_fastest(orders)
    job = orders[order]
    tokens = our_fastest(job)
    trainer = our_trainer(job, tokens)
    mine: list[tuple[float, float, int]] = []
    theirs = train(job, number, lambda i: mine.append(our_step(trainer, list(job.steps[i]))))
    seconds, losses, computed = (list(column) for column in zip(*mine, strict=True))
    off = [abs(a - b) / abs(b) for a, b in zip(losses, theirs.losses, strict=True)]
    assert args.bf16 or max(off) < 1e-4, f"{kind} {shape}: the losses differ: {off}"
    return {
        "ours": seconds[1:],
        "theirs": theirs.seconds[1:],
        "best": f"{number} pairs at once, {order}; ours {tokens:,} tokens",
        "ours_tokens": sum(computed[1:]) // args.rounds,
        "theirs_tokens": sum(theirs.tokens[1:]) // args.rounds,
        "difference": max(off),
        "tried": {f"{n} pairs, {o}": round(1e6 * s, 1) for (o, n), s in tried.items()},
    }
