"""Measuring a model on the evaluation prompts, by two runs of the mill: sampled and greedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gristmill.flywheel.answers import Answer, answers
from gristmill.flywheel.arms import Loaded
from gristmill.flywheel.figures import Marks
from gristmill.flywheel.show import Show
from gristmill.flywheel.truth import find_truth
from gristmill.intake.source import Source
from gristmill.mill import Config
from gristmill.records import Prompt


def measure(loaded: Loaded, file: Path, model: str, out: Path, show: Show) -> None:
    """Let `model` answer the prompts of `file`, into `out/sampled` and `out/greedy`; what is
    there already is not asked again.

    The judges are the config's own throughout, whatever has been trained since, so that rounds
    can be compared.
    """
    how = loaded.flywheel.evaluate
    sampled = _config(loaded, file, model, how.responses, how.temperature)
    show.mill(sampled, out / "sampled", "measuring, sampled")
    show.mill(_config(loaded, file, model, 1, 0.0), out / "greedy", "measuring, greedy")


def _config(loaded: Loaded, file: Path, model: str, responses: int, temperature: float) -> Config:
    mill = loaded.mill
    # What was learned from few-shot examples has to be there without them.
    how = {"responses": responses, "temperature": temperature, "examples": ()}
    generate = mill.generate[0].model_copy(update={"model": model, **how})
    return mill.model_copy(
        update={
            "name": f"{mill.name}, evaluation",
            "prompts": [Source(file=str(file))],
            "generate": (generate,),
            "keep": [],
            "target": None,
            "export": ["scored"] if mill.grades else ["sft"],
            "flywheel": None,
        }
    )


def responses(loaded: Loaded, prompts: Sequence[Prompt], folder: Path) -> list[Answer]:
    """What a finished measurement's `sampled` or `greedy` folder holds."""
    name = loaded.flywheel.evaluate.truth
    by_id = {prompt.id: prompt for prompt in prompts}
    return answers(folder, by_id, find_truth(name) if name else None)


def marks_of(loaded: Loaded, prompts: Sequence[Prompt], out: Path) -> Marks:
    """The figures of a finished measurement."""
    number = loaded.flywheel.evaluate.responses
    sampled = responses(loaded, prompts, out / "sampled")
    greedy = responses(loaded, prompts, out / "greedy")
    right, rewards = _tables(prompts, number, sampled)
    first, greedy_rewards = _tables(prompts, 1, greedy)
    known = loaded.flywheel.evaluate.truth is not None
    return Marks(
        right if known else None,
        rewards,
        first[:, 0] if known else None,
        greedy_rewards[:, 0],
        len(prompts) * (number + 1) - len(sampled) - len(greedy),
    )


def _tables(
    prompts: Sequence[Prompt], number: int, found: Sequence[Answer]
) -> tuple[np.ndarray, np.ndarray]:
    """(right, rewards), both (P, n). A response that is not there is wrong and has no reward."""
    places = {prompt.id: place for place, prompt in enumerate(prompts)}
    right = np.zeros((len(prompts), number))
    rewards = np.full((len(prompts), number), np.nan)
    for answer in found:
        place = places[answer.prompt.id], answer.index
        right[place] = bool(answer.right)
        if answer.reward is not None:
            rewards[place] = answer.reward
    return right, rewards
