"""The models of this process, each under the name it was given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

from gristmill.backends.calling import Calling
from gristmill.backends.local import Local, LocalChat, LocalReward, open_chat, open_reward
from gristmill.backends.local_embedding import LocalEmbedding, open_embedding, read_layout
from gristmill.backends.local_load import Source, find, is_reward, load_config
from gristmill.backends.local_pair import CAUSAL
from gristmill.errors import ConfigError
from gristmill.serve.places import Places
from gristmill.serve.refusal import Refused

Kind = Literal["chat", "reward", "embedding"]

_ROUTES = {
    "chat": "/v1/chat/completions and /v1/completions",
    "reward": "/v1/chat/completions, /v1/rewards, /classify and /pooling",
    "embedding": "/v1/embeddings and /pooling",
}
_ARTICLES = {"chat": "a chat model", "reward": "a reward model", "embedding": "an embedding model"}


@dataclass(slots=True)
class Served:
    """One model. created: when it was loaded, seconds since 1970."""

    name: str
    kind: Kind
    backend: Local
    places: Places
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def card(self) -> dict[str, Any]:
        """What `/v1/models` says of it."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "gristmill",
            "kind": self.kind,
            "max_model_len": self.backend.context,
        }

    @property
    def chat(self) -> LocalChat:
        """The backend of a chat model. Raises Refused for another."""
        if not isinstance(self.backend, LocalChat):
            raise self._wrong()
        return self.backend

    @property
    def reward(self) -> LocalReward:
        """The backend of a reward model. Raises Refused for another."""
        if not isinstance(self.backend, LocalReward):
            raise self._wrong()
        return self.backend

    @property
    def embedding(self) -> LocalEmbedding:
        """The backend of a model that embeds. Raises Refused for another."""
        if not isinstance(self.backend, LocalEmbedding):
            raise self._wrong()
        return self.backend

    def _wrong(self) -> Refused:
        return Refused(
            400,
            f"model '{self.name}' is {_ARTICLES[self.kind]}: ask it by {_ROUTES[self.kind]}",
            "wrong_kind_of_model",
            param="model",
        )


class Models:
    """All of them. `async with` loads them, one after the other.

    Raises ConfigError for a name that is no model of this process, and for one that comes twice.
    """

    def __init__(self, names: Sequence[str], queue: int) -> None:
        self._served: dict[str, Served] = {}
        self._stack = AsyncExitStack()
        for name in names:
            if name in self._served:
                raise ConfigError(f"model '{name}' is named twice; leave one out")
            kind, backend = _backend(name)
            self._served[name] = Served(name, kind, backend, Places(name, queue))

    async def __aenter__(self) -> Models:
        for served in self:
            await self._stack.enter_async_context(served.backend)
            served.created = int(time.time())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def __iter__(self):
        return iter(self._served.values())

    def named(self, name: str) -> Served:
        """The model of this name. Raises Refused, which names those there are."""
        served = self._served.get(name)
        if served is None:
            there = ", ".join(f"'{known}'" for known in self._served)
            raise Refused(
                404,
                f"there is no model '{name:.200}' here; there is {there}",
                "model_not_found",
                param="model",
            )
        return served


def _backend(name: str) -> tuple[Kind, Local]:
    prefix, _, rest = name.partition(":")
    if prefix not in ("tiny", "hf") or not rest:
        raise ConfigError(
            f"model '{name}' is none that this process can hold: name tiny:instruct, tiny:reward, "
            "hf:./dir or hf:org/name"
        )
    source = find(name)
    kind = kind_of(source)
    calling = Calling(model=name)
    if kind == "reward":
        return kind, open_reward(calling)  # type: ignore[return-value]
    return kind, open_embedding(calling) if kind == "embedding" else open_chat(calling)


def kind_of(source: Source) -> Kind:
    """What a model does, by its config.json and by what lies beside it. Raises ConfigError."""
    config = load_config(source)
    if is_reward(config):
        return "reward"
    kinds = config.get("architectures") or []
    causal = any(kind.endswith(CAUSAL) for kind in kinds)
    return "chat" if causal and not read_layout(source).stated else "embedding"
