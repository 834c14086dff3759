"""A model whose servers are started with it: a fleet, and the endpoint backend in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Generic, TypeVar

from gristmill.backends import endpoint, endpoint_embedding
from gristmill.backends.base import Backend, ChatBackend, RewardBackend
from gristmill.backends.calling import Calling
from gristmill.backends.embedding import Embedded, EmbeddingBackend
from gristmill.backends.local_load import find
from gristmill.backends.servers import common_name
from gristmill.errors import ConfigError
from gristmill.fleet.shared import servers_of
from gristmill.records import Message, Prompt, Response, Sampling, Score

B = TypeVar("B", bound=Backend)

PREFIXES = ("tiny:", "hf:", "vllm:")
"""What can be started here: `gristmill serve` has it, or starts vLLM with it."""


class _Started(Backend, Generic[B]):
    """Asks a fleet's servers while it is entered. open_: the endpoint backend of settings."""

    def __init__(self, calling: Calling, open_: Callable[[Calling], B]) -> None:
        if not calling.model.startswith(PREFIXES):
            raise ConfigError(
                f"model '{calling.model}': a fleet is started for tiny:..., hf:... or vllm:...; "
                "servers that are there already need none: leave `fleet` out"
            )
        if calling.batch_api is not None:
            raise ConfigError(
                f"model '{calling.model}': `batch_api` is a provider's; leave it out, or `fleet`"
            )
        if calling.reference is not None:
            raise ConfigError(
                f"model '{calling.model}': `reference` needs the policy's own likelihoods, and so "
                "its weights here: leave `fleet` out"
            )
        super().__init__(calling.model)
        source = find(calling.model.replace("vllm:", "hf:", 1), here=False)
        self.licence = calling.licence or source.licence
        self._calling, self._open = calling, open_
        self._inner: B | None = None
        self._opened = AsyncExitStack()
        self._users = 0
        self._change = asyncio.Lock()

    async def __aenter__(self):
        async with self._change:
            if not self._users:
                await self._start()
            self._users += 1
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._users -= 1
        if not self._users:
            self._inner = None
            await self._opened.aclose()

    async def _start(self) -> None:
        calling, fleet = self._calling, self._calling.fleet
        assert fleet is not None
        async with AsyncExitStack() as opened:
            there = await opened.enter_async_context(servers_of(calling.model, fleet))
            places = (f"file:{there.servers}",)
            where = {"model": common_name(places), "servers": places, "fleet": None}
            key = {"key_env": there.key_env or calling.key_env}
            inner = self._open(calling.model_copy(update={**where, **key}))
            # Rows say which model answered, not where a server of it once was.
            inner.model, inner.licence = self.model, self.licence
            inner.traffic, inner.meter = self.traffic, self.meter
            self._inner = await opened.enter_async_context(inner)
            self._opened = opened.pop_all()

    def _now(self) -> B:
        """The backend; a call before `async with` is a mistake in the program."""
        assert self._inner is not None, "open the backend first: `async with backend:`"
        return self._inner


class ChatFleet(_Started[ChatBackend], ChatBackend):
    """A chat model on servers that are started with it."""

    takes_schema = True

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """See ChatBackend."""
        return await self._now().sample(prompt, index, sampling)

    async def stream(
        self, prompt: Prompt, index: int, sampling: Sampling
    ) -> AsyncGenerator[str | Response]:
        """See ChatBackend."""
        async with aclosing(self._now().stream(prompt, index, sampling)) as pieces:
            async for piece in pieces:
                yield piece


class RewardFleet(_Started[RewardBackend], RewardBackend):
    """A reward model on servers that are started with it."""

    async def score(self, messages: Sequence[Message]) -> Score:
        """See RewardBackend."""
        return await self._now().score(messages)


class EmbeddingFleet(_Started[EmbeddingBackend], EmbeddingBackend):
    """A model that embeds texts, on servers that are started with it."""

    async def embed(self, text: str) -> Embedded:
        """See EmbeddingBackend."""
        return await self._now().embed(text)


def open_chat(calling: Calling) -> ChatFleet:
    """A chat model on servers to be started. Raises ConfigError."""
    return ChatFleet(calling, endpoint.open_chat)


def open_reward(calling: Calling) -> RewardFleet:
    """A reward model on servers to be started. Raises ConfigError."""
    return RewardFleet(calling, endpoint.open_reward)


def open_embedding(calling: Calling) -> EmbeddingFleet:
    """A model that embeds texts, on servers to be started. Raises ConfigError."""
    return EmbeddingFleet(calling, endpoint_embedding.open_embedding)
