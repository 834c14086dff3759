"""One call for a training, shown while it goes on: `gristmill train`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from gristmill.storage import folder_of
from gristmill.terminal.console import speaker
from gristmill.train.config import TrainConfig
from gristmill.train.job import Trained, config_of, load_config, run
from gristmill.train.progress import Shown
from gristmill.train.stages import load_stages, run_stages

Given = TrainConfig | Mapping[str, Any] | str | Path
"""A config as whoever calls has it: as it is, as its values, or as a file."""


def train(
    kind: str,
    config: Given,
    out: str | Path | None = None,
    *,
    watch: Callable[[dict[str, Any]], None] | None = None,
    quiet: bool = False,
) -> Trained:
    """Train a model into a folder; with the same folder again, it goes on.

    kind: `pretrain`, `sft`, `reward`, `dpo` or `rpo`. config: a file, its values, or a config.
    out: the folder; by default `out/` and the run's name. watch: called with each line of
    `log.jsonl`, in place of the bar; quiet: show nothing. Raises InputError for what the user must
    put right, and RunError for a loss that is no number or memory that ran out.
    """
    if isinstance(config, str | Path):
        config = load_config(kind, Path(config))
    elif isinstance(config, Mapping):
        config = config_of(kind, dict(config))
    console = speaker(quiet or not is_first())
    with nullcontext(watch) if watch else Shown(console, config.name) as seen:
        return run(config, folder_of(out, config.name), watch=seen)


def train_stages(
    config: str | Path,
    out: str | Path | None = None,
    *,
    settings: Sequence[str] = (),
    done: Callable[[Trained], None] = lambda _: None,
    quiet: bool = False,
) -> list[Trained]:
    """Several trainings in a row, each from the last one's model; see `stages`.

    settings: as of `--set`. done: called with what each left behind. The rest is as of `train`.
    """
    loaded, stages = load_stages(Path(config), settings)
    console = speaker(quiet or not is_first())
    folder = folder_of(out, loaded.name)
    results = []
    for trained in run_stages(stages, loaded.model, folder, lambda s: Shown(console, s.name)):
        results.append(trained)
        done(trained)
    return results


def is_first() -> bool:
    """Whether this is the one process of a training that speaks."""
    return os.environ.get("RANK", "0") == "0"
