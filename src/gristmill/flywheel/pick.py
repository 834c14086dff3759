"""Which of a round's responses are trained on: four filters over the same responses."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.errors import RunError
from gristmill.flywheel.answers import Answer
from gristmill.mill.rows import turns
from gristmill.page.text import plural
from gristmill.storage import tables


@dataclass(frozen=True)
class Picked:
    """What is trained on, and how right it is: shares of all that was sampled and of what was
    picked, None where nobody knows."""

    sft: list[dict[str, Any]]
    preference: list[dict[str, Any]]
    sampled: int
    right_sampled: float | None
    right_picked: float | None


@dataclass(frozen=True)
class Pair:
    """A preference pair, and the scores of both."""

    chosen: Answer
    rejected: Answer
    scores: tuple[float, float]


Pick = tuple[list[Answer], list[Pair]]


def pick(how: str, mill: Path, found: list[Answer], seed: int, thoughts: bool = True) -> Picked:
    """The rows that the filter `how` lets through, the same for the same seed.

    found: all responses of the run in `mill`. thoughts: whether what is trained on has them.
    Raises RunError where none comes through.
    """
    picked, pairs = _PICKS[how](mill, found, random.Random(f"gristmill.pick:{how}:{seed}"))
    if not picked:
        raise RunError(
            f"{mill}: the filter '{how}' lets not one of {plural(len(found), 'response')} through; "
            "loosen `keep`, or look at the report there, and name another folder with --out"
        )
    return Picked(
        [_row(answer, thoughts) for answer in picked],
        [_pair(pair, thoughts) for pair in pairs],
        len(found),
        _share(found),
        _share(picked),
    )


def _share(found: list[Answer]) -> float | None:
    known = [answer.right for answer in found if answer.right is not None]
    return sum(known) / len(known) if known else None


def _reward(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    """What the mill itself picked: the best that `keep` lets through, and its pairs."""
    by_id = {answer.response_id: answer for answer in found}
    table = tables.read_table(mill / "data" / "sft.parquet", ["response_id"])
    names = ["chosen_id", "rejected_id", "chosen_score", "rejected_score"]
    rows = tables.read_table(mill / "data" / "preference.parquet", names).to_pylist()
    pairs = [
        Pair(
            by_id[row["chosen_id"]],
            by_id[row["rejected_id"]],
            (row["chosen_score"], row["rejected_score"]),
        )
        for row in rows
    ]
    return [by_id[name] for name in table["response_id"].to_pylist()], pairs


def _none(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    """One response of each prompt."""
    return [rng.choice(group) for group in _groups(found)], []


def _random(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    """As many rows as `reward` has, drawn by chance: one of a prompt, more only where `reward` has
    more than there are prompts (`select.best`)."""
    number = tables.count_rows(mill / "data" / "sft.parquet")
    picked = _none(mill, found, rng)[0]
    drawn = [picked[i] for i in rng.sample(range(len(picked)), min(number, len(picked)))]
    if number > len(picked):
        taken = {answer.response_id for answer in picked}
        rest = [a for a in found if a.response.says and a.response_id not in taken]
        drawn += rng.sample(rest, min(number - len(picked), len(rest)))
    chosen = {answer.response_id for answer in drawn}
    return [answer for answer in found if answer.response_id in chosen], []


def _oracle(mill: Path, found: list[Answer], rng: random.Random) -> Pick:
    """One right response of each prompt that has one; against a wrong one where there is one."""
    picked, pairs = [], []
    for group in _groups(found):
        right = [answer for answer in group if answer.right]
        wrong = [answer for answer in group if answer.right is False]
        if right:
            picked.append(rng.choice(right))
        if right and wrong:
            # Truth is the score.
            pairs.append(Pair(picked[-1], rng.choice(wrong), (1.0, 0.0)))
    return picked, pairs


_PICKS = {"reward": _reward, "none": _none, "random": _random, "oracle": _oracle}


def _groups(found: list[Answer]) -> list[list[Answer]]:
    """The responses of each prompt; where nothing was said there is nothing to learn."""
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in found:
        if answer.response.says:
            groups[answer.prompt.id].append(answer)
    return list(groups.values())


def _row(answer: Answer, thoughts: bool) -> dict[str, Any]:
    return {
        "messages": turns((*answer.prompt.messages, *answer.response.turns), thoughts),
        **_tools(answer),
        "prompt_id": answer.prompt.id,
        "response_id": answer.response_id,
        "reward": answer.reward,
        "right": answer.right,
    }


def _pair(pair: Pair, thoughts: bool) -> dict[str, Any]:
    return {
        "prompt": turns(pair.chosen.prompt.messages, thoughts),
        "chosen": turns(pair.chosen.response.turns, thoughts),
        "rejected": turns(pair.rejected.response.turns, thoughts),
        **_tools(pair.chosen),
        "chosen_score": pair.scores[0],
        "rejected_score": pair.scores[1],
        "prompt_id": pair.chosen.prompt.id,
        "chosen_id": pair.chosen.response_id,
        "rejected_id": pair.rejected.response_id,
    }


def _tools(answer: Answer) -> dict[str, str]:
    return {"tools": answer.prompt.tools} if answer.prompt.tools else {}
