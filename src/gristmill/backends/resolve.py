"""From a model string to a backend: the part before the colon names the module."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from gristmill.backends.base import ChatBackend, RewardBackend
from gristmill.errors import ConfigError

MODULES = {
    "tiny": "local",
    "hf": "local",
    "http": "endpoint",
    "https": "endpoint",
    "nim": "endpoint",
    "scripted": "scripted",
}
"""Model-string prefix -> module of this room that opens it."""


def _module(model: str) -> Any:
    prefix, colon, rest = model.partition(":")
    if colon and rest and prefix in MODULES:
        return import_module(f"gristmill.backends.{MODULES[prefix]}")
    if prefix == "vllm":
        raise ConfigError(
            f"model '{model}': the in-process vLLM engine is not in this version; start "
            "`vllm serve` and name the model as http://HOST:PORT/v1#NAME"
        )
    near = get_close_matches(prefix, MODULES, n=1)
    hint = f"did you mean '{near[0]}:...'?" if near else "it starts with one of"
    raise ConfigError(f"unknown model '{model}': {hint} ({', '.join(f'{p}:...' for p in MODULES)})")


def open_chat(model: str, options: Mapping[str, Any] | None = None) -> ChatBackend:
    """The chat backend for a model string, not yet opened (`async with` it).

    options: of the backend, for instance `concurrency` or `timeout` of an endpoint; a backend
    ignores those it has no use for. Raises ConfigError or MissingExtra.
    """
    return cast(ChatBackend, _module(model).open_chat(model, dict(options or {})))


def open_reward(model: str, options: Mapping[str, Any] | None = None) -> RewardBackend:
    """The reward backend for a model string; see `open_chat`."""
    return cast(RewardBackend, _module(model).open_reward(model, dict(options or {})))
