"""Small flywheels for tests: scripted answers and grades, and a student of random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.flywheel.figures import Marks, gain, gains, summary
from gristmill.records import Prompt

SFT = {"steps": 2, "batch": {"examples": 8}, "optimizer": {"lr": 1e-3}, "precision": "fp32"}


def first_is_right(prompt: Prompt, response: str) -> bool:
    """A truth, `wheels:first_is_right`: of several scripted answers the first is right."""
    return response.endswith("/0")


def raises(prompt: Prompt, response: str) -> bool:
    """A truth of a user's that goes wrong."""
    raise KeyError("answer")


def says_nothing(prompt: Prompt, response: str) -> None:
    """A truth that forgot its return."""


async def waits(prompt: Prompt, response: str) -> bool:
    """A truth that would be awaited."""
    return True


def questions(path: Path, number: int, word: str = "Question") -> Path:
    """A prompt file."""
    rows = ({"id": f"{word}-{i}", "prompt": f"{word} {i}?"} for i in range(number))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def settings(home: Path, student: str, **changes: Any) -> dict[str, Any]:
    """A config as YAML would give it: one round of 24 prompts, measured on ten. `changes` are of
    `flywheel`, but for `mill`, which are of the mill's."""
    mill = changes.pop("mill", {})
    wheel = {
        "rounds": 1,
        "student": student,
        "train": [{"sft": SFT}],
        "evaluate": {
            "prompts": {"file": str(questions(home / "measured.jsonl", 10, "Measured"))},
            "truth": "wheels:first_is_right",
            "responses": 2,
        },
        **changes,
    }
    return {
        "name": "small",
        "prompts": {"file": str(questions(home / "prompts.jsonl", 24))},
        "generate": {"model": "scripted:scripts:answer", "responses": 3, "max_tokens": 8},
        "judges": [{"reward": {"model": "scripted:scripts:grade"}}],
        "keep": [{"threshold": {"reward": 2}}],
        "flywheel": wheel,
        **mill,
    }


def marks(right: Any, rewards: Any = None) -> Marks:
    """One model's marks: (P, n) right or None, (P, n) rewards; the greedy answer is the first."""
    table = None if right is None else np.array(right, dtype=float)
    given = np.array(rewards if rewards is not None else right, dtype=float)
    return Marks(table, given, None if table is None else table[:, 0], given[:, 0])


def a_round(number: int, now: Marks, start: Marks, last: Marks) -> dict[str, Any]:
    """The figures of a round, as a finished one has them."""
    found = gains(now, start)
    return {
        "round": number, "model": f"hf:/m{number}", "mill": f"arms/x/round-{number}/mill",
        "picked": 20, "pairs": 0, "right_sampled": None, "right_picked": None,
        "stages": [{"name": "1-sft", "kind": "sft", "synthetic": 20, "human": 0}],
        **summary(now), "gain": found["score"], "greedy_gain": found["greedy"],
        "reward_gain": found["reward"], "gain_on_last": gain(now, last),
    }  # fmt: skip


def rounds(measured: list[Marks]) -> list[Mapping[str, Any]]:
    """The figures of an arm from round 0 on."""
    start = {"round": 0, "model": "tiny:instruct", **summary(measured[0])}
    more = [a_round(i, measured[i], measured[0], measured[i - 1]) for i in range(1, len(measured))]
    return [start, *more]
