"""Measuring a model on the evaluation prompts, by two runs of the mill: sampled and greedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from gristmill.flywheel.config import Loaded
from gristmill.flywheel.figures import Marks
from gristmill.flywheel.show import Show
from gristmill.flywheel.truth import Truth, find_truth
from gristmill.mill import Config
from gristmill.mill.config import PromptFile
from gristmill.records import Prompt


def evaluate(
    loaded: Loaded, prompts: Sequence[Prompt], file: Path, model: str, out: Path, show: Show
) -> Marks:
    """What `model` does on the prompts of `file`. The judges are the config's own throughout,
    whatever has been trained since, so that rounds can be compared."""
    how = loaded.flywheel.evaluate
    truth = find_truth(how.truth) if how.truth else None
    sampled = _config(loaded, file, model, how.responses, how.temperature)
    greedy = _config(loaded, file, model, 1, 0.0)
    show.mill(sampled, out / "sampled", "measuring, sampled")
    show.mill(greedy, out / "greedy", "measuring, greedy")
    right, rewards = _read(out / "sampled", prompts, how.responses, truth)
    first, greedy_rewards = _read(out / "greedy", prompts, 1, truth)
    return Marks(right, rewards, None if first is None else first[:, 0], greedy_rewards[:, 0])


def _config(loaded: Loaded, file: Path, model: str, responses: int, temperature: float) -> Config:
    mill = loaded.mill
    generate = mill.generate.model_copy(
        update={"model": model, "responses": responses, "temperature": temperature, "system": None}
    )
    return mill.model_copy(
        update={
            "name": "evaluation",
            "prompts": [PromptFile(file=str(file))],
            "generate": generate,
            "keep": [],
            "target": None,
            "export": ["scored"] if mill.judges else ["sft"],
            "flywheel": None,
        }
    )


def _read(
    folder: Path, prompts: Sequence[Prompt], responses: int, truth: Truth | None
) -> tuple[np.ndarray | None, np.ndarray]:
    """(right, rewards), both (P, n). A response that is not there is wrong and has no reward."""
    places = {prompt.id: i for i, prompt in enumerate(prompts)}
    right = np.zeros((len(prompts), responses))
    rewards = np.full((len(prompts), responses), np.nan)
    for row in said(folder):
        place, index = places[row["prompt_id"]], int(row["response_id"].rpartition(".")[2])
        if row["reward"] is not None:
            rewards[place, index] = row["reward"]
        if truth is not None:
            right[place, index] = truth(prompts[place], row["response"])
    return (right if truth else None), rewards


def said(folder: Path) -> list[dict]:
    """The responses of an evaluation: prompt_id, response_id, response, reward."""
    names = ["prompt_id", "response_id", "response", "reward"]
    scored = folder / "data" / "scored.parquet"
    if scored.exists():
        return pq.read_table(scored, columns=names).to_pylist()
    rows = pq.read_table(folder / "data" / "sft.parquet").to_pylist()
    return [{**row, "response": row["messages"][-1]["content"], "reward": None} for row in rows]
