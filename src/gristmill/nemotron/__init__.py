"""The Nemotron family: architectures, chat format, reward model, embedded tiny weights.

Importing this loads no torch; `NemotronRewardModel` is fetched when first named.

    >>> from gristmill.nemotron import tiny_path
    >>> tiny_path("instruct").name
    'instruct'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .chat import CHAT_TEMPLATE, REWARD_TEMPLATE, STOPS, chat_prompt, reward_text
from .presets import PRESETS, Preset, preset
from .tiny import TINY, tiny_path

if TYPE_CHECKING:
    from .reward_model import NemotronRewardModel

__all__ = [
    "CHAT_TEMPLATE",
    "PRESETS",
    "REWARD_TEMPLATE",
    "STOPS",
    "TINY",
    "NemotronRewardModel",
    "Preset",
    "chat_prompt",
    "preset",
    "reward_text",
    "tiny_path",
]


def __getattr__(name: str) -> Any:
    if name != "NemotronRewardModel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .reward_model import NemotronRewardModel

    return NemotronRewardModel
