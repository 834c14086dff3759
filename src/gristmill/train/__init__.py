"""Training: pretrain, sft, reward, dpo, rpo, and several of them in a row.

    >>> from gristmill.train import config_of
    >>> config_of("sft", {"model": "tiny:instruct", "data": {"file": "chats.jsonl"}}).epochs
    1

The room can be called: `gristmill.train("sft", config, out)` is `command.train`.

Importing this loads no torch.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from gristmill.train.command import Given, train
from gristmill.train.config import KINDS, TrainConfig
from gristmill.train.job import Trained, config_of, load_config, run

__all__ = ["KINDS", "TrainConfig", "Trained", "config_of", "load_config", "run", "train"]


class _Room(ModuleType):
    """`gristmill.train` is this module once it is imported, and in a notebook what trains."""

    def __call__(
        self,
        kind: str,
        config: Given,
        out: str | Path | None = None,
        *,
        watch: Callable[[dict[str, Any]], None] | None = None,
        quiet: bool = False,
    ) -> Trained:
        """See `command.train`."""
        return train(kind, config, out, watch=watch, quiet=quiet)


sys.modules[__name__].__class__ = _Room
