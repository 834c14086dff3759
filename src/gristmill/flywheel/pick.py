"""Which of a round's responses are trained on: four filters over the same responses."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from gristmill.errors import RunError
from gristmill.flywheel.truth import Truth
from gristmill.records import Prompt, as_dicts
from gristmill.storage import write_atomically


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of a round. right: None where nobody knows the truth."""

    prompt: Prompt
    response_id: str
    text: str
    right: bool | None
    reward: float | None


@dataclass(frozen=True)
class Picked:
    """What is trained on, and how right it is: shares of sampled and of picked, None unknown."""

    sft: list[dict[str, Any]]
    preference: list[dict[str, Any]]
    sampled: int
    right_sampled: float | None
    right_picked: float | None


def answers(mill: Path, prompts: Mapping[str, Prompt], truth: Truth | None) -> list[Answer]:
    """Every response of a mill's run that was not a failure, in the input's order."""
    table = pq.read_table(
        mill / "data" / "scored.parquet", columns=["prompt_id", "response_id", "response", "reward"]
    )
    found = []
    for row in table.to_pylist():
        prompt = prompts[row["prompt_id"]]
        right = truth(prompt, row["response"]) if truth else None
        found.append(Answer(prompt, row["response_id"], row["response"], right, row["reward"]))
    return found


def pick(how: str, mill: Path, found: list[Answer], seed: int) -> Picked:
    """The rows that a filter lets through. Raises RunError where it is none."""
    picked, pairs = _PICKS[how](mill, found, random.Random(f"gristmill.pick:{how}:{seed}"))
    if not picked:
        raise RunError(
            f"{mill}: the filter '{how}' lets not one of {len(found)} responses through; loosen "
            "`keep`, or look at the report there"
        )
    rows = [_row(answer) for answer in picked]
    known = [a.right for a in found if a.right is not None]
    kept = [a.right for a in picked if a.right is not None]
    return Picked(
        rows,
        pairs,
        len(found),
        sum(known) / len(known) if known else None,
        sum(kept) / len(kept) if kept else None,
    )


def write(rows: list[dict[str, Any]], path: Path) -> None:
    """Training rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, b"".join(orjson.dumps(row) + b"\n" for row in rows))


Pick = tuple[list[Answer], list[dict[str, Any]]]


def _reward(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    """What the mill itself picked: the best that `keep` lets through, and its pairs."""
    by_id = {answer.response_id: answer for answer in found}
    table = pq.read_table(mill / "data" / "sft.parquet", columns=["response_id"])
    picked = [by_id[name] for name in table["response_id"].to_pylist()]
    file = mill / "data" / "preference.parquet"
    if not file.exists():
        return picked, []
    names = ["prompt", "chosen", "rejected", "chosen_score", "rejected_score", "prompt_id"]
    return picked, pq.read_table(file, columns=names).to_pylist()


def _none(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    return [rng.choice(group) for group in _groups(found)], []


def _random(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    number = len(_reward(mill, found, rng)[0])
    picked = _none(mill, found, rng)[0]
    return rng.sample(picked, min(number, len(picked))), []


def _oracle(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    picked, pairs = [], []
    for group in _groups(found):
        right = [answer for answer in group if answer.right]
        wrong = [answer for answer in group if answer.right is False]
        if not right:
            continue
        chosen = rng.choice(right)
        picked.append(chosen)
        if wrong:
            pairs.append(_pair(chosen, rng.choice(wrong)))
    return picked, pairs


_PICKS = {"reward": _reward, "none": _none, "random": _random, "oracle": _oracle}


def _groups(found: list[Answer]) -> list[list[Answer]]:
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in found:
        groups[answer.prompt.id].append(answer)
    return list(groups.values())


def _row(answer: Answer) -> dict[str, Any]:
    messages = [*as_dicts(answer.prompt.messages), _turn(answer.text)]
    return {
        "messages": messages,
        "prompt_id": answer.prompt.id,
        "response_id": answer.response_id,
        "reward": answer.reward,
    }


def _pair(chosen: Answer, rejected: Answer) -> dict[str, Any]:
    """A right answer against a wrong one. Truth is the score: 1 against 0."""
    return {
        "prompt": as_dicts(chosen.prompt.messages),
        "chosen": [_turn(chosen.text)],
        "rejected": [_turn(rejected.text)],
        "chosen_score": 1.0,
        "rejected_score": 0.0,
        "prompt_id": chosen.prompt.id,
    }


def _turn(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
