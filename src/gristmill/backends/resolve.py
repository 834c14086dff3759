"""From a model string to a backend: the part before the colon names the module."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from gristmill.backends.base import ChatBackend, RewardBackend
from gristmill.backends.cached import cached
from gristmill.backends.calling import Calling
from gristmill.backends.embedding import EmbeddingBackend
from gristmill.backends.likelihood import LikelihoodBackend
from gristmill.errors import ConfigError
from gristmill.parts import build

MODULES = {
    "tiny": "local",
    "hf": "local",
    "http": "endpoint",
    "https": "endpoint",
    "nim": "endpoint",
    "scripted": "scripted",
}
"""Model-string prefix -> module of this room that opens it."""

EMBEDDERS = {
    "hf": "local_embedding",
    "http": "endpoint_embedding",
    "https": "endpoint_embedding",
    "nim": "endpoint_embedding",
    "scripted": "scripted_embedding",
}
"""The same for a model that embeds texts."""


Named = str | Sequence[str] | Calling
"""A model as whoever calls has it: its string, the addresses of its servers, or its settings."""


def _module(model: str, modules: Mapping[str, str] = MODULES) -> Any:
    prefix, colon, rest = model.partition(":")
    if colon and rest and prefix in modules:
        return import_module(f"gristmill.backends.{modules[prefix]}")
    if prefix == "vllm":
        raise ConfigError(
            f"model '{model}': vLLM is a server: have it started, with `fleet: {{replicas: 1}}` "
            "beside the model, or start it yourself, with `gristmill serve "
            f"{rest or 'MODEL'} --engine vllm`, and name the address that it prints"
        )
    near = get_close_matches(prefix, modules, n=1)
    hint = f"did you mean '{near[0]}:...'?" if near else _written_out(model)
    raise ConfigError(f"unknown model '{model}': {hint} ({', '.join(f'{p}:...' for p in modules)})")


def _written_out(model: str) -> str:
    """How to name a model that was named as its maker or another tool names it."""
    name = model.rpartition(":")[2] or "NAME"
    own = f"`hf:{model}` in this process, " if re.fullmatch(r"[\w.-]+/[\w.-]+", model) else ""
    return f"write {own}`http://HOST:PORT/v1#{name}` for a server's; it starts with one of"


def _calls(calling: Calling) -> Any:
    """The module that opens a model which answers or grades."""
    if calling.fleet is not None:
        return import_module("gristmill.backends.fleets")
    module = _module(calling.model)
    if calling.batch_api is None:
        return module
    if MODULES[calling.model.partition(":")[0]] != "endpoint":
        raise ConfigError(
            f"model '{calling.model}': `batch_api` is for a model behind a server, "
            "http://HOST:PORT/v1#NAME; leave it out"
        )
    if calling.servers:
        raise ConfigError(
            f"model '{calling.model}': `batch_api` is for one provider; name one address, or leave "
            "it out"
        )
    return import_module("gristmill.backends.batch")


def _settings(model: Named, options: Mapping[str, Any] | None) -> Calling:
    if isinstance(model, Calling):
        return model
    return build(Calling, {"model": model, **(options or {})}, "")


def is_rented(calling: Calling) -> bool:
    """Whether a model is behind an address: what it costs is for whoever runs it to say."""
    return calling.fleet is None and MODULES.get(calling.model.partition(":")[0]) == "endpoint"


def open_chat(model: Named, options: Mapping[str, Any] | None = None) -> ChatBackend:
    """The chat backend of a model, not yet opened (`async with` it).

    model: what a config says of it, or a model string, or those of several servers, with `options`
    for the other settings that `Calling` has. Within `caching` its answers are kept for other runs.
    Raises ConfigError or MissingExtra.
    """
    calling = _settings(model, options)
    module, model = _calls(calling), calling.model
    if calling.reference is not None:
        raise ConfigError(
            f"model '{model}': `reference` makes a judge of a policy trained with DPO; leave "
            "it out for a model that answers"
        )
    return cached(cast(ChatBackend, module.open_chat(calling)), calling)


def open_reward(model: Named, options: Mapping[str, Any] | None = None) -> RewardBackend:
    """The reward backend of a model; see `open_chat`.

    The option `reference`, a model string, is for a chat model trained with DPO: it is graded by
    how much likelier it finds an answer than its reference does.
    """
    calling = _settings(model, options)
    module, model = _calls(calling), calling.model
    if calling.reference is not None and not gives_likelihoods(model):
        raise ConfigError(
            f"model '{model}': `reference` needs the policy's own likelihoods, and so its weights "
            "here: name it hf:org/name, hf:./dir or tiny:..., or leave `reference` out"
        )
    return cached(cast(RewardBackend, module.open_reward(calling)), calling)


def gives_likelihoods(model: str) -> bool:
    """Whether a model can be asked how likely a given answer is: its weights must be here."""
    return MODULES.get(model.partition(":")[0]) == "local"


def open_likelihood(model: Named, options: Mapping[str, Any] | None = None) -> LikelihoodBackend:
    """The backend of a chat model that is asked how likely given answers are; see `open_chat`."""
    calling = _settings(model, options)
    module, model = _module(calling.model), calling.model
    if not gives_likelihoods(model):
        raise ConfigError(
            f"model '{model}' gives no log-probabilities of a given answer: name tiny:..., "
            "hf:org/name or hf:./dir"
        )
    return cast(LikelihoodBackend, module.open_likelihood(calling))


def open_embedding(model: Named, options: Mapping[str, Any] | None = None) -> EmbeddingBackend:
    """The backend of a model that embeds texts; see `open_chat`."""
    calling = _settings(model, options)
    model = calling.model
    if calling.fleet is None and model.startswith("tiny:"):
        raise ConfigError(
            f"model '{model}': the embedded family has no model that embeds texts; name "
            "http://HOST:PORT/v1#NAME, nim:... or hf:..."
        )
    module = _calls(calling) if calling.fleet else _module(model, EMBEDDERS)
    if calling.reference is not None:
        raise ConfigError(f"model '{model}': `reference` is for judges that grade; leave it out")
    if calling.batch_api is not None:
        raise ConfigError(
            f"model '{model}': `batch_api` is for models that answer or grade; leave it out"
        )
    return cached(cast(EmbeddingBackend, module.open_embedding(calling)), calling)
