"""Prompts dealt to the rounds; what is measured on is kept apart from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import orjson

from gristmill.errors import DataError
from gristmill.mill.config import PromptFile
from gristmill.mill.source import read_prompts
from gristmill.records import Prompt, as_dicts
from gristmill.storage import write_atomically
from gristmill.train.examples import Conversation, prompt_of


@dataclass(frozen=True)
class Dealt:
    """What became of the prompts. rounds: each one's own. leaked: training prompts left out for
    being among the evaluation's. unusable: rows that are no prompt, or repeat one."""

    evaluation: list[Prompt]
    rounds: list[list[Prompt]]
    leaked: int
    unusable: int


def key(prompt: Prompt) -> str:
    """What makes two prompts the same: the first thing the user says, case and white space aside."""
    return prompt_of(Conversation(prompt.messages, ""))


def read(sources: Sequence[PromptFile], system: str | None) -> tuple[list[Prompt], int]:
    """(prompts in order, how many rows are none)."""
    prompts, bad = [], 0
    for item in read_prompts([source.file for source in sources], system):
        if isinstance(item, Prompt):
            prompts.append(item)
        else:
            bad += 1
    return prompts, bad


def deal(evaluation: list[Prompt], prompts: Iterable[Prompt], rounds: int, seed: int) -> Dealt:
    """Each round its share, every prompt in one at most, the same for the same seed.

    Raises DataError where a round would get none.
    """
    apart = {key(prompt) for prompt in evaluation}
    fresh: list[Prompt] = []
    leaked = 0
    for prompt in prompts:
        if key(prompt) in apart:
            leaked += 1
        else:
            fresh.append(prompt)
    fresh.sort(key=lambda prompt: blake2b(f"{seed}:{prompt.id}".encode(), digest_size=8).digest())
    if len(fresh) < rounds or not evaluation:
        what = "flywheel.evaluate.prompts" if not evaluation else "flywheel.prompts"
        raise DataError(
            f"{what}: {len(evaluation)} prompts to measure on and {len(fresh)} to train on, "
            f"without {leaked} that are in both; {rounds} rounds need more"
        )
    return Dealt(evaluation, [fresh[i::rounds] for i in range(rounds)], leaked, 0)


def write(prompts: Sequence[Prompt], path: Path) -> None:
    """A prompt file, as the mill reads it."""
    rows = []
    for prompt in prompts:
        row = {"id": prompt.id, "messages": as_dicts(prompt.messages), "answer": prompt.answer}
        row |= {"category": prompt.category, "language": prompt.language}
        rows.append(orjson.dumps({k: v for k, v in row.items() if v is not None}) + b"\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, b"".join(rows))
