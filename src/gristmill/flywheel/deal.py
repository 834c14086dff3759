"""Prompts dealt to the rounds; what is measured on is kept apart from all that is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from gristmill.errors import DataError
from gristmill.flywheel.arms import Loaded
from gristmill.intake.record import row_of
from gristmill.intake.source import Source
from gristmill.mill.config import Config
from gristmill.mill.source import read_prompts
from gristmill.page.text import plural
from gristmill.records import Prompt, as_dicts
from gristmill.storage import digest, write_atomically
from gristmill.train import sources
from gristmill.train.examples import Conversation, Refused, prompt_of
from gristmill.train.sources import TrainingSource

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Dealt:
    """What became of the prompts, and of people's rows.

    rounds: each one's own prompts. human: the rows of each source. leaked, leaked_human: how many
    were left out for beginning as one of the evaluation's does. unusable: rows that are no prompt
    or repeat one, and people's that are no conversation.
    """

    evaluation: list[Prompt]
    rounds: list[list[Prompt]]
    leaked: int
    human: list[Rows]
    leaked_human: int
    unusable: int

    def digests(self) -> dict[str, str]:
        """What tells other prompts and rows apart, whatever their files are called."""
        found = {"evaluation": _digest(self.evaluation)}
        found |= {f"round-{i}": _digest(share) for i, share in enumerate(self.rounds, 1)}
        return found | {f"human-{i}": digest(rows) for i, rows in enumerate(self.human, 1)}


def key(prompt: Prompt) -> str:
    """What makes two prompts the same: the first thing the user says, case and white space
    aside."""
    return prompt_of(Conversation(prompt.messages, ""))


def deal_all(loaded: Loaded) -> Dealt:
    """Read and deal all that a config names. Raises DataError."""
    wheel, mill = loaded.flywheel, loaded.mill
    evaluation, bad = _read(wheel.evaluate.prompts, mill)
    prompts, worse = _read(wheel.prompts, mill)
    rounds, leaked = deal(evaluation, prompts, wheel.rounds, mill.seed)
    apart = {key(prompt) for prompt in evaluation}
    human = [_human(source, apart) for source in wheel.human]
    return Dealt(
        evaluation,
        rounds,
        leaked,
        [rows for rows, _, _ in human],
        sum(n for _, n, _ in human),
        bad + worse + sum(n for _, _, n in human),
    )


def deal(
    evaluation: Sequence[Prompt], prompts: Iterable[Prompt], rounds: int, seed: int
) -> tuple[list[list[Prompt]], int]:
    """(each round's share, how many prompts were left out for being among the evaluation's).

    Every prompt is in one share at most, shares differ by one prompt at most, and it is the same
    for the same seed, whatever the prompts' order. Raises DataError where a round would get none.
    """
    apart = {key(prompt) for prompt in evaluation}
    given = list(prompts)
    fresh = [prompt for prompt in given if key(prompt) not in apart]
    leaked = len(given) - len(fresh)
    fresh.sort(key=lambda prompt: blake2b(f"{seed}:{prompt.id}".encode(), digest_size=8).digest())
    if not evaluation or len(fresh) < rounds:
        what = "flywheel.prompts" if evaluation else "flywheel.evaluate.prompts"
        raise DataError(
            f"{what}: too few for {plural(rounds, 'round')}: "
            f"{plural(len(evaluation), 'prompt')} to measure on, "
            f"{len(fresh)} to train on, without {leaked} that are in both; add prompts"
        )
    return [fresh[i::rounds] for i in range(rounds)], leaked


def write(dealt: Dealt, folder: Path) -> None:
    """`evaluation.jsonl`, `round-<r>.jsonl` and `human-<i>.jsonl`, as mill and training read
    them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows([row_of(prompt) for prompt in dealt.evaluation], folder / "evaluation.jsonl")
    for number, share in enumerate(dealt.rounds, 1):
        write_rows([row_of(prompt) for prompt in share], folder / f"round-{number}.jsonl")
    for number, rows in enumerate(dealt.human, 1):
        write_rows(rows, folder / f"human-{number}.jsonl")


def write_rows(rows: Rows, file: Path) -> None:
    """JSONL, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _read(sources: Sequence[Source], mill: Config) -> tuple[list[Prompt], int]:
    """(prompts in order, how many rows are none)."""
    found = list(read_prompts(sources, mill.system, tools=mill.offered()))
    prompts = [item for item in found if isinstance(item, Prompt)]
    return prompts, len(found) - len(prompts)


def _human(source: TrainingSource, apart: set[str]) -> tuple[Rows, int, int]:
    """(a source's conversations, how many were left out for being in `apart`, how many rows are
    none)."""
    read = list(sources.read(source, (Conversation,)))
    found = [x for x in read if not isinstance(x, Refused)]
    clean = [x for x in found if prompt_of(x) not in apart]
    if not clean:
        raise DataError(f"{source.file}: every row begins as a prompt that is measured on does")
    rows = [_conversation(x) for x in clean if isinstance(x, Conversation)]
    return rows, len(found) - len(clean), len(read) - len(found)


def _conversation(example: Conversation) -> dict[str, Any]:
    *before, answer = example.messages
    asked = Prompt("", tuple(before), tools=example.tools)
    return {**row_of(asked, answer), "source": example.where}


def _checked(prompt: Prompt) -> dict[str, Any]:
    """What the judges `code`, `format`, `rubric` and `tools` look at, and what may be called; only
    what there is."""
    found = {
        "tests": prompt.tests,
        "constraints": list(prompt.constraints),
        "tools": prompt.tools,
        "rubric": [criterion._asdict() for criterion in prompt.rubric],
        "calls": prompt.calls,
    }
    return {name: value for name, value in found.items() if value}


def _digest(prompts: Sequence[Prompt]) -> str:
    known = ((p, _checked(p)) for p in prompts)
    return digest(
        [
            [p.id, as_dicts(p.messages), p.answer, *([checked] if checked else [])]
            for p, checked in known
        ]
    )
