"""Training: pretrain, sft, reward, dpo, rpo, and several of them in a row.

    >>> from gristmill.train import config_of
    >>> config_of("sft", {"model": "tiny:instruct", "data": {"file": "chats.jsonl"}}).epochs
    1

Importing this loads no torch.
"""

from gristmill.train.config import KINDS, TrainConfig
from gristmill.train.job import Trained, config_of, load_config, run

__all__ = ["KINDS", "TrainConfig", "Trained", "config_of", "load_config", "run"]
