"""Endpoints whose calls go through a provider's batch API, at half the price at most of them.

A call waits with others until a batch is made of them, and then hours for its answer; whoever
calls sees nothing of that but the time (`batch_collect`). `Calling.batch_api` names the API.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence, Set
from dataclasses import replace
from hashlib import blake2b
from typing import Any, cast

from gristmill.backends.base import ChatBackend
from gristmill.backends.batch_anthropic import Anthropic, params, read_message
from gristmill.backends.batch_api import Api
from gristmill.backends.batch_collect import Collector
from gristmill.backends.batch_file import Files
from gristmill.backends.batch_line import Line
from gristmill.backends.batch_openai import OpenAi
from gristmill.backends.calling import Calling
from gristmill.backends.endpoint import ChatEndpoint, Endpoint, RewardEndpoint
from gristmill.backends.fields import SCHEMA
from gristmill.backends.pool import Parsed
from gristmill.backends.wire import spoken_messages
from gristmill.errors import ConfigError
from gristmill.records import Message, Prompt, Response, Sampling, Score
from gristmill.storage import digest

APIS: dict[str, type[Api]] = {"openai": OpenAi, "anthropic": Anthropic, "file": Files}
MILLION = 1_000_000


class Batches(Endpoint):
    """What all kinds of these backends share: the collector, and what a single call costs more."""

    async def _join(self) -> Collector:
        """Raises ConfigError where there is no folder; CheckpointError, StorageError."""
        c, folder = self.calling, self.caller.backend.folder
        if folder is None:
            raise ConfigError(
                f"model '{c.model}': `batch_api` needs a folder that outlives the "
                "process, which `gristmill run` and `gristmill prompts` give; leave it out here"
            )
        assert c.batch_api is not None
        kind, server, url = APIS[c.batch_api], self.address.server, self.address.url
        base = url.with_path(url.path.removesuffix("chat/completions"), keep_query=True)
        line = Line(server, base, kind.headers(server.key), c.timeout, c.retries)
        # One folder for each model at each server: a batch holds one model's calls.
        known = digest([c.batch_api, str(url), self.address.name])[:12]
        return Collector.join(kind(line), folder / "batches" / known, c.model)

    async def ask(
        self,
        key: str,
        body: bytes,
        parse: Callable[[Any], Parsed],
        tokens: Callable[[Parsed], tuple[int, int]],
    ) -> Parsed:
        """The answer to one call. tokens: that it took; a call by itself costs the whole price."""
        assert self.pool is not None, "open the backend first: `async with backend:`"
        backend = self.caller.backend
        found, alone = await cast(Collector, self.pool).ask(backend, key, body, parse)
        if alone:
            whole, paid = self.calling.price, self.calling.paid
            read, written = tokens(found)
            more = (whole.input - paid.input) * read + (whole.output - paid.output) * written
            backend.meter.add_cost(more / MILLION)
        return found


class BatchChat(ChatEndpoint):
    """A chat model behind a server with OpenAI's batch API."""

    _kind = Batches
    _end: Batches

    async def _ask(self, prompt: Prompt, index: int, body: bytes) -> Response:
        # Of a server that is told no seed, the responses to a prompt have the same body.
        key = _key(body, prompt.id, index)
        return await self._end.ask(key, body, self._read, _tokens)

    def stream(
        self, prompt: Prompt, index: int, sampling: Sampling
    ) -> AsyncGenerator[str | Response]:
        """One piece: nothing of a batch is there before all of it."""
        return ChatBackend.stream(self, prompt, index, sampling)


class BatchMessages(BatchChat):
    """A chat model of Anthropic's, or behind a server with its batch API."""

    _reader = staticmethod(read_message)

    def _body(self, prompt: Prompt, index: int, sampling: Sampling, gone: Set[str]) -> bytes:
        if SCHEMA in gone:
            sampling = replace(sampling, schema=None)
        self._sent = {SCHEMA} if sampling.schema is not None else set()
        return params(self._end.address.name, prompt, sampling, self._end.calling.body)


class BatchReward(RewardEndpoint):
    """A reward model that answers as chat, behind a server with OpenAI's batch API."""

    _kind = Batches
    _end: Batches

    def __init__(self, calling: Calling) -> None:
        super().__init__(calling)
        if self._end.address.route != "chat":
            raise ConfigError(
                f"model '{self.model}': batches go to chat completions; leave `batch_api` out, or "
                "the route"
            )

    async def score(self, messages: Sequence[Message]) -> Score:
        """See RewardBackend."""
        body = b"".join((self._head, spoken_messages(messages), self._tail, b"}"))
        return await self._end.ask(_key(body), body, self._read, lambda s: (s.tokens, 0))


def _key(body: bytes, *beside: object) -> str:
    """What a request is known by: 32 hex digits, which every provider takes as a `custom_id`."""
    hashed = blake2b(body, digest_size=16)
    hashed.update(repr(beside).encode())
    return hashed.hexdigest()


def _tokens(response: Response) -> tuple[int, int]:
    return response.prompt_tokens, response.completion_tokens


def open_chat(calling: Calling) -> BatchChat:
    """A chat model that is asked in batches, not yet opened. Raises ConfigError."""
    return BatchMessages(calling) if calling.batch_api == "anthropic" else BatchChat(calling)


def open_reward(calling: Calling) -> BatchReward:
    """A reward model that is asked in batches, not yet opened. Raises ConfigError."""
    if calling.batch_api == "anthropic":
        raise ConfigError(
            f"model '{calling.model}': Anthropic has no reward model; ask a chat model to judge, "
            "by the judge `llm`"
        )
    return BatchReward(calling)
